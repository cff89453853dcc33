//! When an event is tried again, and when it is given up.

use std::time::Duration;

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
