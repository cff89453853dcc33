//! Time for alerts: durations come from the monotonic clock, and only what outlives the process, or is told to people,
//! comes from the wall clock, which may jump, or stand at 1970 until somebody sets it. Knows no alert.

use std::time::Duration;

use crate::logic::moment::{Moment, Timestamp};

/// No process was down for longer than this; a wall clock that says so jumped.
const LONGEST_GAP: Duration = Duration::from_hours(366 * 24);

/// The present, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub moment: Moment,
    /// For people, and for what survives a restart.
    pub wall: Timestamp,
}

impl Now {
    /// Whether the wall clock was set.
    pub fn is_plausible(self) -> bool {
        self.wall.is_plausible()
    }
}

/// When something began, perhaps in an earlier life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since {
    wall: Timestamp,
    moment: Moment,
    /// What had passed at `moment`.
    before: Duration,
}

impl Since {
    /// It begins now.
    pub(super) fn new(now: Now) -> Self {
        Self { wall: now.wall, moment: now.moment, before: Duration::ZERO }
    }

    /// It began at `stored`, as an earlier life wrote down. Where that or the present cannot be true, nothing passed
    /// since: what waits waits a little longer, and nothing fires or ends by a wrong clock.
    pub(super) fn restored(stored: i64, now: Now) -> Self {
        let stored = Timestamp(stored);
        if !stored.is_plausible() {
            return Self::new(now);
        }
        if !now.is_plausible() {
            return Self { wall: stored, moment: now.moment, before: Duration::ZERO };
        }
        let gap = u64::try_from(now.wall.0.saturating_sub(stored.0)).map_or(Duration::ZERO, Duration::from_millis);
        Self { wall: stored.min(now.wall), moment: now.moment, before: gap.min(LONGEST_GAP) }
    }

    /// How long ago that is.
    pub(super) fn elapsed(&self, now: Now) -> Duration {
        self.before.saturating_add(now.moment.since(self.moment))
    }

    /// The moment at which `duration` will have passed since; it may be over.
    pub(super) fn after(&self, duration: Duration) -> Moment {
        self.moment + duration.saturating_sub(self.before)
    }

    /// When that was, for people and for the state: counted back from now where the clock had not been set yet.
    pub(super) fn wall(&self, now: Now) -> Timestamp {
        if self.wall.is_plausible() || !now.is_plausible() {
            return self.wall;
        }
        let elapsed = i64::try_from(self.elapsed(now).as_millis()).unwrap_or(i64::MAX);
        Timestamp(now.wall.0.saturating_sub(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_795_244_400_000;

    fn now(seconds: u64, wall: i64) -> Now {
        Now { moment: Moment::after_start(Duration::from_secs(seconds)), wall: Timestamp(wall) }
    }

    #[track_caller]
    fn check(rule: &str, stored: i64, wall: i64, elapsed: u64, shown: i64) {
        let restored = Since::restored(stored, now(1, wall));
        assert_eq!(restored.elapsed(now(1, wall)), Duration::from_secs(elapsed), "{rule}");
        assert_eq!(restored.wall(now(1, wall)), Timestamp(shown), "{rule}");
    }

    #[test]
    fn what_passed_over_a_restart() {
        check("the difference on the wall clock", WALL - 60_000, WALL, 60, WALL - 60_000);
        check("nothing where the clock went back", WALL + 60_000, WALL, 0, WALL);
        check("nothing where the clock is not set now", WALL, 5_000, 0, WALL);
        check("nothing where it was not set then", 5_000, WALL, 0, WALL);
        check("nothing where it never was", 5_000, 90_000, 0, 90_000);
        check("never more than a year", WALL, WALL * 3, 366 * 86_400, WALL);
        check("whatever was stored", i64::MIN, i64::MAX, 0, i64::MAX);
        check("whatever the clock says", i64::MAX, i64::MIN, 0, i64::MAX);
    }

    #[test]
    fn a_clock_that_is_set_later_corrects_what_people_see_and_no_duration() {
        let since = Since::new(now(10, 3_000));
        assert_eq!(since.elapsed(now(70, WALL)), Duration::from_mins(1));
        assert_eq!(since.wall(now(70, WALL)), Timestamp(WALL - 60_000));
        assert_eq!(since.after(Duration::from_mins(2)), Moment::after_start(Duration::from_secs(130)));
    }
}
