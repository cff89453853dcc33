//! An `[[alert]]` as it was configured. Plain data; what becomes of it is decided elsewhere in this folder.

use std::time::Duration;

use super::metric::{Labels, Metric};
use crate::logic::glob::glob_matches;

/// A rule. Each series that breaks it is an alert of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its unique name.
    pub name: String,
    /// The metric it looks at.
    pub metric: Metric,
    /// Only series whose labels match all of these.
    pub labels: Vec<LabelGlob>,
    /// When it is broken.
    pub condition: Condition,
    /// A firing alert is over when the figure is on the good side of this; the condition's own threshold unless given.
    pub clear_at: f64,
    /// How long it must be broken before it fires (`for`).
    pub hold: Duration,
    /// What happens to an alert whose figure cannot be read.
    pub no_data: NoData,
    /// How bad it is.
    pub severity: Severity,
    /// What to say, with `{label}`, `{value}`, `{threshold}`, `{name}` and `{severity}`; none: a sentence of ours.
    pub summary: Option<String>,
    /// Where it is written what to do.
    pub runbook: Option<String>,
    /// The channels to tell; those that the configuration has no rule for are never told of it.
    pub notify: Vec<String>,
}

impl Rule {
    /// Whether it looks at the series with these labels.
    pub fn looks_at(&self, labels: &Labels) -> bool {
        self.labels
            .iter()
            .all(|wanted| labels.get(&wanted.label).is_some_and(|value| glob_matches(&wanted.glob, value)))
    }
}

/// A label that a series must have, with a value that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelGlob {
    /// The label's name.
    pub label: String,
    /// A text in which `*` stands for any characters and `?` for one.
    pub glob: String,
}

/// When a figure breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// It is greater than this.
    Above(f64),
    /// It is less than this.
    Below(f64),
    /// It is this or greater.
    AtLeast(f64),
}

impl Condition {
    /// The figure that it compares with.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Above(threshold) | Self::Below(threshold) | Self::AtLeast(threshold) => threshold,
        }
    }

    /// The same comparison with another figure.
    pub fn with_threshold(self, threshold: f64) -> Self {
        match self {
            Self::Above(_) => Self::Above(threshold),
            Self::Below(_) => Self::Below(threshold),
            Self::AtLeast(_) => Self::AtLeast(threshold),
        }
    }

    /// Whether `value` breaks the rule. Never where it is not a number.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::Above(threshold) => value > threshold,
            Self::Below(threshold) => value < threshold,
            Self::AtLeast(threshold) => value >= threshold,
        }
    }
}

/// What happens to an alert whose figure cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoData {
    /// It stays as it is.
    #[default]
    Keep,
    /// It counts as broken.
    Fire,
    /// It counts as over.
    Resolve,
}

/// How bad it is; the greater, the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look at it in working hours.
    #[default]
    Warning,
    /// Somebody should look at it now.
    Critical,
}

impl Severity {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
