//! SIGKILL at random moments, and SIGTERM in the middle: what the next run loses (nothing) and repeats (what was in flight,
//! and what was settled within the last commit_interval).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use barnabas::clock;
use serde_json::json;

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, Place, Repeats, check_books};
use crate::support::kafka::Kafka;
use crate::support::sink::{Delivered, Sink};
use crate::support::wait::{self, wait_until};

const LIMIT: Duration = Duration::from_secs(90);
const PARTITIONS: i32 = 6;
const KEYS: usize = 40;

/// A stream of events of all fates, keys always in the same partition.
struct Stream {
    kafka: &'static Kafka,
    expected: Expected,
    written: usize,
}

impl Stream {
    fn new(prefix: &str) -> Self {
        let kafka = Kafka::shared();
        let topic = kafka.new_topic(prefix, PARTITIONS as u32, &[]);
        Self { kafka, expected: Expected::new(FORWARD, &topic), written: 0 }
    }

    fn config(&self, sink: &Sink) -> Config {
        Config::new(self.kafka, &self.expected.topic, &sink.url())
            .forward("filter = '.kind != \"not-ours\"'\nrequired = [\"id\"]\norder_by = \"key\"\nmax_in_flight = 16")
    }

    /// Writes `count` further events.
    fn write(&mut self, count: usize) {
        let mut batches: HashMap<i32, Vec<(String, String, Fate)>> = HashMap::new();
        for n in self.written..self.written + count {
            let key = format!("key-{}", n * 7 % KEYS);
            let partition = (n * 7 % KEYS) as i32 % PARTITIONS;
            let (value, fate) = match n % 20 {
                3 => (json!({"id": n + 1, "kind": "not-ours"}).to_string(), Fate::Filtered),
                8 => (json!({"kind": "incomplete"}).to_string(), Fate::DeadLettered),
                13 => ("{ no JSON".to_owned(), Fate::DeadLettered),
                17 => (json!({"id": n + 1, "kind": "no-such-host"}).to_string(), Fate::DeadLettered),
                _ => (json!({"id": n + 1, "kind": "good"}).to_string(), Fate::Delivered(Some(key.clone()))),
            };
            batches.entry(partition).or_default().push((key, value, fate));
        }
        for (partition, batch) in batches {
            let records = batch.iter().map(|(key, value, _)| (Some(key.as_str()), value.as_str()));
            let offsets = self.kafka.produce(&self.expected.topic, partition, records);
            for (offset, (_, _, fate)) in offsets.into_iter().zip(&batch) {
                self.expected.add(partition, [offset], fate);
            }
        }
        self.written += count;
    }

    fn count(&self, wanted: impl Fn(&Fate) -> bool) -> u64 {
        self.expected.records.values().filter(|fate| wanted(fate)).count() as u64
    }

    /// Waits for the end and checks the sink, the dead letters, the counters and the stored offsets.
    #[track_caller]
    fn check(&self, barnabas: &Barnabas, sink: &Sink) -> Vec<Delivered> {
        let status = barnabas.wait_until_consumed(FORWARD, self.written as u64, LIMIT);
        check_books(&status);
        let letters = barnabas.dead_letters();
        let delivered = sink.delivered();
        self.expected.check(&delivered, &letters);
        assert_eq!(status["delivered"], self.count(|fate| matches!(fate, Fate::Delivered(_))), "{status:#}");
        assert_eq!(status["filtered"], self.count(|fate| *fate == Fate::Filtered), "{status:#}");
        assert_eq!(status["dead_lettered"], self.count(|fate| *fate == Fate::DeadLettered), "{status:#}");
        assert_eq!(letters.len() as u64, self.count(|fate| *fate == Fate::DeadLettered), "a dead letter of each");
        wait_until(LIMIT, "everything is stored", || {
            let stored = barnabas.json(&["offsets", "show"]);
            let sum: i64 = stored.as_array().expect("an array").iter().filter_map(|each| each["stored"].as_i64()).sum();
            sum == self.written as i64
        });
        delivered
    }
}

/// Some refusals for good, and some for now, so that there is always something that waits for its turn.
fn rules() -> serde_json::Value {
    json!([
        {"when": {"body_contains": "no-such-host"}, "then": {"status": 400, "body": {"error": "no such host"}}},
        {"when": {"probability": 0.05, "seed": 7}, "then": {"status": 503}},
    ])
}

