//! One partition of a route: its tracker, the records that still have to be prepared, and what of it is stored.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::logic::moment::Moment;
use crate::logic::offset_tracker::{OffsetTracker, Position, Snapshot, Ticket};
use crate::logic::record::{Record, TopicPartition};

/// Which life of a topic a partition belongs to, and what its leader last said: stored with the offsets, so that
/// another topic of the same name is not taken for this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's id, where brokers tell one.
    pub cluster_id: Option<String>,
    /// The topic's id, where brokers have them (2.8 and later).
    pub topic_id: Option<[u8; 16]>,
    /// The leader epoch of the last fetch; −1 where unknown.
    pub leader_epoch: i32,
    /// How many times the topic was deleted and created again since the forward first read it.
    pub recreated: u32,
}

/// A record that waits for the steps.
#[derive(Debug)]
pub(super) struct Unprepared {
    pub(super) ticket: Ticket,
    pub(super) record: Arc<Record>,
    pub(super) received_at: Moment,
}

/// A partition that the route reads.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: TopicPartition,
    pub(super) identity: Identity,
    pub(super) tracker: OffsetTracker,
    pub(super) unprepared: VecDeque<Unprepared>,
    /// Jobs that the steps work on: they come back in order, and a few at once keep the threads busy.
    pub(super) jobs_out: u32,
    /// What the state is known to hold; none: not even the position to begin at.
    pub(super) stored: Option<Snapshot>,
    /// Changed since the last snapshot was given to the state.
    pub(super) dirty: bool,
    /// The end of the log as the leader last told (high watermark).
    pub(super) log_end: Option<i64>,
    /// No longer read: the topic is gone, or no longer asked for. It stays until what it has out comes back.
    pub(super) gone: bool,
}

impl Partition {
    pub(super) fn new(name: TopicPartition, identity: Identity, tracker: OffsetTracker) -> Self {
        Self {
            name,
            identity,
            tracker,
            unprepared: VecDeque::new(),
            jobs_out: 0,
            stored: None,
            dirty: true,
            log_end: None,
            gone: false,
        }
    }

    /// Where its next fetch begins; none: not to be fetched. The position to begin at must be durable before the
    /// first record is read: else a crash would begin somewhere else.
    pub(super) fn wanted(&self) -> Option<Position> {
        (!self.gone && self.stored.is_some()).then(|| self.tracker.next())
    }

    /// Takes what waits for the steps, up to this many records and bytes, but at least one record.
    pub(super) fn take_job(&mut self, records: usize, bytes: usize) -> Vec<Unprepared> {
        let mut job = Vec::new();
        let mut taken = 0_usize;
        while job.len() < records && (taken < bytes || job.is_empty()) {
            let Some(next) = self.unprepared.pop_front() else { break };
            taken = taken.saturating_add(next.record.held_bytes());
            job.push(next);
        }
        job
    }

    /// Records between the stored offset and the end of the log; none: not known yet. Never negative.
    pub(super) fn lag(&self) -> Option<i64> {
        let storable = self.tracker.storable().0;
        self.log_end.map(|end| end.saturating_sub(storable).max(0))
    }
}
