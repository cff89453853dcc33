//! Records with the same order value are delivered one after another, whatever the endpoint does, and hold back no others.

use std::collections::HashMap;
use std::time::Duration;

use barnabas::clock;
use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, check_books};
use crate::support::kafka::Kafka;
use crate::support::sink::{Delivered, Sink};

const LIMIT: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 4;
const RECORDS: i64 = 120;

/// What a record is ordered by: from its partition, offset, key and host.
type OrderValue = fn(Event) -> Option<String>;

#[derive(Clone, Copy)]
struct Event {
    partition: i32,
    offset: i64,
}

impl Event {
    /// Every seventh has none.
    fn key(self) -> Option<String> {
        (self.offset % 7 != 3).then(|| format!("key-{}-{}", self.partition, self.offset % 5))
    }

    /// Every eleventh has none.
    fn host(self) -> Option<String> {
        (self.offset % 11 != 3).then(|| format!("host-{}", self.offset % 3))
    }

    fn value(self) -> String {
        json!({"id": format!("{}/{}", self.partition, self.offset), "host": self.host()}).to_string()
    }
}

fn produce(prefix: &str, order_value: OrderValue) -> Expected {
    let kafka = Kafka::shared();
    let topic = kafka.new_topic(prefix, PARTITIONS as u32, &[]);
    let mut expected = Expected::new(FORWARD, &topic);
    for partition in 0..PARTITIONS {
        let events: Vec<Event> = (0..RECORDS).map(|offset| Event { partition, offset }).collect();
        kafka.produce(&topic, partition, events.iter().map(|event| (event.key(), event.value())));
        for event in events {
            expected.add(partition, [event.offset], &Fate::Delivered(order_value(event)));
        }
    }
    expected
}

/// No request may arrive behind one for a later record of its order value: not even one that is not answered.
#[track_caller]
fn check_arrivals(expected: &Expected, requests: &[Delivered]) {
    let mut arrived: Vec<&Delivered> = requests.iter().collect();
    arrived.sort_by_key(|request| request.n);
    let mut last: HashMap<(i32, String), i64> = HashMap::new();
    for request in arrived {
        let mut parts = request.idempotency_key.rsplit('/');
        let offset: i64 = parts.next().and_then(|it| it.parse().ok()).expect("an offset");
        let partition: i32 = parts.next().and_then(|it| it.parse().ok()).expect("a partition");
        let Some(Fate::Delivered(Some(value))) = expected.records.get(&(partition, offset)) else { continue };
        let latest = last.entry((partition, value.clone())).or_insert(offset);
        assert!(*latest <= offset, "{} came behind offset {latest}", request.idempotency_key);
        *latest = offset;
    }
}

fn under_faults(prefix: &str, order: &str, order_value: OrderValue) {
    let expected = produce(prefix, order_value);
    let sink = Sink::start_with(&["--delay", "2ms"]);
    sink.script(&json!([
        {"when": {"probability": 0.04, "seed": 1}, "then": {"cut": "before"}},
        {"when": {"probability": 0.04, "seed": 2}, "then": {"cut": "after"}},
        {"when": {"probability": 0.04, "seed": 3}, "then": {"cut": "during"}},
        {"when": {"probability": 0.08, "seed": 4}, "then": {"status": 503}},
        {"when": {"probability": 0.02, "seed": 5}, "then": {"status": 200, "delay_ms": 60}},
        {"when": {"probability": 0.01, "seed": 6}, "then": {"hang": true}},
    ]));
    let config = Config::new(Kafka::shared(), &expected.topic, &sink.url())
        .forward(order)
        .forward("max_in_flight = 12")
        .webhook("timeout = \"300ms\"")
        .retry("20ms", "200ms");
    let barnabas = Barnabas::start(&config.text());
    let status = barnabas.wait_until_consumed(FORWARD, expected.records.len() as u64, LIMIT);
    check_books(&status);
    assert!(status["retries"].as_u64() > Some(40), "there were faults: {status:#}");
    let requests = sink.delivered();
    expected.check(&requests, &barnabas.dead_letters());
    check_arrivals(&expected, &requests);
}