/// Kills the daemon at random moments while events come in; gives the moments in milliseconds since 1970.
fn kill_often(stream: &mut Stream, sink: &Sink, barnabas: &mut Barnabas, times: usize) -> Vec<i64> {
    let mut kills = Vec::new();
    for round in 0..times {
        stream.write(250);
        barnabas.spawn();
        // A fourth of them during the start, the others somewhere in the work.
        let further = if round % 4 == 3 { 0 } else { fastrand::u64(1..220) };
        let target = sink.stats()["requests"].as_u64().expect("a count") + further;
        let moment = fastrand::u64(0..400);
        let start = clock::now();
        wait::within(Duration::from_secs(20), || {
            let requests = sink.stats()["requests"].as_u64().expect("a count");
            let late = clock::now().since(start) >= Duration::from_millis(moment);
            (late && requests >= target).then_some(())
        });
        barnabas.kill9();
        kills.push(clock::wall_clock().0);
    }
    barnabas.run();
    kills
}

#[test]
fn after_ten_kills_nothing_is_lost_and_no_more_repeated_than_was_in_flight() {
    let sink = Sink::start_with(&["--delay", "5ms"]);
    sink.script(&rules());
    let mut stream = Stream::new("kill-in-flight");
    let config = stream.config(&sink).tables("[state]\ncommit_interval = \"0s\"");
    let mut barnabas = Barnabas::new(&config.text());
    let kills = kill_often(&mut stream, &sink, &mut barnabas, 10);
    stream.expected.repeats = Repeats::AtMost(16 * kills.len());
    stream.check(&barnabas, &sink);
}

#[test]
fn after_ten_kills_only_what_was_settled_in_the_last_commit_interval_is_repeated() {
    let sink = Sink::start_with(&["--delay", "5ms"]);
    sink.script(&rules());
    let mut stream = Stream::new("kill-interval");
    let config = stream.config(&sink).tables("[state]\ncommit_interval = \"200ms\"");
    let mut barnabas = Barnabas::new(&config.text());
    let kills = kill_often(&mut stream, &sink, &mut barnabas, 10);
    stream.expected.repeats = Repeats::AtMost(usize::MAX);
    let delivered = stream.check(&barnabas, &sink);

    // The interval, and what a busy machine may take for a write to the disk.
    let at_risk = 200 + 1_500;
    let mut last: HashMap<&str, i64> = HashMap::new();
    for each in delivered.iter().filter(|each| each.accepted()) {
        if let Some(before) = last.insert(&each.idempotency_key, each.ended_ms) {
            let explained = kills.iter().any(|kill| before <= *kill && *kill <= each.at_ms && kill - before <= at_risk);
            assert!(
                explained,
                "{} was taken at {before}, and again at {}: {kills:?}",
                each.idempotency_key, each.at_ms
            );
        }
    }
}

#[test]
fn a_stop_in_the_middle_repeats_nothing() {
    let sink = Sink::start_with(&["--delay", "5ms"]);
    sink.script(&rules());
    let mut stream = Stream::new("stop");
    stream.write(1500);
    let mut barnabas = Barnabas::start(&stream.config(&sink).text());
    for part in 1..=3 {
        wait_until(LIMIT, "a part is delivered", || sink.stats()["requests"].as_u64() >= Some(part * 300));
        let status = barnabas.terminate();
        assert!(status.success(), "{status}");
        barnabas.run();
    }
    let stopped = barnabas.log().matches("stop").count();
    assert!(stopped > 0, "it says that it stops");
    stream.check(&barnabas, &sink);
}

#[test]
fn a_dead_letter_is_kept_once_however_often_its_record_is_read() {
    let kafka = Kafka::shared();
    let sink = Sink::start();
    let topic = kafka.new_topic("letter-twice", 1, &[]);
    let offsets = kafka.produce(&topic, 0, (0..50).map(|_| (None::<&str>, "{ no JSON")));
    let config = Config::new(kafka, &topic, &sink.url()).tables("[state]\ncommit_interval = \"5m\"");
    let mut barnabas = Barnabas::start(&config.text());
    barnabas.wait_until_consumed(FORWARD, 50, LIMIT);
    barnabas.kill9();
    barnabas.run();
    barnabas.wait_until_consumed(FORWARD, 50, LIMIT);
    let kept: BTreeSet<Place> =
        barnabas.dead_letters().iter().filter_map(|letter| Some((0, letter["offset"].as_i64()?))).collect();
    assert_eq!(kept, offsets.iter().map(|offset| (0, *offset)).collect());
    assert_eq!(barnabas.dead_letters().len(), 50);
}
