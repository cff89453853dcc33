//! The figures of a cluster after a poll: what the pages, /metrics, `status` and the alert rules read. All of it is
//! computed in this folder; a reader adds nothing but words.
//!
//! An `Option` that is none means: not known at present.

use std::sync::Arc;

use litemap::LiteMap;

use super::snapshot::{SlowSnapshot, Snapshot};
use crate::logic::broker_load::BrokerFigures;
use crate::logic::moment::Timestamp;

/// A cluster: what was seen, and what that means.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterView {
    /// What the last poll saw.
    pub seen: Arc<Snapshot>,
    /// What the last slow poll saw; none: it did not come yet.
    pub slow: Option<Arc<SlowSnapshot>>,
    /// The node that controls the cluster (with KRaft, the leader of the quorum); none: unknown, or none at present.
    pub controller: Option<i32>,
    /// Every broker that is listed, or that holds a replica, or was listed a short while ago.
    pub brokers: LiteMap<i32, BrokerView>,
    /// By rack; empty where no broker has one.
    pub racks: LiteMap<String, RackView>,
    /// By name; the same topics as in `seen`.
    pub topics: LiteMap<Arc<str>, TopicView>,
    /// By name; the same groups as in `seen`.
    pub groups: LiteMap<Arc<str>, GroupView>,
    /// Every log directory that is known.
    pub dirs: Vec<DirView>,
    /// What is unknown and why, a sentence each, of both polls.
    pub missing: Vec<String>,
    /// When the points of all charts were taken, oldest first.
    pub chart_times: Arc<[Timestamp]>,
}

/// A broker's share of the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrokerView {
    /// It answers. None: nobody answered at all, so it is the cluster that cannot be reached.
    pub up: Option<bool>,
    /// Where it is, where the metadata lists it.
    pub address: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// Why it does not answer.
    pub error: Option<String>,
    /// One request on an idle connection.
    pub latency_seconds: Option<f64>,
    /// Partitions that it leads, internal topics included.
    pub leaders: u32,
    /// Replicas that it has, internal topics included.
    pub replicas: u32,
    /// Partitions whose preferred leader it is, and which another leads.
    pub preferred_not_leading: u32,
    /// Signed distance of `leaders` from the mean over live brokers, in percent of the mean.
    pub leader_skew_percent: Option<f64>,
    /// Signed distance of `replicas` from the mean over live brokers, in percent of the mean.
    pub replica_skew_percent: Option<f64>,
    /// Its share of the cluster's measured traffic, 0 to 100.
    pub traffic_share_percent: Option<f64>,
    /// Messages appended to the partitions it leads.
    pub messages_in_per_second: Option<f64>,
    /// Bytes appended to the logs it leads: the messages that came, each of the mean size of those that its topic keeps.
    pub bytes_in_per_second: Option<f64>,
    /// What it says of itself; none: it has no source of such figures.
    pub load: Option<LoadView>,
    /// Whether it can be stopped now.
    pub restart: Restart,
}

impl BrokerView {
    /// Its own figures, where they are known.
    pub fn own_figures(&self) -> Option<&BrokerFigures> {
        self.load.as_ref()?.figures.as_deref()
    }

    /// Bytes from producers: as it says itself, else as its logs grow.
    pub fn best_bytes_in_per_second(&self) -> Option<f64> {
        self.load.as_ref().map_or(self.bytes_in_per_second, |load| load.figures.as_ref()?.bytes_in_per_second)
    }

    /// Messages from producers: as it says itself, else as its logs grow.
    pub fn best_messages_in_per_second(&self) -> Option<f64> {
        self.load.as_ref().map_or(self.messages_in_per_second, |load| load.figures.as_ref()?.messages_in_per_second)
    }
}

/// What a broker says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadView {
    /// `jmx`, `jolokia` or `exporter`.
    pub source: &'static str,
    /// None: not read yet, or not for three intervals.
    pub figures: Option<Arc<BrokerFigures>>,
    /// Why the last reading failed.
    pub error: Option<String>,
    /// Its count of under-replicated partitions beside the metadata.
    pub replication: Comparison,
    /// How long it takes for its work, beside its past and its peers.
    pub slow: Comparison,
}

/// What came of comparing figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// There is not enough to compare.
    #[default]
    Unknown,
    /// Nothing looks wrong.
    Fine,
    /// Something does; a sentence.
    Wrong(String),
}

impl Comparison {
    /// Of a check that gives a sentence where something looks wrong.
    pub fn of(sentence: Option<String>) -> Self {
        sentence.map_or(Self::Fine, Self::Wrong)
    }

    /// 1: something looks wrong; 0: nothing does.
    pub fn number(&self) -> Option<u8> {
        match self {
            Self::Unknown => None,
            Self::Fine => Some(0),
            Self::Wrong(_) => Some(1),
        }
    }

    /// What looks wrong.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Self::Wrong(sentence) => Some(sentence),
            Self::Unknown | Self::Fine => None,
        }
    }
}

