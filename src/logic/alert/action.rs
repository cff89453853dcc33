//! What the engine wants done, and what it wants people to know. Plain data: the shell writes, sends and logs.

use std::fmt;

use super::metric::Labels;
use super::notice::Notice;
use super::rule::Severity;
use super::sentence::in_brackets;
use crate::logic::printable::{cut, printable};

/// Something to do. All actions of one answer belong together: what they store and forget goes into one transaction, and
/// a notice is sent only when that is on disk. Then a crash repeats nothing that was stored, and loses no end.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Keep this document, in place of what there is under the same kind and key.
    Store {
        /// Which kind.
        kind: DocumentKind,
        /// Unique within its kind.
        key: String,
        /// The document.
        json: String,
    },
    /// The document of this kind and key is not needed any more. It may never have been stored.
    Forget {
        /// Which kind.
        kind: DocumentKind,
        /// Unique within its kind.
        key: String,
    },
    /// Send this over its channel, again and again, until the channel takes it (`Engine::taken`). It is stored already,
    /// as a document of the kind `Notice`, and comes again after a restart.
    Send(Notice),
    /// Write this to the log.
    Log(AlertReport),
}

/// What a stored document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// An alert, and whom it was told.
    Alert,
    /// When a channel was last told something.
    Channel,
    /// A silence.
    Silence,
    /// A notice that its channel has not taken yet.
    Notice,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Alert, Self::Channel, Self::Silence, Self::Notice];

    /// The word for it, for keys and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Channel => "channel",
            Self::Silence => "silence",
            Self::Notice => "notice",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something that people may want to know; `Display` is a sentence for the log, printable and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertReport {
    /// An alert changed.
    Changed {
        /// How.
        change: Change,
        /// The rule's name.
        name: String,
        /// The labels of the series.
        labels: Labels,
        /// How bad it is.
        severity: Severity,
        /// What it says.
        summary: String,
    },
    /// There are so many alerts that these were left out. Told once, until there are clearly fewer.
    TooMany {
        /// Alerts that live.
        alerts: usize,
        /// Series that broke a rule and were left out in the last evaluation.
        left_out: u64,
    },
    /// A stored document cannot be understood and is dropped.
    Unreadable {
        /// Its kind.
        kind: DocumentKind,
        /// Its key.
        key: String,
        /// Why.
        error: String,
    },
}

/// How an alert changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its rule is broken, and has to be for a while before it fires.
    Pending,
    /// It was pending, and its rule is not broken any more.
    Withdrawn,
    /// It fires.
    Firing,
    /// It fired, and is over.
    Resolved,
    /// It fires, and a silence keeps it from being told.
    Silenced,
}

impl Change {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Withdrawn => "withdrawn",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Silenced => "silenced",
        }
    }
}

/// Columns of what comes from outside.
const LONGEST: usize = 500;

impl fmt::Display for AlertReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounded = |text: &str| cut(&printable(text), LONGEST).into_owned();
        match self {
            Self::Changed { change, name, labels, summary, .. } => {
                write!(f, "alert {}{} is {}: {}", bounded(name), in_brackets(labels), change.name(), bounded(summary))
            }
            Self::TooMany { alerts, left_out } => write!(
                f,
                "there are {alerts} alerts, and {left_out} more series break a rule: these are left out \
                 until there are fewer (narrow the rules by labels)"
            ),
            Self::Unreadable { kind, key, error } => {
                write!(f, "the stored {} {} is dropped: {}", kind.name(), bounded(key), bounded(error))
            }
        }
    }
}
