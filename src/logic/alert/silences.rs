//! Silences: names of alerts, as globs, that are not told for a while. They end by themselves, also over a restart.
//! Pure; knows no alert.

use std::fmt;
use std::time::Duration;

use litemap::LiteMap;

use super::time::{Now, Since};
use crate::logic::glob::glob_matches;
use crate::logic::moment::{Moment, Timestamp};

const MAX_SILENCES: usize = 1000;
const LONGEST_NAME: usize = 250;
/// A year: longer than anybody remembers why.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Why a silence is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceError {
    /// The name is empty, or too long to be one.
    Name,
    /// It would not last, or longer than a year.
    Length,
    /// There are too many.
    TooMany,
}

impl fmt::Display for SilenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "a name has 1 to {LONGEST_NAME} bytes"),
            Self::Length => f.write_str("a silence lasts for more than 0 s and at most 366 d"),
            Self::TooMany => write!(f, "there are {MAX_SILENCES} silences already; end some"),
        }
    }
}

impl std::error::Error for SilenceError {}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) begun: Since,
    pub(super) length: Duration,
}

impl Silence {
    pub(super) fn until(&self, now: Now) -> Timestamp {
        let length = i64::try_from(self.length.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.begun.wall(now).0.saturating_add(length))
    }

    fn is_over(&self, now: Now) -> bool {
        self.begun.elapsed(now) >= self.length
    }
}

/// All of them, by their globs.
#[derive(Debug, Default)]
pub(super) struct Silences {
    silences: LiteMap<String, Silence>,
}

impl Silences {
    /// Adds a silence, or replaces the one with the same glob.
    pub(super) fn add(&mut self, glob: &str, silence: Silence) -> Result<(), SilenceError> {
        if glob.is_empty() || glob.len() > LONGEST_NAME {
            return Err(SilenceError::Name);
        }
        if silence.length.is_zero() || silence.length > LONGEST {
            return Err(SilenceError::Length);
        }
        if self.silences.len() >= MAX_SILENCES && !self.silences.contains_key(glob) {
            return Err(SilenceError::TooMany);
        }
        self.silences.insert(glob.to_owned(), silence);
        Ok(())
    }

    /// False: there is none with this glob.
    pub(super) fn remove(&mut self, glob: &str) -> bool {
        self.silences.remove(glob).is_some()
    }

    pub(super) fn get(&self, glob: &str) -> Option<&Silence> {
        self.silences.get(glob)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Silence)> {
        self.silences.iter().map(|(glob, silence)| (glob.as_str(), silence))
    }

    /// The silence that lasts longest of those that cover the alerts of this name.
    pub(super) fn covering(&self, name: &str, now: Now) -> Option<&Silence> {
        self.silences
            .iter()
            .filter(|(glob, silence)| !silence.is_over(now) && glob_matches(glob, name))
            .map(|(_, silence)| silence)
            .max_by_key(|silence| silence.begun.after(silence.length))
    }

    /// Removes what is over, and says which.
    pub(super) fn expire(&mut self, now: Now) -> Vec<String> {
        let over: Vec<_> =
            self.silences.iter().filter(|(_, silence)| silence.is_over(now)).map(|(glob, _)| glob.clone()).collect();
        for glob in &over {
            self.silences.remove(glob);
        }
        over
    }

    /// When the next one ends.
    pub(super) fn next_end(&self) -> Option<Moment> {
        self.silences.values().map(|silence| silence.begun.after(silence.length)).min()
    }
}
