//! The alerts' part of the status document: what is wrong by the configured rules, what is silenced, and whether the
//! channels take what they are told. Plain data; knows nothing of how a rule is evaluated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::logic::alert::Severity;

/// All about alerts, as their task publishes it. The default is that of a configuration without rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertsPublication {
    /// Every alert that is pending or fires.
    pub alerts: Vec<AlertStatus>,
    /// Every silence that is not over.
    pub silences: Vec<SilenceStatus>,
    /// Every channel, in the order of the configuration.
    pub channels: Vec<ChannelStatus>,
}

/// An alert: a series that breaks a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// The rule's name.
    pub name: String,
    /// The metric's name.
    #[serde(default)]
    pub metric: String,
    /// The labels of the series.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it fires already.
    pub state: AlertState,
    /// How bad it is.
    #[serde(default, with = "severity_name")]
    pub severity: Severity,
    /// Since when the rule is broken: RFC 3339, in UTC.
    pub since: String,
    /// The last figure; none: it cannot be read.
    pub value: Option<f64>,
    /// The figure as people read it.
    #[serde(default)]
    pub value_text: String,
    /// What it says, in one sentence.
    #[serde(default)]
    pub summary: String,
    /// Nobody is told until then (RFC 3339); none: it is not silenced.
    #[serde(default)]
    pub silenced_until: Option<String>,
    /// The alert that explains this one, so that nobody is told of it.
    #[serde(default)]
    pub explained_by: Option<String>,
    /// The channels that were told.
    #[serde(default)]
    pub told: Vec<String>,
}

impl AlertStatus {
    /// It fires, and neither a silence nor another alert says that nobody needs to look.
    pub fn wants_attention(&self) -> bool {
        self.state == AlertState::Firing && self.silenced_until.is_none() && self.explained_by.is_none()
    }

    /// What fires and is not silenced or explained first; then the worst, then the oldest.
    pub fn worst_first(one: &Self, other: &Self) -> std::cmp::Ordering {
        let rank = |alert: &Self| (!alert.wants_attention(), alert.state == AlertState::Pending);
        rank(one)
            .cmp(&rank(other))
            .then_with(|| other.severity.cmp(&one.severity))
            .then_with(|| one.since.cmp(&other.since))
            .then_with(|| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)))
    }
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// The rule is broken, but not for long enough (`for`).
    #[default]
    Pending,
    /// It is told.
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

/// A rule of which nobody is told for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceStatus {
    /// The rule's name.
    pub name: String,
    /// RFC 3339, in UTC.
    pub until: String,
}

/// A channel that alerts are told over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Its name in the configuration.
    pub name: String,
    /// It does not take what it is told.
    pub failing: bool,
    /// What it answered last, where it is failing.
    #[serde(default)]
    pub error: Option<String>,
    /// Notices that it has not taken yet.
    #[serde(default)]
    pub waiting: u64,
    /// When it took one last: RFC 3339; none: never.
    #[serde(default)]
    pub last_taken_at: Option<String>,
}

mod severity_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Severity;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(severity.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        let name = String::deserialize(deserializer)?;
        [Severity::Info, Severity::Warning, Severity::Critical]
            .into_iter()
            .find(|severity| severity.name() == name)
            .ok_or_else(|| D::Error::custom(format!("{name} is no severity")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_must_look_at_comes_first() {
        let alert = |name: &str, state, severity, since: &str| AlertStatus {
            name: name.into(),
            state,
            severity,
            since: since.into(),
            ..AlertStatus::default()
        };
        let mut silenced = alert("silenced", AlertState::Firing, Severity::Critical, "1");
        silenced.silenced_until = Some("9".into());
        let mut alerts = [
            silenced,
            alert("pending", AlertState::Pending, Severity::Critical, "1"),
            alert("newer", AlertState::Firing, Severity::Warning, "2"),
            alert("older", AlertState::Firing, Severity::Warning, "1"),
            alert("worse", AlertState::Firing, Severity::Critical, "3"),
        ];
        alerts.sort_by(AlertStatus::worst_first);
        assert_eq!(
            alerts.each_ref().map(|alert| alert.name.as_str()),
            ["worse", "older", "newer", "silenced", "pending"]
        );
    }

    #[test]
    fn an_alert_survives_the_way_through_json() {
        let alert = AlertStatus { name: "a".into(), severity: Severity::Critical, ..AlertStatus::default() };
        let document = serde_json::to_value(&alert).expect("JSON");
        assert_eq!(document["severity"], "critical");
        assert_eq!(document["state"], "pending");
        assert_eq!(serde_json::from_value::<AlertStatus>(document).expect("an alert"), alert);
    }
}
