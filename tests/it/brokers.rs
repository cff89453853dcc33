//! Brokers that die, freeze and hand leadership over: it costs seconds and no restart, and the partitions of the other
//! brokers go on meanwhile. One cluster of three brokers; the tests take turns at it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, check_books};
use crate::support::kafka::{Kafka, Options, topic_name};
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(90);
const PARTITIONS: i32 = 6;
const RECORDS: i64 = 150;

/// All three brokers, for one test at a time.
fn cluster() -> MutexGuard<'static, Kafka> {
    static CLUSTER: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let options = || Options { brokers: 3, ..Options::default() };
    CLUSTER.get_or_init(|| Mutex::new(Kafka::start(&options()))).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A topic full of records that are larger than what is held of it, so that progress needs fetches.
struct Case<'a> {
    kafka: &'a Kafka,
    topic: String,
    expected: Expected,
    sink: Sink,
}

impl<'a> Case<'a> {
    fn new(kafka: &'a Kafka, prefix: &str, replication: u32) -> Self {
        let topic = topic_name(prefix);
        let arguments = ["create-topic", &topic, &PARTITIONS.to_string(), &replication.to_string()];
        kafka.run("helper", &arguments, "");
        let mut expected = Expected::new(FORWARD, &topic);
        let value = format!("{{\"id\": 1, \"padding\": {:?}}}", "x".repeat(30_000));
        for partition in 0..PARTITIONS {
            let key = partition.to_string();
            let offsets = kafka.produce(&topic, partition, (0..RECORDS).map(|_| (Some(&key), &value)));
            expected.add(partition, offsets, &Fate::Delivered(Some(key)));
        }
        Self { kafka, topic, expected, sink: Sink::start_with(&["--delay", "4ms"]) }
    }

    fn start(&self) -> Barnabas {
        let config = Config::new(self.kafka, &self.topic, &self.sink.url())
            .kafka("request_timeout = \"3s\"")
            .forward("buffer_size = \"1MiB\"\nmax_in_flight = 8\ntransform = '.id'");
        let barnabas = Barnabas::start(&config.text());
        wait_until(LIMIT, "it is in the middle of its work", || self.delivered().values().sum::<i64>() > 120);
        barnabas
    }

    /// How many of each partition were delivered.
    fn delivered(&self) -> BTreeMap<i32, i64> {
        let mut counts = BTreeMap::new();
        for request in self.sink.accepted() {
            let partition = request.idempotency_key.split('/').nth(2).expect("a partition").parse().expect("a number");
            *counts.entry(partition).or_default() += 1;
        }
        counts
    }

    /// Which broker leads each partition.
    fn leaders(&self) -> BTreeMap<i32, u32> {
        let described = self.kafka.run("tool", &["topics", "--describe", "--topic", &self.topic], "");
        let leader = |line: &str| {
            let after = |name: &str| line.split_once(name)?.1.split_whitespace().next()?.parse::<u32>().ok();
            Some((i32::try_from(after("Partition: ")?).ok()?, after("Leader: ")?))
        };
        let leaders: BTreeMap<_, _> = described.lines().filter_map(leader).collect();
        assert_eq!(leaders.len(), PARTITIONS as usize, "{described}");
        leaders
    }

    #[track_caller]
    fn check(&self, barnabas: &Barnabas) {
        let status = barnabas.wait_until_consumed(FORWARD, RECORDS as u64 * PARTITIONS as u64, LIMIT);
        check_books(&status);
        self.expected.check(&self.sink.delivered(), &barnabas.dead_letters());
        assert_eq!(status["lost_offsets"], 0, "{status:#}");
        barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["reasons"].as_array().is_some_and(Vec::is_empty));
    }
}

#[test]
fn the_partitions_of_other_brokers_go_on_while_one_is_frozen_and_its_own_when_it_thaws() {
    let kafka = cluster();
    let case = Case::new(&kafka, "frozen", 1);
    let leaders = case.leaders();
    let victim = leaders[&0];
    let barnabas = case.start();
    kafka.freeze(victim);
    let others: Vec<i32> = leaders.iter().filter(|(_, leader)| **leader != victim).map(|(id, _)| *id).collect();
    wait_until(LIMIT, "the other brokers' partitions are delivered", || {
        let delivered = case.delivered();
        others.iter().all(|id| delivered.get(id) == Some(&RECORDS))
    });
    let delivered = case.delivered();
    assert!(delivered[&0] < RECORDS, "the broker was frozen in time: {delivered:?}");
    let status = barnabas
        .wait_for_forward(FORWARD, LIMIT, |status| status["reasons"].as_array().is_some_and(|it| !it.is_empty()));
    // After some 10 s the cluster gives the broker up, and its partitions have no leader.
    let reasons = status["reasons"].to_string();
    assert!(reasons.contains(kafka.broker(victim)) || reasons.contains(&case.topic), "it says what: {status:#}");
    kafka.thaw(victim);
    case.check(&barnabas);
}

#[test]
fn a_leader_that_is_killed_costs_seconds_and_no_record() {
    let kafka = cluster();
    let case = Case::new(&kafka, "killed", 3);
    let victim = case.leaders()[&0];
    let barnabas = case.start();
    kafka.kill(victim);
    // Its successors lead its partitions after some 10 s, and nobody restarted anything.
    case.check(&barnabas);
    kafka.restart(victim);
}

#[test]
fn all_brokers_are_killed_and_started_again() {
    let kafka = cluster();
    let case = Case::new(&kafka, "all-killed", 3);
    let barnabas = case.start();
    (1..=3).for_each(|broker| kafka.kill(broker));
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["reasons"].as_array().is_some_and(|it| !it.is_empty()));
    let kafka = &*kafka;
    thread::scope(|scope| {
        for broker in 1..=3 {
            scope.spawn(move || kafka.restart(broker));
        }
    });
    case.check(&barnabas);
}
