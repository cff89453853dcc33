//! What one poll of a cluster saw, as the brokers told it, before anything is computed from it.
//!
//! Plain data, compact where there is one for each partition. What could not be seen is none, and `missing` says why.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use crate::logic::moment::{Moment, Timestamp};

/// A cluster at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The name of the cluster in the configuration.
    pub cluster: Arc<str>,
    /// Kafka's id of it; none: nobody answered, or it is older than Kafka 0.10.1.
    pub cluster_id: Option<String>,
    /// When the end offsets were read: committed offsets are older than this, never younger.
    pub taken_at: Moment,
    /// The same on the wall clock, for people.
    pub wall_clock: Timestamp,
    /// The brokers that the metadata lists; none: no broker answered, and the rest is empty.
    pub brokers: Option<LiteMap<i32, BrokerSeen>>,
    /// The controller in the metadata; with KRaft that is any live broker, and [`SlowSnapshot::controller`] knows.
    pub controller: Option<i32>,
    /// Every topic that we may see and are told to watch, internal ones too, by name.
    pub topics: LiteMap<Arc<str>, TopicSeen>,
    /// Every other topic that we may see. It counts for what the brokers hold and lead, and for nothing else; where its
    /// logs begin and end is not known.
    pub others: LiteMap<Arc<str>, TopicSeen>,
    /// Topics that exist, and of which the brokers told nothing but an error this time, which is in `missing`.
    pub untold: Vec<Arc<str>>,
    /// Every group that we may see and are told to watch, by name, and this process' own forwards.
    pub groups: LiteMap<Arc<str>, GroupSeen>,
    /// For each age that a rule on `group_lag_seconds` asks about: where the records of that age begin.
    pub offsets_at: Vec<OffsetsAt>,
    /// Whether all groups of the cluster could be listed. If not, a group that is not here may still exist.
    pub groups_complete: bool,
    /// What could not be seen and why: a sentence each, naming the broker, topic or group.
    pub missing: Vec<String>,
}

/// A broker that the metadata lists.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerSeen {
    /// The host it advertises.
    pub host: String,
    /// The port it advertises.
    pub port: u16,
    /// Its rack, where it has one.
    pub rack: Option<String>,
    /// How long it took to answer a small request on an idle connection, or why it did not.
    pub answer: Result<Duration, String>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicSeen {
    /// Kafka's id: a topic that is deleted and made again has another. None from brokers before 2.8.
    pub id: Option<[u8; 16]>,
    /// Kafka's own, such as `__consumer_offsets`.
    pub internal: bool,
    /// Its partitions, by ascending number.
    pub partitions: Vec<PartitionSeen>,
}

impl Snapshot {
    /// Every topic of the cluster, watched or not.
    pub fn all_topics(&self) -> impl Iterator<Item = (&Arc<str>, &TopicSeen)> {
        self.topics.iter().chain(&self.others)
    }
}

impl TopicSeen {
    /// The partition of this number.
    pub fn partition(&self, number: i32) -> Option<&PartitionSeen> {
        // Where none is missing its place is its number.
        let expected = usize::try_from(number).ok().and_then(|place| self.partitions.get(place));
        expected.filter(|partition| partition.number == number).or_else(|| {
            let place = self.partitions.binary_search_by_key(&number, |partition| partition.number).ok()?;
            self.partitions.get(place)
        })
    }
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionSeen {
    /// Its number.
    pub number: i32,
    /// The broker that leads it; none: it is offline.
    pub leader: Option<i32>,
    /// All replicas, the preferred leader first.
    pub replicas: Box<[i32]>,
    /// Those in sync.
    pub isr: Box<[i32]>,
    /// The log start offset; none: not known this time.
    pub earliest: Option<i64>,
    /// The high watermark; none: not known this time.
    pub latest: Option<i64>,
}

/// A consumer group, or a forward of this process that belongs to none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSeen {
    /// Kafka's word (Stable, Empty, PreparingRebalance…); none: not known, as from brokers before 2.6 that do not
    /// answer DescribeGroups.
    pub state: Option<String>,
    /// classic, consumer, share or streams; `forward` for a forward of this process.
    pub group_type: String,
    /// The broker that coordinates it; none for a forward.
    pub coordinator: Option<i32>,
    /// How many live members it has; none: not known.
    pub members: Option<u32>,
    /// The topics of which a live member reads a partition, sorted; none: not known, or nobody is assigned anything at
    /// present (no members, a rebalance).
    pub assigned: Option<Vec<Arc<str>>>,
    /// What it committed, sorted by topic and partition (for a share group: where its share partitions start); none: its coordinator could not tell, which does
    /// not mean that it committed nothing.
    pub committed: Option<Vec<Committed>>,
}

/// An offset that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
    /// The next record that the group wants to read. Never negative.
    pub offset: i64,
}

/// ListOffsets for a time: where the records begin that are not older than an age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetsAt {
    /// The age.
    pub age: Duration,
    /// By topic and partition; a partition is missing where it is not known (or where nobody lags). `None`: all
    /// records are older.
    pub offsets: LiteMap<(Arc<str>, i32), Option<i64>>,
}

/// What is asked for every few minutes only, because it is large or costs the brokers something.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowSnapshot {
    /// When it was asked.
    pub taken_at: Moment,
    /// The directories of each broker; none: it could not tell (`missing` says why).
    pub dirs: LiteMap<i32, Option<Vec<DirSeen>>>,
    /// Bytes of the leaders' logs by topic; a topic is missing where one of its leaders could not tell.
    pub topic_bytes: LiteMap<Arc<str>, u64>,
    /// min.insync.replicas by topic, whether watched or not; a topic is missing where it could not be read.
    pub min_insync: LiteMap<Arc<str>, u32>,
    /// Who controls the cluster.
    pub controller: Controller,
    /// What could not be seen and why: a sentence each.
    pub missing: Vec<String>,
}

/// Who controls a cluster, and how one learns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Controller {
    /// Nobody could tell.
    #[default]
    Unknown,
    /// There is a ZooKeeper: the metadata says it.
    InMetadata,
    /// With KRaft, the leader of the quorum; none: it has none at present.
    OfQuorum(Option<i32>),
}

/// A log directory of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirSeen {
    /// Where it is, on the broker.
    pub path: Arc<str>,
    /// Why it cannot be used, in Kafka's words; it is offline then.
    pub error: Option<String>,
    /// Bytes of Kafka's logs in it.
    pub used: u64,
    /// Bytes of its volume; none from brokers before 3.3.
    pub volume: Option<u64>,
    /// Bytes of the volume that are free for Kafka; none from brokers before 3.3.
    pub free: Option<u64>,
}
