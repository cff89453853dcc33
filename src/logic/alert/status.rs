//! Alerts and silences as pages, `status` and `alerts list` show them. Plain data, and how it is made from the engine.

use std::cmp::Ordering;

use serde::Serialize;

use super::engine::Engine;
use super::live::Phase;
use super::metric::Labels;
use super::notice::severity_name;
use super::routing::{Named, Situation};
use super::rule::Severity;
use super::time::Now;
use crate::logic::from_json::{from_json, from_json_word};
use crate::logic::rfc3339;

/// An alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AlertView {
    /// The rule's name.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// The labels of the series. They come from outside.
    #[serde(serialize_with = "crate::logic::json_map::serialize")]
    pub labels: Labels,
    /// How far it has come.
    pub state: AlertState,
    /// How bad it is.
    #[serde(serialize_with = "severity_name")]
    pub severity: Severity,
    /// Since when the rule is broken: RFC 3339, in UTC.
    pub since: String,
    /// The last figure; none: it cannot be read.
    pub value: Option<f64>,
    /// The figure as people read it.
    pub value_text: String,
    /// What it says, in one sentence: printable, and at most 500 columns wide.
    pub summary: String,
    /// When the silence that covers it ends (RFC 3339); none: it is not silenced.
    pub silenced_until: Option<String>,
    /// The name of an alert that explains it, so that this one is not told.
    pub explained_by: Option<String>,
    /// The channels that were told.
    pub told: Vec<String>,
}

from_json!(AlertView {
   name, state, since, value;
   metric, labels, severity, value_text, summary, silenced_until, explained_by, told
});

impl AlertView {
    /// It fires, and neither a silence nor another alert says that nobody needs to look.
    pub fn wants_attention(&self) -> bool {
        self.state == AlertState::Firing && self.silenced_until.is_none() && self.explained_by.is_none()
    }

    /// What fires and is not silenced or explained first; then the worst, then the oldest.
    pub fn worst_first(one: &Self, other: &Self) -> Ordering {
        let rank = |alert: &Self| (!alert.wants_attention(), alert.state == AlertState::Pending);
        rank(one)
            .cmp(&rank(other))
            .then_with(|| other.severity.cmp(&one.severity))
            .then_with(|| one.since.cmp(&other.since))
            .then_with(|| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)))
    }
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The rule is broken, but not for long enough.
    #[default]
    Pending,
    /// It fires.
    Firing,
}

from_json_word!(AlertState, "pending or firing", {
    "pending" => Self::Pending,
    "firing" => Self::Firing,
});

impl AlertState {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// A silence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SilenceView {
    /// The names that it covers, as a glob.
    pub name: String,
    /// When it ends by itself: RFC 3339, in UTC.
    pub until: String,
}

from_json!(SilenceView { name, until });

impl Engine {
    /// Every alert that is pending or fires, in the order of [`AlertView::worst_first`].
    pub fn views(&self, now: Now) -> Vec<AlertView> {
        let situation = Situation::new(&self.book, &self.rules, &self.silences, now);
        let mut views: Vec<_> = self
            .book
            .iter()
            .filter_map(|(name, labels, alert)| {
                let state = match alert.phase {
                    Phase::Pending => AlertState::Pending,
                    Phase::Firing { .. } => AlertState::Firing,
                    Phase::Over => return None,
                };
                Some(AlertView {
                    name: name.to_owned(),
                    metric: alert.metric.clone(),
                    labels: labels.clone(),
                    state,
                    severity: alert.severity,
                    since: rfc3339::format(alert.since.wall(now)),
                    value: alert.value,
                    value_text: alert.value_text.clone(),
                    summary: alert.summary.clone(),
                    silenced_until: self
                        .silences
                        .covering(name, now)
                        .map(|silence| rfc3339::format(silence.until(now))),
                    explained_by: situation.explanation(&Named { name, labels, alert }).map(str::to_owned),
                    // Until it fires again, what was told is another one.
                    told: match state {
                        AlertState::Firing => alert.told.keys().cloned().collect(),
                        AlertState::Pending => Vec::new(),
                    },
                })
            })
            .collect();
        views.sort_by(AlertView::worst_first);
        views
    }

    /// Every silence, by name.
    pub fn silences(&self, now: Now) -> Vec<SilenceView> {
        self.silences
            .iter()
            .map(|(name, silence)| SilenceView { name: name.to_owned(), until: rfc3339::format(silence.until(now)) })
            .collect()
    }
}
