//! The metrics that a rule may name, and a metric's series at one moment. Knows no rule.

use std::time::Duration;

use litemap::LiteMap;

use crate::logic::sorted_set::SortedSet;

/// A metric of the contract, without the prefix `barnabas_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// The labels that its series have, besides `cluster`.
    pub labels: &'static [&'static str],
    /// What its figures are about.
    pub source: Source,
    /// How a person should read its figures.
    pub unit: Unit,
}

/// Where a metric's series come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A poll of a cluster; they have the label `cluster`, too.
    Cluster,
    /// The forwards of this process.
    Forwards,
    /// This process: its channels.
    Process,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Things: messages, partitions, members.
    Count,
    /// Seconds.
    Seconds,
    /// Percent.
    Percent,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Things per second.
    PerSecond,
    /// 1: yes; 0: no.
    Boolean,
    /// `group_status`, by number; said by name.
    GroupStatus,
}

/// The labels of a series, by name.
pub type Labels = LiteMap<String, String>;

/// One series of a metric at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which.
    pub labels: Labels,
    /// How much.
    pub figure: Figure,
    /// The brokers whose absence would explain the figure, all of them together, by id; empty: no broker's would. None:
    /// not said.
    pub because_of: Option<SortedSet<String>>,
}

impl Series {
    /// A series of which it is not said what explains it.
    pub fn new(labels: Labels, figure: Figure) -> Self {
        Self { labels, figure, because_of: None }
    }
}

/// The figure of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// It is this.
    Value(f64),
    /// An age in seconds. The estimate is for people; whether it is above an age is told exactly for those that were
    /// asked about.
    Age {
        /// The estimate; none: not known yet.
        seconds: Option<f64>,
        /// By how much it may be wrong, in seconds; infinite: it is a lower bound.
        error: f64,
        /// For each age: whether it is older; none: not known this time.
        older_than: Vec<(Duration, Option<bool>)>,
    },
    /// The series exists, and its figure could not be read this time.
    Unknown,
}

/// What is known of a metric at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The series.
    pub series: Vec<Series>,
    /// A series that is not here does not exist any more. If not complete, it may just not have been seen.
    pub complete: bool,
    /// Labels of what could not be asked: series that have all of one of these may exist without being here.
    pub unseen: Vec<Labels>,
}

const fn of_cluster(name: &'static str, labels: &'static [&'static str], unit: Unit) -> Metric {
    Metric { name, labels, source: Source::Cluster, unit }
}

const fn of_forwards(name: &'static str, unit: Unit) -> Metric {
    Metric { name, labels: &["forward"], source: Source::Forwards, unit }
}

/// Every metric that a rule may name, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    of_cluster("cluster_up", &[], Unit::Boolean),
    of_cluster("broker_up", &["broker"], Unit::Boolean),
    of_cluster("broker_load_percent", &["broker", "source"], Unit::Percent),
    of_cluster("broker_traffic_share_percent", &["broker"], Unit::Percent),
    of_cluster("broker_bytes_in_per_second", &["broker", "source"], Unit::BytesPerSecond),
    of_cluster("broker_bytes_out_per_second", &["broker", "source"], Unit::BytesPerSecond),
    of_cluster("broker_requests_per_second", &["broker", "source"], Unit::PerSecond),
    of_cluster("broker_messages_in_per_second", &["broker", "source"], Unit::PerSecond),
    of_cluster("broker_request_seconds", &["broker", "request", "quantile"], Unit::Seconds),
    of_cluster("broker_network_idle_percent", &["broker"], Unit::Percent),
    of_cluster("broker_process_cpu_percent", &["broker"], Unit::Percent),
    of_cluster("broker_heap_used_bytes", &["broker"], Unit::Bytes),
    of_cluster("broker_heap_max_bytes", &["broker"], Unit::Bytes),
    of_cluster("broker_under_replicated_partitions", &["broker"], Unit::Count),
    of_cluster("broker_offline_log_dirs", &["broker"], Unit::Count),
    of_cluster("broker_replication_disagreement", &["broker"], Unit::Boolean),
    of_cluster("broker_slow", &["broker"], Unit::Boolean),
    of_cluster("broker_latency_seconds", &["broker"], Unit::Seconds),
    of_cluster("broker_leaders", &["broker"], Unit::Count),
    of_cluster("broker_replicas", &["broker"], Unit::Count),
    of_cluster("leader_skew_percent", &["broker"], Unit::Percent),
    of_cluster("replica_skew_percent", &["broker"], Unit::Percent),
    of_cluster("disk_used_bytes", &["broker", "dir"], Unit::Bytes),
    of_cluster("disk_used_percent", &["broker", "dir"], Unit::Percent),
    of_cluster("disk_full_in_seconds", &["broker", "dir"], Unit::Seconds),
    of_cluster("partitions_offline", &["topic"], Unit::Count),
    of_cluster("partitions_under_replicated", &["topic"], Unit::Count),
    of_cluster("partitions_under_min_isr", &["topic"], Unit::Count),
    of_cluster("topic_messages", &["topic"], Unit::Count),
    of_cluster("topic_messages_in_per_second", &["topic"], Unit::PerSecond),
    of_cluster("topic_bytes", &["topic"], Unit::Bytes),
    of_cluster("group_lag", &["group", "topic"], Unit::Count),
    of_cluster("group_lag_seconds", &["group", "topic"], Unit::Seconds),
    of_cluster("group_status", &["group", "topic"], Unit::GroupStatus),
    of_cluster("group_members", &["group"], Unit::Count),
    of_forwards("forward_lag", Unit::Count),
    of_forwards("forward_pending", Unit::Count),
    of_forwards("forward_in_flight", Unit::Count),
    of_forwards("forward_oldest_pending_seconds", Unit::Seconds),
    of_forwards("forward_suspended", Unit::Boolean),
    of_forwards("forward_paused", Unit::Boolean),
    of_forwards("forward_stalled", Unit::Boolean),
    of_forwards("forward_consumed_total", Unit::Count),
    of_forwards("forward_delivered_total", Unit::Count),
    of_forwards("forward_filtered_total", Unit::Count),
    of_forwards("forward_skipped_total", Unit::Count),
    of_forwards("forward_dropped_total", Unit::Count),
    of_forwards("forward_dead_lettered_total", Unit::Count),
    of_forwards("forward_retries_total", Unit::Count),
    of_forwards("forward_lost_offsets_total", Unit::Count),
    of_forwards("dead_letters", Unit::Count),
    Metric { name: "channel_failing", labels: &["channel"], source: Source::Process, unit: Unit::Boolean },
];

impl Metric {
    /// The metric of this name, with or without the prefix `barnabas_`.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix("barnabas_").unwrap_or(name);
        METRICS.iter().copied().find(|metric| metric.name == name)
    }
}
