//! A small cluster to change and poll in tests.

use super::snapshot::Controller;
use super::snapshot::{BrokerSeen, Committed, DirSeen, GroupSeen, PartitionSeen};
use super::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn at(seconds: u64) -> Moment {
    Moment::after_start(SECOND * u32::try_from(seconds).unwrap())
}

/// Three brokers that answer, without topics and groups.
pub(super) fn cluster(seconds: u64) -> Snapshot {
    let broker = |id: i32| {
        let host = format!("kafka-{id}");
        (id, BrokerSeen { host, port: 9092, rack: None, answer: Ok(Duration::from_millis(2)) })
    };
    Snapshot {
        cluster: "test".into(),
        cluster_id: Some("id".to_owned()),
        taken_at: at(seconds),
        wall_clock: Timestamp(1_000 * i64::try_from(seconds).unwrap()),
        brokers: Some((1..=3).map(broker).collect()),
        controller: Some(1),
        groups_complete: true,
        ..nothing()
    }
}

/// Nobody answers.
pub(super) fn nobody(seconds: u64) -> Snapshot {
    Snapshot { cluster: "test".into(), taken_at: at(seconds), missing: vec!["nobody answered".to_owned()], ..nothing() }
}

/// With a topic whose logs have these starts and ends, each led by broker 1 and replicated to broker 2.
pub(super) fn topic(mut snapshot: Snapshot, name: &str, logs: &[(i64, i64)]) -> Snapshot {
    let partition = |(number, (start, end)): (usize, &(i64, i64))| PartitionSeen {
        number: i32::try_from(number).unwrap(),
        leader: Some(1),
        replicas: [1, 2].into(),
        isr: [1, 2].into(),
        earliest: Some(*start),
        latest: Some(*end),
    };
    let partitions = logs.iter().enumerate().map(partition).collect();
    snapshot.topics.insert(name.into(), TopicSeen { id: Some([1; 16]), internal: false, partitions });
    snapshot
}

/// With a group that has a member and committed these offsets, a partition each from 0 on.
pub(super) fn group(mut snapshot: Snapshot, name: &str, topics: &[(&str, &[i64])]) -> Snapshot {
    let committed = |(topic, offsets): &(&str, &[i64])| {
        let topic: Arc<str> = (*topic).into();
        let offsets: Vec<i64> = offsets.to_vec();
        (0..).zip(offsets).map(move |(partition, offset)| Committed { topic: Arc::clone(&topic), partition, offset })
    };
    let group = GroupSeen {
        state: Some("Stable".to_owned()),
        group_type: "consumer".to_owned(),
        coordinator: Some(1),
        members: Some(1),
        assigned: Some(topics.iter().map(|(topic, _)| (*topic).into()).collect()),
        committed: Some(topics.iter().flat_map(committed).collect()),
    };
    snapshot.groups.insert(name.into(), group);
    snapshot
}

/// With something changed.
pub(super) fn with(mut snapshot: Snapshot, change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    change(&mut snapshot);
    snapshot
}

/// A partition of the topic `t`.
pub(super) fn partition(snapshot: &mut Snapshot, number: usize) -> &mut PartitionSeen {
    &mut snapshot.topics.get_mut("t").unwrap().partitions[number]
}

/// The group `g`.
pub(super) fn group_of(snapshot: &mut Snapshot) -> &mut GroupSeen {
    snapshot.groups.get_mut("g").unwrap()
}

/// Every broker has the directory /data with so many bytes in use of 1,000; the topic `t` has 1,000 bytes, and
/// min.insync.replicas 1.
pub(super) fn slow(seconds: u64, used: u64) -> SlowSnapshot {
    let dir = DirSeen { path: "/data".into(), error: None, used, volume: Some(1_000), free: Some(1_000 - used) };
    SlowSnapshot {
        taken_at: at(seconds),
        dirs: (1..=3).map(|broker| (broker, Some(vec![dir.clone()]))).collect(),
        topic_bytes: LiteMap::from_iter([("t".into(), 1_000)]),
        min_insync: LiteMap::from_iter([("t".into(), 1)]),
        controller: Controller::OfQuorum(Some(1)),
        missing: Vec::new(),
    }
}

/// A watch every 30 seconds that saw these.
pub(super) fn watched(polls: impl IntoIterator<Item = Snapshot>) -> Watch {
    let mut watch = Watch::new(30 * SECOND);
    polls.into_iter().for_each(|poll| watch.observe(poll));
    watch
}
