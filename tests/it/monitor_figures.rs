//! What a poll of a cluster says, beside Kafka's own tools at the same moment: on three brokers, with one of them frozen
//! and one killed, while a group rebalances, and on old brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use barnabas::clock;
use barnabas::config::schema::{ClusterSettings, HostPort, Selection};
use barnabas::kafka::wire::Client;
use barnabas::logic::lag::lag;
use barnabas::logic::watch::snapshot::{Controller, GroupSeen, PartitionSeen, SlowSnapshot, Snapshot};
use barnabas::monitor::poll::Poller;
use litemap::LiteMap;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::kafka::{Kafka, Options, topic_name};
use crate::support::wait::{wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// All three brokers, for one test at a time.
fn cluster() -> MutexGuard<'static, Kafka> {
    static CLUSTER: OnceLock<Mutex<Kafka>> = OnceLock::new();
    let options = || Options { brokers: 3, ..Options::default() };
    CLUSTER.get_or_init(|| Mutex::new(Kafka::start(&options()))).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A poller and what it runs on.
struct Watching {
    runtime: Runtime,
    poller: Poller,
}

impl Watching {
    fn new(kafka: &Kafka) -> Self {
        Self::only(kafka, &["*"], &["*"])
    }

    fn only(kafka: &Kafka, topics: &[&str], groups: &[&str]) -> Self {
        let server = |address: &str| {
            let (host, port) = address.rsplit_once(':').expect("host:port");
            HostPort { host: host.to_owned(), port: port.parse().expect("a port") }
        };
        let settings = ClusterSettings {
            name: "watched".to_owned(),
            bootstrap_servers: kafka.bootstrap().split(',').map(server).collect(),
            client_id: "watching".to_owned(),
            request_timeout: REQUEST_TIMEOUT,
            addresses: LiteMap::new(),
            tls: None,
            sasl: None,
        };
        let select = |names: &[&str]| Selection {
            include: names.iter().map(|name| (*name).to_owned()).collect(),
            exclude: Vec::new(),
        };
        let client = Client::new(Arc::new(settings)).expect("a client");
        let poller = Poller::new(client, &select(topics), &select(groups)).expect("patterns");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, poller }
    }

    fn poll(&mut self) -> Snapshot {
        self.poll_with(&[])
    }

    fn poll_with(&mut self, ages: &[Duration]) -> Snapshot {
        self.runtime.block_on(self.poller.poll(ages, LiteMap::new()))
    }

    fn poll_slow(&mut self) -> SlowSnapshot {
        self.runtime.block_on(self.poller.poll_slow())
    }

    /// Polls until everything is seen, such as after a broker came back.
    fn poll_until_whole(&mut self) -> Snapshot {
        wait_for(LIMIT, "a poll misses nothing", || {
            let snapshot = self.poll();
            (snapshot.missing.is_empty() && snapshot.groups_complete).then_some(snapshot)
        })
    }
}

fn partition<'a>(snapshot: &'a Snapshot, topic: &str, number: i32) -> &'a PartitionSeen {
    let topic = snapshot.topics.get(topic).unwrap_or_else(|| panic!("{topic} was not seen"));
    topic.partitions.iter().find(|partition| partition.number == number).expect("the partition")
}

fn group<'a>(snapshot: &'a Snapshot, name: &str) -> &'a GroupSeen {
    snapshot.groups.get(name).unwrap_or_else(|| panic!("{name} was not seen"))
}

fn committed(group: &GroupSeen, topic: &str, partition: i32) -> Option<i64> {
    let committed = group.committed.as_ref()?.iter();
    committed.filter(|it| it.topic.as_ref() == topic && it.partition == partition).map(|it| it.offset).next()
}

// --- Kafka's own tools ---

/// (committed, log end, lag) by group, topic and partition.
type TheirGroups = BTreeMap<(String, String, i32), (Option<i64>, Option<i64>, Option<i64>)>;

