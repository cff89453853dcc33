//! When an event is tried again, and when it is given up.

use std::time::Duration;

use super::moment::Moment;

/// `[forward.retry]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// After this long an event is dead-lettered; none: never.
    pub give_up_after: Option<Duration>,
    /// An event refused for so long while others are accepted is dead-lettered; none: never.
    pub poison_after: Option<Duration>,
}

impl RetrySettings {
    /// The wait before the next attempt after `refusals` of them (1 or more): doubled each time up to the maximum, of
    /// which `jitter` (0 to 1) decides the upper half, so that many waiting events do not come back in one wave.
    pub fn wait(&self, refusals: u32, jitter: f64) -> Duration {
        let doublings = refusals.saturating_sub(1).min(31);
        let whole = self.initial.saturating_mul(1_u32 << doublings).min(self.max);
        let half = whole / 2;
        half + half.mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// Whether an event that was just refused is tried again.
    pub fn verdict(&self, history: &Refusals, now: Moment) -> RetryVerdict {
        if self.give_up_after.is_some_and(|limit| now.since(history.first) >= limit) {
            return RetryVerdict::GiveUp;
        }
        let poisonous = self.poison_after.is_some_and(|limit| now.since(history.since_endpoint_works) >= limit);
        if poisonous && history.others_accepted.is_some_and(|accepted| accepted > history.since_endpoint_works) {
            return RetryVerdict::Poison;
        }
        RetryVerdict::TryAgain
    }
}

/// What is known of an event that the endpoint refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// When it was refused for the first time.
    pub first: Moment,
    /// When it was refused for the first time since the endpoint last came back as a whole: an hour of outage is no
    /// reason to think ill of an event.
    pub since_endpoint_works: Moment,
    /// When the endpoint last accepted another event.
    pub others_accepted: Option<Moment>,
}

/// What to do with an event that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryVerdict {
    /// Wait, then send it again.
    TryAgain,
    /// It was tried for `give_up_after`.
    GiveUp,
    /// It was refused for `poison_after` while others were accepted.
    Poison,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings() -> RetrySettings {
        RetrySettings { initial: SECOND, max: 8 * SECOND, give_up_after: None, poison_after: Some(60 * SECOND) }
    }

    fn at(seconds: u32) -> Moment {
        Moment::after_start(SECOND * seconds)
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_jitter_takes_at_most_half() {
        for (refusals, jitter, seconds) in [
            (1, 1.0, 1.0),
            (2, 1.0, 2.0),
            (3, 1.0, 4.0),
            (4, 1.0, 8.0),
            (5, 1.0, 8.0),
            (4_000_000_000, 1.0, 8.0),
            (3, 0.0, 2.0),
            (3, 0.5, 3.0),
        ] {
            assert_eq!(settings().wait(refusals, jitter).as_secs_f64(), seconds, "refusal {refusals}, jitter {jitter}");
        }
    }

    #[track_caller]
    fn check(
        rule: &str,
        give_up_after: Option<u32>,
        history: (u32, u32, Option<u32>),
        now: u32,
        verdict: RetryVerdict,
    ) {
        let settings = RetrySettings { give_up_after: give_up_after.map(|limit| SECOND * limit), ..settings() };
        let history =
            Refusals { first: at(history.0), since_endpoint_works: at(history.1), others_accepted: history.2.map(at) };
        assert_eq!(settings.verdict(&history, at(now)), verdict, "{rule}");
    }

    #[test]
    fn verdicts() {
        use RetryVerdict::{GiveUp, Poison, TryAgain};
        check("just refused", None, (10, 10, Some(11)), 12, TryAgain);
        check("refused for long, and nothing else is accepted either", None, (10, 10, None), 500, TryAgain);
        check("the last acceptance was before it was ever refused", None, (10, 10, Some(9)), 500, TryAgain);
        check("refused for long while others are accepted", None, (10, 10, Some(69)), 70, Poison);
        check(
            "refused during an outage: the clock begins when the endpoint is back",
            None,
            (10, 400, Some(401)),
            402,
            TryAgain,
        );
        check("given up after its time whatever others do", Some(30), (10, 10, None), 40, GiveUp);
        check("not before", Some(30), (10, 10, None), 39, TryAgain);
    }
}
