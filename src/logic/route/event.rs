//! An event on its way: a record that the steps made ready, and what has happened to it so far.

use std::sync::Arc;

use bytes::Bytes;

use super::lanes::LaneKey;
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::Ticket;
use crate::logic::record::{Record, TopicPartition};
use crate::logic::retry::Refusals;

/// Where a record came from, and so who is told when it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Read from a partition of the route.
    Partition {
        /// The partition's index in the route.
        index: usize,
        /// What the partition's tracker wants back.
        ticket: Ticket,
    },
    /// A dead letter that a person wants delivered after all.
    Replay {
        /// The dead letter's number.
        id: u64,
        /// Which life of the topic it is from.
        recreated: u32,
    },
}

/// What names an event to people and to the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// The partition of its record.
    pub topic_partition: TopicPartition,
    /// The offset of its record.
    pub offset: i64,
    /// What `event_id` gave for it.
    pub event_id: Option<String>,
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.event_id {
            Some(event_id) => f.write_str(event_id),
            None => write!(f, "{}/{}", self.topic_partition, self.offset),
        }
    }
}

/// An event on its way.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) origin: Origin,
    pub(super) name: EventName,
    pub(super) record: Arc<Record>,
    pub(super) idempotency_key: String,
    pub(super) bodies: Vec<Bytes>,
    /// How many of the bodies the endpoint took.
    pub(super) accepted: usize,
    pub(super) lane: Option<LaneKey>,
    pub(super) held_bytes: usize,
    pub(super) received_at: Moment,
    pub(super) stage: Stage,
    pub(super) attempts: u32,
    pub(super) refusals: Option<Refusals>,
    /// Refusals of the body that is next: its waits double with them.
    pub(super) refused_in_a_row: u32,
    /// The endpoint asked not to be sent this before.
    pub(super) not_before: Moment,
    /// Its partition was reset or taken away: it is not ours any more.
    pub(super) abandoned: bool,
}

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In a lane: ready, behind another, or waiting for its next attempt.
    InLane,
    /// With a sender.
    InFlight,
    /// On its way to the dead letters.
    Burying,
}

impl Event {
    /// The idempotency key of the request that is next: the same on every attempt, and another one for each output.
    pub(super) fn request_key(&self) -> String {
        let key = &self.idempotency_key;
        if self.accepted == 0 {
            return key.clone();
        }
        // FORWARD/TOPIC/PARTITION/OFFSET.n~k: the mark of a recreated topic comes last.
        match key.rsplit_once('~').filter(|(_, mark)| mark.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((base, mark)) => format!("{base}.{}~{mark}", self.accepted),
            None => format!("{key}.{}", self.accepted),
        }
    }
}

/// The idempotency key of a record's first output.
pub fn idempotency_key(forward: &str, topic_partition: &TopicPartition, offset: i64, recreated: u32) -> String {
    let TopicPartition { topic, partition } = topic_partition;
    match recreated {
        0 => format!("{forward}/{topic}/{partition}/{offset}"),
        times => format!("{forward}/{topic}/{partition}/{offset}~{}", times.saturating_add(1)),
    }
}