fn their_groups(kafka: &Kafka, groups: &[&str]) -> TheirGroups {
    let mut rows = BTreeMap::new();
    for group in groups {
        let printed = kafka.run("tool", &["groups", "--describe", "--group", group], "");
        for line in printed.lines() {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // Old versions do not print the group first.
            let columns = if columns.first() == Some(group) { &columns[1..] } else { &columns[..] };
            let Some(number) = columns.get(1).and_then(|number| number.parse().ok()) else { continue };
            let figure = |place: usize| columns.get(place).and_then(|figure| figure.parse().ok());
            rows.insert(((*group).to_owned(), columns[0].to_owned(), number), (figure(2), figure(3), figure(4)));
        }
    }
    rows
}

/// Offsets by topic and partition; `time` as the tool has it: -1 latest, -2 earliest.
fn their_offsets(kafka: &Kafka, topic: &str, time: &str) -> BTreeMap<i32, i64> {
    let printed = kafka.run("tool", &["offsets", "--topic", topic, "--time", time], "");
    let row = |line: &str| {
        let mut parts = line.strip_prefix(topic)?.strip_prefix(':')?.split(':');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    printed.lines().filter_map(row).collect()
}

/// Leader, replicas and in-sync replicas by partition.
type TheirPartitions = BTreeMap<i32, (Option<i32>, Vec<i32>, BTreeSet<i32>)>;

fn their_partitions(kafka: &Kafka, topic: &str) -> TheirPartitions {
    let printed = kafka.run("tool", &["topics", "--describe", "--topic", topic], "");
    let row = |line: &str| {
        let after = |name: &str| line.split_once(name).and_then(|(_, rest)| rest.split_whitespace().next());
        let ids = |name: &str| after(name).unwrap_or_default().split(',').filter_map(|id| id.parse().ok());
        let number = after("Partition: ")?.parse().ok()?;
        Some((number, (after("Leader: ")?.parse().ok(), ids("Replicas: ").collect(), ids("Isr: ").collect())))
    };
    printed.lines().filter_map(row).collect()
}

/// The sizes of replicas by broker.
fn their_log_dirs(kafka: &Kafka) -> BTreeMap<i32, BTreeMap<String, u64>> {
    let class = "org.apache.kafka.tools.LogDirsCommand";
    let printed = kafka.run("tool", &[class, "--bootstrap-server", kafka.bootstrap(), "--describe"], "");
    let json = printed.lines().find(|line| line.starts_with('{')).expect("a line of JSON");
    let json: Value = serde_json::from_str(json).expect("JSON");
    let mut sizes = BTreeMap::new();
    for broker in json["brokers"].as_array().expect("brokers") {
        let of_broker: &mut BTreeMap<String, u64> =
            sizes.entry(i32::try_from(broker["broker"].as_i64().expect("an id")).expect("an id")).or_default();
        for partition in broker["logDirs"].as_array().into_iter().flatten().flat_map(|dir| dir["partitions"].as_array())
        {
            for it in partition {
                let name = it["partition"].as_str().expect("a name").to_owned();
                of_broker.insert(name, it["size"].as_u64().expect("a size"));
            }
        }
    }
    sizes
}

/// The figures of `topic` and `groups` in `snapshot` are those of the tools, now. Nobody may be writing.
#[track_caller]
fn check_against_tools(kafka: &Kafka, snapshot: &Snapshot, topic: &str, groups: &[&str]) {
    let partitions = their_partitions(kafka, topic);
    let (ends, starts) = (their_offsets(kafka, topic, "-1"), their_offsets(kafka, topic, "-2"));
    assert!(!partitions.is_empty() && partitions.len() == ends.len(), "{partitions:?} {ends:?}");
    for (number, (leader, replicas, isr)) in partitions {
        let seen = partition(snapshot, topic, number);
        assert_eq!(seen.leader, leader, "leader of {topic}/{number}");
        assert_eq!(seen.replicas.to_vec(), replicas, "replicas of {topic}/{number}");
        assert_eq!(seen.isr.iter().copied().collect::<BTreeSet<_>>(), isr, "ISR of {topic}/{number}");
        assert_eq!(seen.latest, ends.get(&number).copied(), "end of {topic}/{number}");
        assert_eq!(seen.earliest, starts.get(&number).copied(), "start of {topic}/{number}");
    }
    let theirs = their_groups(kafka, groups);
    for name in groups {
        assert!(theirs.keys().any(|(group, _, _)| group == name), "the tool has nothing of {name}: {theirs:?}");
    }
    for ((name, topic, number), (their_committed, their_end, their_lag)) in theirs {
        let ours = committed(group(snapshot, &name), &topic, number);
        let seen = partition(snapshot, &topic, number);
        assert_eq!(ours, their_committed, "{name} committed in {topic}/{number}");
        assert_eq!(seen.latest, their_end, "end of {topic}/{number}");
        let our_lag = lag(ours, seen.earliest.expect("a start"), seen.latest.expect("an end"));
        match (their_committed, seen.earliest) {
            // Kafka's tool counts what retention deleted as well.
            (Some(committed), Some(start)) if committed < start => assert!(our_lag < their_lag, "{name}"),
            _ => assert_eq!(our_lag, their_lag, "lag of {name} in {topic}/{number}"),
        }
    }
}

fn fill(kafka: &Kafka, topic: &str, partitions: i32, records: usize) {
    for number in 0..partitions {
        kafka.produce(topic, number, (0..records + number as usize).map(|n| (Some("key"), format!("record {n}"))));
    }
}

// --- three brokers ---

#[test]
fn figures_are_those_of_kafkas_own_tools() {
    let kafka = cluster();
    let mut watching = Watching::new(&kafka);
    let topic = kafka.new_topic("figures", 6, &["min.insync.replicas=2"]);
    fill(&kafka, &topic, 6, 10);
    kafka.delete_records(&topic, 5, 4);
    let (idle, classic, new) = (topic_name("idle"), topic_name("classic"), topic_name("new"));
    for (number, offset) in [(0, 3), (1, 11), (5, 1)] {
        kafka.commit_offset(&idle, &topic, number, offset);
    }
    kafka.commit_offset(&classic, &topic, 2, 5);
    let _members = [kafka.join_group(&classic, &topic), kafka.join_group_by(&new, &topic, "consumer")];

    let far = Duration::from_secs(3600);
    let snapshot = wait_for(LIMIT, "the members have their partitions", || {
        let snapshot = watching.poll_with(&[Duration::from_millis(1), far]);
        let stable = [&classic, &new].iter().all(|name| {
            let seen = snapshot.groups.get(name.as_str());
            seen.is_some_and(|group| group.state.as_deref() == Some("Stable") && group.assigned.is_some())
        });
        stable.then_some(snapshot)
    });
    assert_eq!(snapshot.missing, Vec::<String>::new());
    assert!(snapshot.groups_complete);
    check_against_tools(&kafka, &snapshot, &topic, &[&idle]);
    check_against_tools(&kafka, &watching.poll(), &topic, &[&idle, &classic]);

    let brokers = snapshot.brokers.as_ref().expect("brokers");
    assert_eq!(brokers.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    for broker in brokers.values() {
        let took = broker.answer.as_ref().expect("it answers");
        assert!(*took < REQUEST_TIMEOUT && !took.is_zero(), "{took:?}");
    }
    let seen = |name: &str| group(&snapshot, name);
    assert_eq!((seen(&idle).state.as_deref(), seen(&idle).members), (Some("Empty"), Some(0)));
    assert_eq!((seen(&idle).group_type.as_str(), &seen(&idle).assigned), ("classic", &None));
    for (name, group_type) in [(&classic, "classic"), (&new, "consumer")] {
        assert_eq!((seen(name).group_type.as_str(), seen(name).members), (group_type, Some(1)));
        assert_eq!(seen(name).assigned.as_deref(), Some(&[Arc::from(topic.as_str())][..]), "{name}");
    }
    assert!(
        snapshot.topics.get("__consumer_offsets").unwrap().internal
            && !snapshot.topics.get(topic.as_str()).unwrap().internal
    );
    assert!(snapshot.topics.get(topic.as_str()).unwrap().id.is_some());

    // All records are younger than an hour, and older than a millisecond.
    let at = |age: usize, number: i32| snapshot.offsets_at[age].offsets.get(&(Arc::from(topic.as_str()), number));
    assert_eq!((at(0, 0), at(1, 0)), (Some(&None), Some(&Some(0))), "{:?}", snapshot.offsets_at);
    assert_eq!(at(1, 5), Some(&Some(4)), "the log starts there");
    assert_eq!(at(1, 1), None, "nobody lags there");
}

#[test]
fn sizes_settings_and_the_controller_are_those_of_kafkas_own_tools() {
    let kafka = cluster();
    let mut watching = Watching::new(&kafka);
    let topic = kafka.new_topic("sizes", 4, &["min.insync.replicas=2"]);
    fill(&kafka, &topic, 4, 50);
    wait_until(LIMIT, "sizes agree: followers may still fetch", || {
        let slow = watching.poll_slow();
        assert_eq!(slow.missing, Vec::<String>::new());
        let theirs = their_log_dirs(&kafka);
        let leaders = their_partitions(&kafka, &topic);
        let led = leaders.iter().map(|(number, (leader, _, _))| theirs[&leader.unwrap()][&format!("{topic}-{number}")]);
        let used = |broker: &i32| -> u64 { slow.dirs[broker].as_ref().unwrap().iter().map(|dir| dir.used).sum() };
        assert_eq!(slow.min_insync.get(topic.as_str()), Some(&2));
        assert!(slow.dirs.values().flatten().flatten().all(|dir| dir.volume > dir.free && dir.free > Some(0)));
        *slow.topic_bytes.get(topic.as_str()).unwrap() == led.sum::<u64>()
            && theirs.iter().all(|(broker, sizes)| used(broker) == sizes.values().sum::<u64>())
    });
    wait_until(LIMIT, "the controller is the quorum's leader", || {
        let class = "org.apache.kafka.tools.MetadataQuorumCommand";
        let status = kafka.run("tool", &[class, "--bootstrap-server", kafka.bootstrap(), "describe", "--status"], "");
        let leader = status.lines().find_map(|line| line.strip_prefix("LeaderId:")?.trim().parse().ok());
        leader.is_some() && watching.poll_slow().controller == Controller::OfQuorum(leader)
    });
}

#[test]
fn a_share_groups_places_are_those_of_kafkas_own_tool() {
    let kafka = cluster();
    let topic = kafka.new_topic("shared", 2, &[]);
    fill(&kafka, &topic, 2, 5);
    let group_name = topic_name("sharing");
    let settings = ["--alter", "--entity-type", "groups", "--entity-name", &group_name];
    let earliest = ["--add-config", "share.auto.offset.reset=earliest"];
    kafka.run("tool", &[&["configs"][..], &settings, &earliest].concat(), "");
    let reach = ["--bootstrap-server", kafka.bootstrap()];
    let class = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
    let what = ["--topic", &topic, "--group", &group_name, "--max-messages", "11"];
    kafka.run("tool", &[&[class][..], &reach, &what].concat(), "");
    let class = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
    let printed = kafka.run("tool", &[&[class][..], &reach, &["--describe", "--group", &group_name]].concat(), "");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        Some((columns.get(2)?.parse::<i32>().ok()?, columns.get(3)?.parse::<i64>().ok()))
    };
    let theirs: BTreeMap<i32, Option<i64>> = printed.lines().filter_map(row).collect();
    assert_eq!(theirs.len(), 2, "{printed}");
    let mut watching = Watching::only(&kafka, &["*"], &[&group_name]);
    let snapshot = watching.poll();
    assert_eq!(snapshot.missing, Vec::<String>::new());
    let seen = group(&snapshot, &group_name);
    assert_eq!((seen.group_type.as_str(), seen.members), ("share", Some(0)), "{seen:?}");
    for (number, start) in theirs {
        assert_eq!(committed(seen, &topic, number), start, "{printed}");
    }
}

#[test]
fn a_frozen_broker_costs_its_own_figures_and_one_time_limit() {
    let kafka = cluster();
    let mut watching = Watching::new(&kafka);
    let topic = kafka.new_topic("freezing", 6, &[]);
    fill(&kafka, &topic, 6, 5);
    let groups: Vec<String> = (0..6).map(|_| topic_name("freezing-group")).collect();
    groups.iter().for_each(|name| kafka.commit_offset(name, &topic, 0, 1));
    let before = watching.poll_until_whole();
    kafka.freeze(2);
    let began = clock::now();
    let snapshot = watching.poll();
    let took = clock::now().since(began);
    kafka.thaw(2);

    assert!(took < REQUEST_TIMEOUT * 2, "the poll took {took:?}");
    let broker = &snapshot.brokers.as_ref().expect("brokers")[&2];
    assert!(broker.answer.as_ref().is_err_and(|why| why.contains("no answer within 3s")), "{:?}", broker.answer);
    assert!(snapshot.missing.iter().any(|it| it.contains(kafka.broker(2))), "{:?}", snapshot.missing);
    assert!(!snapshot.groups_complete);
    for was in &before.topics.get(topic.as_str()).unwrap().partitions {
        let is = partition(&snapshot, &topic, was.number);
        let expected = (is.leader != Some(2)).then_some(was.latest.unwrap());
        assert_eq!(is.latest, expected, "{topic}/{}: {is:?}", was.number);
    }
    for name in &groups {
        let (was, is) = (group(&before, name), group(&snapshot, name));
        if was.coordinator == Some(2) {
            assert_eq!((&is.committed, &is.state, is.members), (&None, &None, None), "{name} is unknown, and not gone");
        } else {
            assert_eq!(is.committed, was.committed, "{name}");
        }
    }
    let after = watching.poll_until_whole();
    check_against_tools(&kafka, &after, &topic, &groups.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_killed_broker_is_named_and_its_partitions_are_found_at_their_new_leaders() {
    let kafka = cluster();
    let mut watching = Watching::new(&kafka);
    let topic = kafka.new_topic("killing", 6, &[]);
    fill(&kafka, &topic, 6, 5);
    let name = topic_name("killing-group");
    (0..6).for_each(|number| kafka.commit_offset(&name, &topic, number, 2));
    watching.poll_until_whole();
    kafka.kill(3);
    let snapshot = watching.poll();
    if let Some(broker) = snapshot.brokers.as_ref().expect("brokers").get(&3) {
        assert!(broker.answer.is_err(), "{broker:?}");
        assert!(snapshot.missing.iter().any(|it| it.contains(kafka.broker(3))), "{:?}", snapshot.missing);
        assert!(!snapshot.groups_complete);
    }
    assert!(snapshot.groups.contains_key(name.as_str()), "known or not, the group is there");
    let after = watching.poll_until_whole();
    assert_eq!(after.brokers.as_ref().expect("brokers").len(), 2);
    assert!(
        after.topics.get(topic.as_str()).unwrap().partitions.iter().all(|it| it.isr.len() == 2 && it.leader != Some(3))
    );
    check_against_tools(&kafka, &after, &topic, &[&name]);
    kafka.restart(3);
}

#[test]
fn a_group_that_rebalances_keeps_its_figures_and_one_that_is_deleted_is_gone() {
    let kafka = cluster();
    let mut watching = Watching::new(&kafka);
    let topic = kafka.new_topic("rebalancing", 4, &[]);
    fill(&kafka, &topic, 4, 5);
    let name = topic_name("rebalancing-group");
    (0..4).for_each(|number| kafka.commit_offset(&name, &topic, number, 1));
    let first = kafka.join_group(&name, &topic);
    wait_until(LIMIT, "it is stable", || group(&watching.poll(), &name).state.as_deref() == Some("Stable"));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| kafka.join_group(&name, &topic));
        let rebalancing = wait_for(LIMIT, "it rebalances", || {
            let snapshot = watching.poll();
            let seen = group(&snapshot, &name);
            for number in 0..4 {
                assert!(committed(seen, &topic, number) >= Some(1), "its offsets stay known: {seen:?}");
            }
            (seen.state.as_deref() != Some("Stable")).then(|| seen.clone())
        });
        assert_eq!(rebalancing.assigned, None, "{rebalancing:?}");
        drop(second.join().expect("a member"));
    });
    drop(first);
    wait_until(LIMIT, "its members left", || group(&watching.poll(), &name).members == Some(0));
    check_against_tools(&kafka, &watching.poll(), &topic, &[&name]);
    kafka.run("tool", &["groups", "--delete", "--group", &name], "");
    let snapshot = watching.poll();
    assert!(!snapshot.groups.contains_key(name.as_str()) && snapshot.groups_complete);
    kafka.delete_topic(&topic);
    wait_until(LIMIT, "the topic is gone", || !watching.poll().topics.contains_key(topic.as_str()));
}

