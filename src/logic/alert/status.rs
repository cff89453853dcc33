//! Alerts and silences as pages, `status` and `alerts list` show them. Plain data, and how it is made from the engine.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::live::Phase;
use super::metric::Labels;
use super::notice::severity_name;
use super::routing::{Named, Situation};
use super::rule::Severity;
use super::time::Now;
use crate::logic::moment::Timestamp;

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertView {
    /// The rule's name.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// The labels of the series. They come from outside.
    pub labels: Labels,
    /// How far it has come.
    pub state: AlertState,
    /// How bad it is.
    #[serde(with = "severity_name")]
    pub severity: Severity,
    /// Since when the rule is broken.
    #[serde(with = "rfc3339_text")]
    pub since: Timestamp,
    /// The last figure; none: it cannot be read.
    pub value: Option<f64>,
    /// The figure as people read it.
    pub value_text: String,
    /// What it says, in one sentence: printable, and at most 500 columns wide.
    pub summary: String,
    /// When the silence that covers it ends; none: it is not silenced.
    #[serde(with = "rfc3339_text::option")]
    pub silenced_until: Option<Timestamp>,
    /// The name of an alert that explains it, so that this one is not told.
    pub explained_by: Option<String>,
    /// The channels that were told.
    pub told: Vec<String>,
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The rule is broken, but not for long enough.
    Pending,
    /// It fires.
    Firing,
}

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceView {
    /// The names that it covers, as a glob.
    pub name: String,
    /// When it ends by itself.
    #[serde(with = "rfc3339_text")]
    pub until: Timestamp,
}

impl Engine {
    /// Every alert that is pending or fires, the worst first: firing before pending, by severity, the oldest first.
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
                    since: alert.since.wall(now),
                    value: alert.value,
                    value_text: alert.value_text.clone(),
                    summary: alert.summary.clone(),
                    silenced_until: self.silences.covering(name, now).map(|silence| silence.until(now)),
                    explained_by: situation.explanation(&Named { name, labels, alert }).map(str::to_owned),
                    // Until it fires again, what was told is another one.
                    told: match state {
                        AlertState::Firing => alert.told.keys().cloned().collect(),
                        AlertState::Pending => Vec::new(),
                    },
                })
            })
            .collect();
        views.sort_by_key(|view| (Reverse(view.state), Reverse(view.severity), view.since));
        views
    }

    /// Every silence, by name.
    pub fn silences(&self, now: Now) -> Vec<SilenceView> {
        self.silences
            .iter()
            .map(|(name, silence)| SilenceView { name: name.to_owned(), until: silence.until(now) })
            .collect()
    }
}

mod rfc3339_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::logic::moment::Timestamp;
    use crate::logic::rfc3339;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339::format(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        parse(&String::deserialize(deserializer)?)
    }

    fn parse<E: serde::de::Error>(text: &str) -> Result<Timestamp, E> {
        rfc3339::parse(text).ok_or_else(|| E::custom("not a time in RFC 3339"))
    }

    pub(super) mod option {
        use serde::{Deserialize as _, Deserializer, Serializer};

        use super::parse;
        use crate::logic::moment::Timestamp;
        use crate::logic::rfc3339;

        pub(in super::super) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => serializer.serialize_some(&rfc3339::format(*time)),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Option::<String>::deserialize(deserializer)?.map(|text| parse(&text)).transpose()
        }
    }
}
