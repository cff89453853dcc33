//! Where reading a partition begins.

use super::moment::Timestamp;

/// Where a forward begins that never stored an offset for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record the log still has.
    Earliest,
    /// After the last record.
    Latest,
    /// Refuse to start.
    None,
    /// Take over the committed offsets of the forward's group.
    Group,
    /// At the first record with this timestamp or a later one.
    Time(Timestamp),
}

/// What to do when the stored offset no longer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutOfRange {
    /// Go on at the first record the log still has.
    Earliest,
    /// Go on after the last record.
    Latest,
    /// Stop the forward and say so.
    Stop,
}
