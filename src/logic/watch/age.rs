//! How old the oldest unread record is, and how surely that is known.
//!
//! Between two polls a log is taken to have grown evenly, and a record to be as old as its append: where producers set
//! timestamps of their own, or in another order, the answers of ListOffsets for a time (by timestamp) have the last word.

use std::time::Duration;

use super::view::Seconds;
use crate::logic::moment::Moment;

/// An age in seconds. The truth lies between `least` and `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Age {
    least: f64,
    estimate: f64,
    /// Infinite where the record is older than all that was seen.
    most: f64,
}

impl Age {
    /// Nothing is unread.
    pub(super) const ZERO: Self = Self { least: 0.0, estimate: 0.0, most: 0.0 };
    /// Something may be unread.
    pub(super) const UNKNOWN: Self = Self { least: 0.0, estimate: 0.0, most: f64::INFINITY };

    /// The age of the record at the offset `next`, from the end of its log at the last poll that did not have it (none:
    /// all had it) and at the first that had.
    pub(super) fn between(before: Option<(Moment, i64)>, after: (Moment, i64), next: i64, now: Moment) -> Self {
        let least = now.since(after.0).as_secs_f64();
        let Some((time, end)) = before else { return Self { least, estimate: least, most: f64::INFINITY } };
        let most = now.since(time).as_secs_f64();
        let growth = after.1.saturating_sub(end) as f64;
        let part = if growth > 0.0 { next.saturating_sub(end) as f64 / growth } else { 0.0 };
        Self { least, estimate: most - (most - least) * part, most }
    }

    /// With what ListOffsets answered about the same record.
    pub(super) fn with_exact(self, older_than: impl Iterator<Item = (Duration, Option<bool>)>) -> Self {
        let (mut least, mut most) = (0.0_f64, f64::INFINITY);
        for (age, is_older) in older_than {
            match is_older {
                Some(true) => least = least.max(age.as_secs_f64()),
                Some(false) => most = most.min(age.as_secs_f64()),
                None => {}
            }
        }
        let within = |seconds: f64| seconds.max(least).min(most);
        Self { least: within(self.least), estimate: within(self.estimate), most: within(self.most) }
    }

    /// The age of the oldest of two records.
    pub(super) fn oldest(self, other: Self) -> Self {
        Self {
            least: self.least.max(other.least),
            estimate: self.estimate.max(other.estimate),
            most: self.most.max(other.most),
        }
    }

    /// For people. None: nothing is known.
    ///
    /// The error is infinite where the value is a lower bound: the record is older than what was seen of its log, or
    /// one of the logs could not be seen.
    pub(super) fn seconds(self) -> Option<Seconds> {
        let known = self.least > 0.0 || self.most.is_finite();
        let error = (self.estimate - self.least).max(self.most - self.estimate);
        known.then_some(Seconds { value: self.estimate, error })
    }
}
