//! A channel as the engine sees it: how it groups, when it was last told something, what it has not taken yet, and
//! whether it fails. Pure; knows no transport and no alert.

use std::time::Duration;

use super::metric::Figure;
use super::notice::{ChannelSettings, Notice};
use super::time::{Now, Since};
use crate::logic::moment::Moment;
use crate::logic::printable::{cut, printable};

/// So many failures in a row, or so long a time of failing, make a failing channel.
const FAILURES: u32 = 3;
/// Columns of an error text.
const LONGEST_ERROR: usize = 300;
const FAILING_FOR: Duration = Duration::from_mins(5);

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) settings: ChannelSettings,
    /// When its last notice was decided; none: it never had one.
    pub(super) last_notice: Option<Since>,
    /// Its notice that it has not taken yet. There is one at most: while it fails, what happens gathers into the next.
    pub(super) waiting: Option<Notice>,
    health: Health,
    /// Why the last attempt failed.
    error: Option<String>,
}

/// How its last attempts went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// There was none in this life of the process.
    Untried,
    Works,
    Fails {
        since: Moment,
        attempts: u32,
    },
}

impl Channel {
    pub(super) fn new(settings: ChannelSettings) -> Self {
        Self { settings, last_notice: None, waiting: None, health: Health::Untried, error: None }
    }

    /// It took something.
    pub(super) fn took(&mut self) {
        self.health = Health::Works;
        self.error = None;
    }

    /// It did not take something.
    pub(super) fn failed(&mut self, error: &str, now: Now) {
        self.error = Some(cut(&printable(error), LONGEST_ERROR).into_owned());
        self.health = match self.health {
            Health::Fails { since, attempts } => Health::Fails { since, attempts: attempts.saturating_add(1) },
            Health::Untried | Health::Works => Health::Fails { since: now.moment, attempts: 1 },
        };
    }

    /// Why the last attempt failed; none: it did not, or there was none. Printable, and bounded.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Its figure for the metric `channel_failing`. Unknown before the first attempt.
    pub(super) fn failing(&self, now: Now) -> Figure {
        match self.health {
            Health::Untried => Figure::Unknown,
            Health::Works => Figure::Value(0.0),
            Health::Fails { since, attempts } => {
                let fails = attempts >= FAILURES || now.moment.since(since) >= FAILING_FOR;
                // Not failing yet, and not working either: an alert from before a restart stays as it is.
                if fails { Figure::Value(1.0) } else { Figure::Unknown }
            }
        }
    }

    /// When that figure changes by itself.
    pub(super) fn wakes_at(&self, now: Now) -> Option<Moment> {
        match self.health {
            Health::Fails { since, attempts } if attempts < FAILURES && now.moment.since(since) < FAILING_FOR => {
                Some(since + FAILING_FOR)
            }
            _ => None,
        }
    }
}