#[test]
fn a_partition_keeps_its_order_under_random_faults() {
    under_faults("order-partition", "order_by = \"partition\"", |_| Some("all".to_owned()));
}

#[test]
fn a_key_keeps_its_order_under_random_faults() {
    under_faults("order-key", "order_by = \"key\"", Event::key);
}

#[test]
fn what_a_program_finds_keeps_its_order_under_random_faults() {
    under_faults("order-jq", "order_key = \".host\"", Event::host);
}

#[test]
fn without_an_order_everything_arrives_under_random_faults() {
    under_faults("order-none", "order_by = \"none\"", |_| None);
}

/// The endpoint refuses one record of partition 1 until everything else that may come came; then it takes it.
fn one_is_stuck(prefix: &str, order: &str, order_value: OrderValue) {
    let mut expected = produce(prefix, order_value);
    let stuck = Event { partition: 1, offset: 31 };
    let waits = |(partition, offset): &(i32, i64)| {
        let event = Event { partition: *partition, offset: *offset };
        let same = order_value(event).is_some() && order_value(event) == order_value(stuck);
        event.partition == stuck.partition && event.offset >= stuck.offset && (same || event.offset == stuck.offset)
    };
    let waiting = expected.records.keys().filter(|place| waits(place)).count();
    let sink = Sink::start();
    sink.script(&json!([{"when": {"body_contains": "\"1/31\""}, "then": {"status": 503}}]));
    let config = Config::new(Kafka::shared(), &expected.topic, &sink.url()).forward(order).retry("100ms", "3s");
    let barnabas = Barnabas::start(&config.text());
    let all = expected.records.len();
    let status = barnabas.wait_for_forward(FORWARD, LIMIT, |status| {
        status["consumed"] == all && status["pending"] == waiting && status["retries"].as_u64() > Some(9)
    });
    check_books(&status);
    assert_eq!(status["delivered"], all - waiting, "only what must wait waits");

    // It was refused often enough for an endpoint that is down; yet it is this record alone that is refused.
    let produced_at = clock::wall_clock().0;
    Kafka::shared().produce(&expected.topic, 0, [(Some("new"), "{}")]);
    expected.add(0, [RECORDS], &Fate::Delivered(None));
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["delivered"] == all + 1 - waiting);
    let came = sink.accepted().last().expect("it came").at_ms - produced_at;
    assert!(came < 1_500, "another record waited for {came} ms");
    sink.script(&Value::Array(Vec::new()));
    barnabas.wait_until_consumed(FORWARD, all as u64 + 1, LIMIT);
    expected.check(&sink.delivered(), &barnabas.dead_letters());
}

#[test]
fn a_record_that_is_refused_holds_back_its_partition_alone() {
    one_is_stuck("stuck-partition", "order_by = \"partition\"", |_| Some("all".to_owned()));
}

#[test]
fn a_record_that_is_refused_holds_back_its_key_alone() {
    one_is_stuck("stuck-key", "order_by = \"key\"", Event::key);
}

#[test]
fn a_record_that_is_refused_holds_back_nothing_where_there_is_no_order() {
    one_is_stuck("stuck-none", "order_by = \"none\"", |_| None);
}

#[test]
fn no_more_than_max_in_flight_are_sent_at_once_and_no_fewer() {
    let expected = produce("in-flight", |_| None);
    let sink = Sink::start_with(&["--delay", "40ms"]);
    let config = Config::new(Kafka::shared(), &expected.topic, &sink.url());
    let barnabas = Barnabas::start(&config.forward("order_by = \"none\"\nmax_in_flight = 24").text());
    barnabas.wait_until_consumed(FORWARD, expected.records.len() as u64, LIMIT);
    assert_eq!(sink.stats()["max_concurrent"], 24);
}
