//! The only place that reads a clock. Everything that decides takes the time as an argument.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::logic::moment::{Moment, Timestamp};

static START: OnceLock<Instant> = OnceLock::new();

/// The present moment on the monotonic clock. The first call is the start that moments are counted from.
#[allow(clippy::disallowed_methods, reason = "the one place that may")]
pub fn now() -> Moment {
    Moment::after_start(START.get_or_init(Instant::now).elapsed())
}

/// The real time at which `moment` comes, for a timer to sleep until.
#[allow(clippy::disallowed_methods, reason = "the one place that may")]
pub fn instant(moment: Moment) -> tokio::time::Instant {
    let start = *START.get_or_init(Instant::now);
    // Far beyond any deadline of ours an addition could overflow: then the timer just sleeps for a year.
    let year = std::time::Duration::from_secs(365 * 24 * 3600);
    tokio::time::Instant::from_std(start + moment.since_start().min(year * 50))
}

/// The wall clock. A box without a battery may think that it is 1970: use it for what people read, never for a
/// decision about what is delivered.
#[allow(clippy::disallowed_methods, reason = "the one place that may")]
pub fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
