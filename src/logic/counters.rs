//! What a forward has done with its records, over its whole life. Stored with the offsets in one transaction, so that
//! the sums hold across restarts and crashes as well.

use serde::Serialize;

use super::from_json::from_json;

/// Records, by what became of them. Monotonic, except that a reset takes what was pending out of `consumed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Read for the first time.
    pub consumed: u64,
    /// Taken by the endpoint.
    pub delivered: u64,
    /// Not for us.
    pub filtered: u64,
    /// Invalid, and skipped as configured.
    pub skipped: u64,
    /// Answered with an outcome of drop.
    pub dropped: u64,
    /// Kept aside durably.
    pub dead_lettered: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Offsets that the log no longer held when they were wanted.
    pub lost_offsets: u64,
}

from_json!(Counters { ; consumed, delivered, filtered, skipped, dropped, dead_lettered, retries, lost_offsets });

impl Counters {
    /// Records that need no more work.
    pub const fn settled(&self) -> u64 {
        self.delivered + self.filtered + self.skipped + self.dropped + self.dead_lettered
    }

    /// Whether nothing was lost or counted twice, with `pending` records read and not settled.
    pub const fn is_conserved(&self, pending: u64) -> bool {
        self.consumed == self.settled() + pending
    }
}