#[test]
fn names_that_are_written_out_and_not_there_are_said() {
    let kafka = cluster();
    let topic = kafka.new_topic("named", 1, &[]);
    let mut watching = Watching::only(&kafka, &[&topic, "no-such-topic", "nor-*"], &["no such group", "*-x"]);
    let snapshot = watching.poll();
    let expected = [
        "group no such group: there is none, or this user may not see it",
        "topic no-such-topic: there is none, or this user may not see it",
    ];
    assert_eq!(snapshot.missing, expected);
    let watched = snapshot.topics.iter().filter(|(_, seen)| !seen.internal);
    assert_eq!(watched.map(|(name, _)| name.as_ref()).collect::<Vec<_>>(), [topic.as_str()]);
    assert!(snapshot.groups.is_empty());
}

// --- old brokers ---

fn old_brokers_are_watched(version: &str, not_told: &[&str]) {
    let kafka = Kafka::start(&Options { version: version.to_owned(), ..Options::default() });
    let mut watching = Watching::new(&kafka);
    let topic = kafka.new_topic("old", 2, &[]);
    fill(&kafka, &topic, 2, 5);
    let (idle, live) = (topic_name("old-idle"), topic_name("old-live"));
    kafka.commit_offset(&idle, &topic, 1, 2);
    let _member = kafka.join_group(&live, &topic);
    let slow = watching.poll_slow();
    assert_eq!(slow.missing.len(), not_told.len(), "{:?}", slow.missing);
    for what in not_told {
        assert!(slow.missing.iter().any(|sentence| sentence.contains(what)), "{what}: {:?}", slow.missing);
    }
    if not_told.is_empty() {
        assert_eq!(slow.min_insync.get(topic.as_str()), Some(&1));
        assert!(*slow.topic_bytes.get(topic.as_str()).unwrap() > 0);
        assert_eq!(slow.dirs[&1].as_ref().unwrap()[0].volume, None);
    }
    let snapshot = wait_for(LIMIT, "the member has its partitions", || {
        let snapshot = watching.poll_with(&[Duration::from_secs(3600)]);
        snapshot.groups.get(live.as_str()).is_some_and(|group| group.assigned.is_some()).then_some(snapshot)
    });
    assert_eq!(snapshot.missing, Vec::<String>::new());
    assert_eq!(slow.controller, Controller::InMetadata);
    assert_eq!(snapshot.controller, Some(1));
    assert_eq!(group(&snapshot, &live).state.as_deref(), Some("Stable"));
    assert_eq!(group(&snapshot, &live).members, Some(1));
    let seen = group(&snapshot, &idle);
    assert_eq!((seen.state.as_deref(), seen.members, committed(seen, &topic, 1)), (Some("Empty"), Some(0), Some(2)));
    let end = |number| partition(&snapshot, &topic, number).latest;
    assert_eq!((end(0), end(1)), (Some(5), Some(6)));
    let at = &snapshot.offsets_at[0].offsets;
    assert_eq!(at.get(&(Arc::from(topic.as_str()), 1)), Some(&Some(0)));
}

#[test]
fn kafka_0_11_is_watched_and_what_it_cannot_tell_is_said() {
    old_brokers_are_watched("0.11.0.3", &["log directories", "min.insync.replicas"]);
}

#[test]
fn kafka_2_8_is_watched() {
    old_brokers_are_watched("2.8.2", &[]);
}