/// Whether stopping a broker now would hurt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// min.insync.replicas or the brokers are not known yet.
    #[default]
    Unknown,
    /// Every partition keeps min.insync.replicas in-sync replicas, and a leader.
    Safe,
    /// So many partitions would fall below, such as this one (`topic/partition`).
    Hurts {
        /// How many.
        partitions: u32,
        /// One of them.
        example: String,
    },
}

/// What a rack holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RackView {
    /// Its live brokers.
    pub brokers: u32,
    /// Partitions led there.
    pub leaders: u32,
    /// Replicas there.
    pub replicas: u32,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicView {
    /// Rules and group lag take it into account: an ordinary topic, or an internal one that the configuration names.
    pub watched: bool,
    /// Messages that the log keeps: log end − log start over all partitions.
    pub messages: Option<i64>,
    /// Messages appended per second since an earlier poll.
    pub messages_in_per_second: Option<f64>,
    /// Bytes of the leaders' logs.
    pub bytes: Option<u64>,
    /// Partitions without a leader.
    pub offline: u32,
    /// Partitions with fewer in-sync replicas than replicas.
    pub under_replicated: u32,
    /// Partitions with fewer in-sync replicas than min.insync.replicas.
    pub under_min_isr: Option<u32>,
    /// Partitions that their preferred leader does not lead.
    pub not_preferred: u32,
    /// Messages appended per second over time, as `GroupTopicView::lag_chart`.
    pub rate_chart: Arc<[f32]>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupView {
    /// The worst of its topics.
    pub status: GroupStatus,
    /// The sum over all topics whose lag is known.
    pub lag: Option<i64>,
    /// The topics that it committed offsets for and still reads, by name.
    pub topics: LiteMap<Arc<str>, GroupTopicView>,
}

/// A group's place in a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupTopicView {
    /// By Burrow's rules: the worst of its partitions.
    pub status: GroupStatus,
    /// Every partition was watched for long enough to be judged; else a status of ok says nothing yet.
    pub judged: bool,
    /// end − max(committed, log start) over the partitions with a committed offset whose end is known. None: of no
    /// partition both are known.
    pub lag: Option<i64>,
    /// Every partition of it with a committed offset could be seen; else `lag` is a lower bound.
    pub complete: bool,
    /// The age of the oldest unread record; zero where nothing is unread. None: not known yet.
    pub lag_seconds: Option<Seconds>,
    /// For each age of the snapshot: whether the oldest unread record is older, exactly. None: not known this time.
    pub older_than: Vec<(std::time::Duration, Option<bool>)>,
    /// The partitions with a committed offset, by ascending number.
    pub partitions: Vec<GroupPartitionView>,
    /// The lag over time: its last point belongs to the last of `chart_times`; NaN where it was not known. Empty
    /// where there are too many groups to keep charts.
    pub lag_chart: Arc<[f32]>,
}

/// Seconds, and by how much they may be wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// The estimate.
    pub value: f64,
    /// The true value lies at most so far from it. Infinite where `value` is a lower bound: the record is older than
    /// what was seen of its log, or the log of another partition could not be seen.
    pub error: f64,
}

/// A group's place in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupPartitionView {
    /// Its number.
    pub partition: i32,
    /// The next record that the group wants to read.
    pub committed: i64,
    /// end − max(committed, log start), never negative; none: the log's end is not known.
    pub lag: Option<i64>,
    /// The age of the oldest unread record in seconds.
    pub lag_seconds: Option<f32>,
    /// By Burrow's rules.
    pub status: GroupStatus,
}

/// How a group does, by Burrow's rules; the greater, the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupStatus {
    /// It keeps up, or has nothing to do.
    #[default]
    Ok,
    /// It commits, and falls behind all the same.
    Warning,
    /// It has members, and does not move.
    Stall,
    /// It went back.
    Rewind,
    /// It commits no more.
    Stop,
}

impl GroupStatus {
    /// Every status, from the best to the worst.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Warning, Self::Stall, Self::Rewind, Self::Stop];

    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Stall => "stall",
            Self::Rewind => "rewind",
            Self::Stop => "stop",
        }
    }

    /// The number that the metric `group_status` has for it.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Stall => 2,
            Self::Rewind => 3,
            Self::Stop => 4,
        }
    }
}

/// A log directory.
#[derive(Clone, Debug, PartialEq)]
pub struct DirView {
    /// The broker that has it.
    pub broker: i32,
    /// Where it is, on the broker.
    pub path: Arc<str>,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// Bytes of Kafka's logs in it.
    pub used_bytes: u64,
    /// Percent of its volume that is used, by whomever.
    pub used_percent: Option<f64>,
    /// Until it is full, at its growth over the last hours; none: it does not grow, or not known.
    pub full_in_seconds: Option<f64>,
    /// Its growth over the last hours; zero: it does not grow. None: not known yet.
    pub growth_bytes_per_second: Option<f64>,
}
