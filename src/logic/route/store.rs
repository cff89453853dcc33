//! When offsets are stored: a while after the first change, everything that changed and the counters together, one
//! write at a time. While writes fail nothing is sent, because a restart would send it again.

use std::time::Duration;

use super::partition::Identity;
use super::{Action, Report, Route};
use crate::logic::counters::Counters;
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::Snapshot;
use crate::logic::record::TopicPartition;

/// A write that failed is tried again after this long.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// What is to be made durable in one transaction: offsets and counters that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOffsets {
    /// The partitions that changed.
    pub partitions: Vec<PartitionSnapshot>,
    /// What has become of all records so far.
    pub counters: Counters,
}

/// A partition as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSnapshot {
    /// Its name.
    pub topic_partition: TopicPartition,
    /// Which cluster and which life of the topic it belongs to.
    pub identity: Identity,
    /// What a restart continues from.
    pub snapshot: Snapshot,
}

/// The state of storing.
#[derive(Debug, Default)]
pub(super) struct Storing {
    /// When the next write begins; none: nothing changed.
    due: Option<Moment>,
    /// What the state has been given and has not answered yet.
    out: Option<Out>,
    /// Sent and settled since the last write began, where each must be stored before its sender goes on.
    unstored: usize,
    /// Why the last write failed, for people.
    failure: Option<String>,
}

#[derive(Debug)]
struct Out {
    partitions: Vec<(usize, Snapshot)>,
    /// How many senders wait for this write.
    slots: usize,
}

impl Storing {
    pub(super) fn at_once(&mut self, now: Moment) {
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
    }

    /// When the next write begins; none while one is out.
    pub(super) fn due(&self) -> Option<Moment> {
        if self.out.is_some() { None } else { self.due }
    }

    pub(super) fn is_out(&self) -> bool {
        self.out.is_some()
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn fails(&self) -> bool {
        self.failure.is_some()
    }

    /// Requests that are over and whose senders still wait for the state.
    pub(super) fn slots_held(&self) -> usize {
        self.unstored + self.out.as_ref().map_or(0, |out| out.slots)
    }

    pub(super) fn sent_and_settled(&mut self, commit_interval: Duration) {
        if commit_interval.is_zero() {
            self.unstored += 1;
        }
    }
}

impl Route {
    /// A partition changed: it is stored at the latest when the commit interval is over.
    pub(super) fn touch(&mut self, index: usize, now: Moment) {
        if let Some(partition) = self.partitions.get_mut(index) {
            partition.dirty = true;
            let due = now + self.settings.commit_interval;
            self.storing.due = Some(self.storing.due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    pub(super) fn has_dirty(&self) -> bool {
        self.partitions.iter().any(|partition| partition.dirty)
    }

    pub(super) fn store(&mut self, now: Moment) {
        if self.storing.is_out() || self.storing.due.is_none_or(|due| due > now) {
            return;
        }
        self.storing.due = None;
        let mut out = Out { partitions: Vec::new(), slots: std::mem::take(&mut self.storing.unstored) };
        let mut partitions = Vec::new();
        for (index, partition) in self.partitions.iter_mut().enumerate().filter(|(_, partition)| partition.dirty) {
            partition.dirty = false;
            let snapshot = partition.tracker.snapshot();
            out.partitions.push((index, snapshot.clone()));
            partitions.push(PartitionSnapshot {
                topic_partition: partition.name.clone(),
                identity: partition.identity.clone(),
                snapshot,
            });
        }
        if partitions.is_empty() {
            return;
        }
        self.storing.out = Some(out);
        self.actions.push(Action::Store(StoreOffsets { partitions, counters: self.counters }));
    }

    /// What was given out to be stored is durable.
    pub fn stored(&mut self) {
        let Some(out) = self.storing.out.take() else { return };
        for (index, snapshot) in out.partitions {
            if let Some(partition) = self.partitions.get_mut(index) {
                partition.stored = Some(snapshot);
            }
        }
        if self.storing.failure.take().is_some() {
            self.actions.push(Action::Report(Report::StoresAgain));
        }
    }

    /// It could not be stored; `reason` is for people. It is tried again, and nothing is sent until it works.
    pub fn not_stored(&mut self, reason: String, now: Moment) {
        let Some(out) = self.storing.out.take() else { return };
        self.storing.unstored += out.slots;
        for (index, _) in out.partitions {
            if let Some(partition) = self.partitions.get_mut(index).filter(|partition| !partition.gone) {
                partition.dirty = true;
            }
        }
        self.storing.due = Some(now + STORE_AGAIN);
        if self.storing.failure.as_ref() != Some(&reason) {
            self.actions.push(Action::Report(Report::Stalled { reason: reason.clone() }));
        }
        self.storing.failure = Some(reason);
    }
}
