//! What the daemon says about itself: the document of `status --json` and /api/status, and the board that it is put
//! together from. Each forward publishes its own part; nobody waits for anybody, and a reader gets the latest of each.
//! Knows nothing of how forwards work, nor of who reads it.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::logic::moment::Timestamp;
use crate::logic::rfc3339;

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of the running binary.
    pub version: String,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// Whether all that was asked for is being done; a forward that a person paused does not count against it.
    pub ready: bool,
    /// Why it is not ready, a sentence each; empty when it is.
    pub reasons: Vec<String>,
    /// In the order of the configuration.
    pub forwards: Vec<ForwardStatus>,
    /// Kept for clusters that are watched; empty.
    #[serde(default)]
    pub monitor: serde_json::Map<String, serde_json::Value>,
    /// Kept for alerts; empty.
    #[serde(default)]
    pub alerts: Vec<serde_json::Value>,
}

/// One forward. Counters count since it first ran, through restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForwardStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What it is doing.
    pub state: ForwardState,
    /// Why it is not running, in words; empty when it is.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The topics it reads at present.
    #[serde(default)]
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
    #[serde(default)]
    pub dead_letters_waiting: u64,
    /// By topic and partition.
    pub partitions: Vec<PartitionStatus>,
}

/// What a forward is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    fn is_as_wanted(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// A forward's place in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What the daemon as a whole knows: its forwards, and reasons that belong to none of them.
#[derive(Debug, Default)]
struct Posted {
    forwards: Vec<watch::Receiver<ForwardStatus>>,
    reasons: Vec<String>,
}

/// The daemon's end of the board.
#[derive(Debug)]
pub struct StatusPublisher {
    posted: watch::Sender<Posted>,
}

impl StatusPublisher {
    /// These are the forwards from now on, in this order (at the start, and after each reload). One whose sender is
    /// gone keeps its last word until it is replaced.
    pub fn set_forwards(&self, forwards: Vec<watch::Receiver<ForwardStatus>>) {
        self.posted.send_modify(|posted| posted.forwards = forwards);
    }

    /// Why the daemon is not ready, apart from what its forwards say: starting, stopping, the state cannot be written.
    pub fn set_reasons(&self, reasons: Vec<String>) {
        self.posted.send_modify(|posted| posted.reasons = reasons);
    }
}

/// The readers' end of the board; clones show the same.
#[derive(Clone, Debug)]
pub struct StatusBoard {
    started_at: Timestamp,
    posted: watch::Receiver<Posted>,
}

/// A board for a daemon that started at `started_at`; without forwards it is ready.
pub fn board(started_at: Timestamp) -> (StatusPublisher, StatusBoard) {
    let (sender, receiver) = watch::channel(Posted::default());
    (StatusPublisher { posted: sender }, StatusBoard { started_at, posted: receiver })
}

impl StatusBoard {
    /// The latest that everybody published.
    pub fn status(&self) -> Status {
        let posted = self.posted.borrow();
        let forwards: Vec<ForwardStatus> = posted.forwards.iter().map(|forward| forward.borrow().clone()).collect();
        let mut reasons = posted.reasons.clone();
        reasons.extend(forwards.iter().filter_map(reason));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: rfc3339::format(self.started_at),
            ready: reasons.is_empty(),
            reasons,
            forwards,
            monitor: serde_json::Map::new(),
            alerts: Vec::new(),
        }
    }
}

/// Why this forward keeps the daemon from being ready.
fn reason(forward: &ForwardStatus) -> Option<String> {
    if forward.state.is_as_wanted() {
        return None;
    }
    let state = format!("forward {} is {}", forward.name, forward.state.name());
    Some(if forward.reasons.is_empty() { state } else { format!("{state}: {}", forward.reasons.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(name: &str, state: ForwardState, reasons: &[&str]) -> ForwardStatus {
        let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        ForwardStatus { name: name.to_owned(), state, reasons, ..ForwardStatus::default() }
    }

    #[track_caller]
    fn check(rule: &str, forwards: Vec<ForwardStatus>, daemon: &[&str], expected: &[&str]) {
        let (publisher, board) = board(Timestamp(0));
        publisher.set_forwards(forwards.into_iter().map(|forward| watch::channel(forward).1).collect());
        publisher.set_reasons(daemon.iter().map(|reason| (*reason).to_owned()).collect());
        let status = board.status();
        assert_eq!(status.reasons, expected, "{rule}");
        assert_eq!(status.ready, expected.is_empty(), "{rule}");
    }

    #[test]
    fn readiness() {
        use ForwardState::*;
        check("nothing to do is done", vec![], &[], &[]);
        check("a running forward", vec![forward("a", Running, &[])], &[], &[]);
        check("what a person paused is no reason", vec![forward("a", Paused, &["by hand"])], &[], &[]);
        check("a start that is under way", vec![forward("a", Starting, &[])], &[], &["forward a is starting"]);
        check(
            "one that does not run, beside one that does",
            vec![forward("a", Running, &[]), forward("b", Suspended, &["401 from example.com", "a probe every 30 s"])],
            &[],
            &["forward b is suspended: 401 from example.com; a probe every 30 s"],
        );
        check("the daemon's own reason", vec![forward("a", Running, &[])], &["stopping"], &["stopping"]);
    }

    #[test]
    fn a_reload_replaces_the_forwards_and_readers_see_the_latest() {
        let (publisher, board) = board(Timestamp(0));
        let (old, receiver) = watch::channel(forward("old", ForwardState::Running, &[]));
        publisher.set_forwards(vec![receiver]);
        old.send_modify(|status| status.delivered = 7);
        assert_eq!(board.status().forwards.first().map(|forward| forward.delivered), Some(7));

        let (_new, receiver) = watch::channel(forward("new", ForwardState::Running, &[]));
        publisher.set_forwards(vec![receiver]);
        let names: Vec<String> = board.clone().status().forwards.into_iter().map(|forward| forward.name).collect();
        assert_eq!(names, ["new"]);
    }

    #[test]
    fn the_document_has_the_names_of_the_contract() {
        let (publisher, board) = board(Timestamp(1_795_244_400_000));
        let mut status = forward("a", ForwardState::Running, &[]);
        status.partitions =
            vec![PartitionStatus { topic: "t".into(), partition: 0, stored: Some(1), fetched: Some(2), end: None }];
        publisher.set_forwards(vec![watch::channel(status).1]);
        let document = serde_json::to_value(board.status()).expect("JSON");
        assert_eq!(document["started_at"], "2026-11-21T07:00:00.000Z");
        for name in ["version", "ready", "reasons", "forwards", "monitor", "alerts"] {
            assert!(document.get(name).is_some(), "{name}");
        }
        for name in [
            "name",
            "state",
            "lag",
            "pending",
            "in_flight",
            "consumed",
            "delivered",
            "filtered",
            "skipped",
            "dropped",
            "dead_lettered",
            "retries",
            "oldest_pending_seconds",
            "partitions",
        ] {
            assert!(document["forwards"][0].get(name).is_some(), "{name}");
        }
        assert_eq!(document["forwards"][0]["state"], "running");
        assert_eq!(
            document["forwards"][0]["partitions"][0],
            serde_json::json!({"topic": "t", "partition": 0, "stored": 1, "fetched": 2, "end": null})
        );
    }
}
