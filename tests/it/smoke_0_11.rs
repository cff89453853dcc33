//! The oldest Kafka that is spoken to: what cannot be taken for granted there (topic ids, leader epochs, KRaft) is done without.

use std::time::Duration;

use serde_json::json;

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, check_books};
use crate::support::kafka::{Kafka, Options, topic_name};
use crate::support::sink::Sink;

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn events_go_through_kafka_0_11_and_a_kill_and_a_restart_of_the_broker() {
    let kafka = Kafka::start(&Options { version: "0.11.0.3".to_owned(), ..Options::default() });
    let sink = Sink::start();
    let topic = kafka.new_topic("old", 2, &[]);
    let group = topic_name("old-group");
    let mut expected = Expected::new(FORWARD, &topic);
    let mut produce = |codec: &str| {
        let script: String =
            (0..60).map(|n| format!("send\t-\t{}\t\\N\tk\t{}\n", n % 2, json!({"id": n, "codec": codec}))).collect();
        for (partition, offset) in kafka.produce_script(&topic, codec, &script) {
            expected.add(partition, [offset], &Fate::Delivered(Some("in order".to_owned())));
        }
        expected.clone()
    };
    produce("none");
    let config = Config::new(&kafka, &topic, &sink.url()).start_at("group").forward(&format!("group = {group:?}"));
    let mut barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 60, LIMIT);
    assert!(barnabas.terminate().success());
    assert_eq!(kafka.committed(&group, &topic, 0), Some(30));
    produce("gzip");
    barnabas.run();
    barnabas.wait_until_consumed(FORWARD, 120, LIMIT);
    kafka.terminate(1);
    kafka.restart(1);
    let expected = produce("lz4");
    let status = barnabas.wait_until_consumed(FORWARD, 180, LIMIT);
    check_books(&status);
    expected.check(&sink.delivered(), &barnabas.dead_letters());
}
