//! A forward's part of the status document. Plain data; knows nothing of how forwards work.

use serde::Serialize;

use crate::logic::from_json::{from_json, from_json_word};

/// One forward. Counters count since it first ran, through restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ForwardStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What it is doing.
    pub state: ForwardState,
    /// Why it is not running, in words; empty when it is.
    pub reasons: Vec<String>,
    /// The topics it reads at present.
    pub topics: Vec<String>,
    /// Records between the stored offsets and the ends of the logs; none: an end is not known yet.
    pub lag: Option<i64>,
    /// Records read and not settled.
    pub pending: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Records read.
    pub consumed: u64,
    /// Records that the endpoint took.
    pub delivered: u64,
    /// Records that the steps left out.
    pub filtered: u64,
    /// Invalid records passed over (`on_invalid = "skip"`).
    pub skipped: u64,
    /// Records that an outcome rule dropped.
    pub dropped: u64,
    /// Records kept aside.
    pub dead_lettered: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Offsets that the log no longer had when they were wanted.
    pub lost_offsets: u64,
    /// How long the oldest pending record has been waiting; none: nothing is pending.
    pub oldest_pending_seconds: Option<f64>,
    /// Dead letters in the state.
    pub dead_letters_waiting: u64,
    /// By topic and partition.
    pub partitions: Vec<PartitionStatus>,
}

from_json!(ForwardStatus {
   name, state, lag, pending, in_flight, consumed, delivered, filtered, skipped, dropped, dead_lettered, retries,
   lost_offsets, oldest_pending_seconds, partitions; reasons, topics, dead_letters_waiting
});

/// What a forward is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardState {
    /// It has not read anything yet: brokers, topics or offsets are being looked up.
    #[default]
    Starting,
    /// It reads and delivers.
    Running,
    /// The endpoint refuses everything: only a probe is sent from time to time.
    Suspended,
    /// A person paused it.
    Paused,
    /// It cannot go on: no room for dead letters, no broker, a refusal to start.
    Stalled,
}

from_json_word!(ForwardState, "the state of a forward", {
    "starting" => Self::Starting,
    "running" => Self::Running,
    "suspended" => Self::Suspended,
    "paused" => Self::Paused,
    "stalled" => Self::Stalled,
});

impl ForwardState {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Paused => "paused",
            Self::Stalled => "stalled",
        }
    }

    pub(super) fn is_as_wanted(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// A forward's place in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Everything below is settled; none: nothing was stored yet.
    pub stored: Option<i64>,
    /// Where the next fetch begins.
    pub fetched: Option<i64>,
    /// The log end offset, when it was last seen.
    pub end: Option<i64>,
}

from_json!(PartitionStatus { topic, partition, stored, fetched, end });
