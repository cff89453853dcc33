//! The whole way once: records in a topic, requests at the webhook, a kill in the middle. Needs nothing that a broker of
//! 2017 lacks; scripts/test.sh runs it against Kafka 0.11.0.3, too.

use std::time::Duration;

use serde_json::json;

use crate::support::barnabas::Barnabas;
use crate::support::conservation::{Expected, Fate, Repeats, check_books};
use crate::support::kafka::Kafka;
use crate::support::sink::Sink;

const LIMIT: Duration = Duration::from_secs(60);

fn config(kafka: &Kafka, sink: &Sink, topic: &str) -> String {
    let (bootstrap, url) = (kafka.bootstrap_toml(), sink.url());
    format!(
        r#"
        [kafka]
        bootstrap_servers = {bootstrap}

        [[forward]]
        name = "smoke"
        topics = [{topic:?}]
        start = "earliest"
        filter = '.kind == "alert"'
        required = ["id"]
        transform = '{{ alertId: .id }}'
        order_by = "key"
        [forward.webhook]
        url = {url:?}
        [forward.retry]
        initial = "20ms"
        "#
    )
}

/// 300 records a partition: every third is filtered, every tenth of the others lacks its id.
fn produce(kafka: &Kafka, topic: &str, expected: &mut Expected) {
    for partition in 0..2 {
        let mut fates = Vec::new();
        let records = (0..300).map(|n| {
            let key = format!("key-{}", n % 7);
            let (value, fate) = match n {
                _ if n % 3 == 0 => (json!({"kind": "other", "id": n}), Fate::Filtered),
                _ if n % 10 == 1 => (json!({"kind": "alert"}), Fate::DeadLettered),
                _ => (json!({"kind": "alert", "id": n}), Fate::Delivered(Some(key.clone()))),
            };
            fates.push(fate);
            (Some(key), value.to_string())
        });
        let offsets = kafka.produce(topic, partition, records);
        for (offset, fate) in offsets.into_iter().zip(fates) {
            expected.add(partition, [offset], &fate);
        }
    }
}

#[test]
fn a_topic_arrives_at_the_webhook_and_a_kill_in_the_middle_loses_nothing() {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic("smoke", 2, &[]);
    let sink = Sink::start_with(&["--delay", "5ms"]);
    sink.script(&json!([{"when": {"probability": 0.1, "seed": 7}, "then": {"status": 503}}]));
    let mut expected = Expected::new("smoke", &topic);
    // max_in_flight, and what was settled within the last commit_interval: at 5 ms an answer that may be all of it.
    expected.repeats = Repeats::AtMost(600);
    produce(kafka, &topic, &mut expected);

    let mut barnabas = Barnabas::start(&config(kafka, &sink, &topic));
    sink.wait_for_accepted(50, LIMIT);
    barnabas.kill9();
    barnabas.run();
    let status = barnabas.wait_until_settled("smoke", LIMIT);

    check_books(&status);
    let dead_letters = barnabas.json(&["dead-letters", "list"]);
    expected.check(&sink.delivered(), dead_letters.as_array().expect("an array"));
    assert!(barnabas.terminate().success(), "SIGTERM ends it with 0");
}
