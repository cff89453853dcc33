//! When to ask again: after an error, and for metadata. Pure: time comes in as an argument.

use std::time::Duration;

use crate::logic::moment::Moment;

/// The pause after a first failure; it doubles with each further one.
const SHORTEST: Duration = Duration::from_millis(200);
/// Where only a person can help: said once, and tried again this often.
pub(super) const REFUSED: Duration = Duration::from_secs(30);
/// New topics and partitions are seen after this at the latest.
const METADATA_EVERY: Duration = Duration::from_secs(10);
/// A new leader takes seconds to be elected: this often is soon enough.
const METADATA_URGENT: Duration = Duration::from_secs(2);

/// The pause after `failures` in a row (at least one), never more than `longest`.
fn backoff(failures: u32, longest: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    SHORTEST.saturating_mul(1 << doublings).min(longest)
}

/// What went wrong, as far as it decides when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It passes by itself: a leader moves, a connection broke.
    Passing,
    /// Only a person can help.
    Refused,
}

impl Failure {
    /// How long to wait when it came `failures` times in a row.
    pub(super) fn pause(self, failures: u32, longest: Duration) -> Duration {
        match self {
            Self::Passing => backoff(failures, longest),
            Self::Refused => REFUSED,
        }
    }
}

/// When to ask for metadata.
#[derive(Debug, Default)]
pub(super) struct MetadataPace {
    asking: bool,
    /// When the last question was answered, or failed.
    answered: Option<Moment>,
    /// The last question failed like this, and so often in a row.
    failed: Option<(Failure, u32)>,
    /// Somebody saw a sign that what we know is out of date.
    urgent: bool,
    /// Urgent questions in a row that changed nothing.
    in_vain: u32,
}

impl MetadataPace {
    /// What we know is out of date.
    pub(super) fn is_urgent(&mut self) {
        self.urgent = true;
    }

    /// When to ask; none while a question is under way.
    pub(super) fn due(&self) -> Option<Moment> {
        if self.asking {
            return None;
        }
        let Some(answered) = self.answered else { return Some(Moment::default()) };
        let pause = if let Some((failure, failures)) = self.failed {
            failure.pause(failures, METADATA_EVERY)
        } else if self.urgent {
            backoff(self.in_vain + 1, METADATA_URGENT)
        } else {
            METADATA_EVERY
        };
        Some(answered + pause)
    }

    pub(super) fn asked(&mut self) {
        self.asking = true;
        self.in_vain = if self.urgent { self.in_vain.saturating_add(1) } else { 0 };
        self.urgent = false;
    }

    pub(super) fn answered(&mut self, news: bool, now: Moment) {
        self.asking = false;
        self.answered = Some(now);
        self.failed = None;
        if news {
            self.in_vain = 0;
        }
    }

    pub(super) fn failed(&mut self, failure: Failure, now: Moment) {
        self.asking = false;
        self.answered = Some(now);
        self.failed = Some((failure, self.failed.map_or(1, |(_, failures)| failures.saturating_add(1))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let pauses: Vec<_> = (1..=6).map(|n| backoff(n, Duration::from_secs(5)).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000]);
        assert_eq!(backoff(u32::MAX, REFUSED), REFUSED);
    }

    #[test]
    fn metadata_is_asked_for_at_once_then_every_ten_seconds_and_sooner_for_a_reason() {
        let mut pace = MetadataPace::default();
        assert_eq!(pace.due(), Some(at(0)), "at the start");
        pace.asked();
        assert_eq!(pace.due(), None, "one question at a time");
        pace.answered(true, at(50));
        assert_eq!(pace.due(), Some(at(10_050)), "then for topics that appear later");
        pace.is_urgent();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(pace.due().unwrap().since(at(50)).as_millis());
            pace.asked();
            pace.is_urgent();
            pace.answered(false, at(50));
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 2000, 2000], "a reason that stays is not hammered");
        pace.asked();
        pace.answered(true, at(50));
        pace.is_urgent();
        assert_eq!(pace.due(), Some(at(250)), "news: the next reason is a new one");
        for _ in 0..3 {
            pace.asked();
            pace.failed(Failure::Passing, at(60));
        }
        assert_eq!(pace.due(), Some(at(860)), "nobody answers");
        pace.failed(Failure::Refused, at(60));
        assert_eq!(pace.due(), Some(at(30_060)), "a wrong password");
    }
}
