//! A point in time as decisions see it: how long after the start of the process. Monotonic, and made up freely in
//! tests. Only `clock.rs` knows where real ones come from.

use std::ops::Add;
use std::time::Duration;

/// A monotonic point in time, counted from the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment that lies `elapsed` after the start of the process.
    pub const fn after_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the start of the process this is.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this moment; zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, as Kafka counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// 2020-01-01.
    const EARLIEST_PLAUSIBLE: Self = Self(1_577_836_800_000);

    /// Whether a wall clock that shows this was set: many stand at 1970 until somebody sets them.
    pub const fn is_plausible(self) -> bool {
        self.0 >= Self::EARLIEST_PLAUSIBLE.0
    }
}
