//! How a route is doing, for the status page, metrics and `/readyz`.

use std::time::Duration;

use super::Route;
use super::gate::Gate;
use crate::logic::counters::Counters;
use crate::logic::moment::Moment;
use crate::logic::record::TopicPartition;

/// An endpoint that is down for so long stops progress, and not only for a moment.
const DOWN_FOR_LONG: Duration = Duration::from_secs(15);

/// What a route is doing as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteState {
    /// All is well, or what is wrong concerns single events.
    Running,
    /// The endpoint refuses everything.
    Suspended,
    /// A person paused it.
    Paused,
    /// It cannot go on: the endpoint is down, the state cannot be written, the dead letters are full, or it was stopped.
    Stalled,
}

/// How a route is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteStatus {
    /// What it is doing.
    pub state: RouteState,
    /// Why it is not running, or what keeps it from making progress, for people.
    pub reasons: Vec<String>,
    /// Records between the stored offsets and the ends of the logs; none: not known for every partition yet.
    pub lag: Option<i64>,
    /// Records read and not settled.
    pub pending: u64,
    /// Requests that senders have.
    pub in_flight: usize,
    /// What has become of all records so far.
    pub counters: Counters,
    /// How long ago the oldest record was read that is not settled.
    pub oldest_pending: Option<Duration>,
    /// The partitions that are read.
    pub partitions: Vec<PartitionPosition>,
}

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPosition {
    /// Its name.
    pub topic_partition: TopicPartition,
    /// The offset that is stored: everything below it is settled. None: nothing is stored yet.
    pub stored: Option<i64>,
    /// Everything below it has been read.
    pub fetched: i64,
    /// Records read and not settled.
    pub unsettled: u64,
    /// The end of the log; none: not known yet.
    pub end: Option<i64>,
}

impl Route {
    /// How the route is doing at `now`.
    pub fn status(&self, now: Moment) -> RouteStatus {
        let reading = || self.partitions.iter().filter(|partition| !partition.gone);
        RouteStatus {
            state: self.state(now),
            reasons: self.reasons(),
            lag: self.lag(),
            pending: self.pending(),
            in_flight: self.in_flight,
            counters: self.counters,
            oldest_pending: self.oldest_pending(now),
            partitions: reading()
                .map(|partition| PartitionPosition {
                    topic_partition: partition.name.clone(),
                    stored: partition.stored.as_ref().map(|snapshot| snapshot.storable().0),
                    fetched: partition.tracker.fetched().0,
                    unsettled: partition.tracker.pending(),
                    end: partition.log_end,
                })
                .collect(),
        }
    }

    /// None until every partition has said where its log ends: a lag of 0 must not be shown for want of knowledge.
    fn lag(&self) -> Option<i64> {
        if self.reads_nothing() {
            return None;
        }
        self.partitions.iter().filter(|partition| !partition.gone).map(super::partition::Partition::lag).sum()
    }

    /// What has become of all records so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Records read and not settled.
    pub fn pending(&self) -> u64 {
        self.partitions.iter().filter(|partition| !partition.gone).map(|partition| partition.tracker.pending()).sum()
    }

    /// Bytes of records and bodies held now.
    pub fn held(&self) -> usize {
        self.held
    }

    fn state(&self, now: Moment) -> RouteState {
        if self.stopped.is_some() || self.cannot_bury.is_some() || self.storing.fails() {
            RouteState::Stalled
        } else if self.paused {
            RouteState::Paused
        } else {
            match self.gate {
                Gate::Suspended { .. } => RouteState::Suspended,
                Gate::Down { since, .. } if now.since(since) >= DOWN_FOR_LONG => RouteState::Stalled,
                Gate::Down { .. } | Gate::Open { .. } => RouteState::Running,
            }
        }
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = Vec::new();
        reasons.extend(self.stopped.clone());
        reasons.extend(self.cannot_bury.clone());
        reasons.extend(self.storing.failure().map(str::to_owned));
        match &self.gate {
            Gate::Open { .. } => {}
            Gate::Down { .. } if self.gate.holds_back() => {
                reasons.push("the endpoint seems to be down: it gets one event at a time".to_owned());
            }
            Gate::Down { .. } => {
                reasons.push("the endpoint seems to be down: it refuses all that it is sent, a few events".to_owned());
            }
            Gate::Suspended { reason, .. } => reasons.push(reason.clone()),
        }
        reasons
    }

    fn oldest_pending(&self, now: Moment) -> Option<Duration> {
        let event = self.events.values().find(|event| !event.abandoned).map(|event| event.received_at);
        let unprepared =
            self.partitions.iter().filter_map(|partition| partition.unprepared.front()).map(|first| first.received_at);
        event.into_iter().chain(unprepared).min().map(|oldest| now.since(oldest))
    }
}
