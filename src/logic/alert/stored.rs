//! How alerts, channels and silences are written down, and read again in a later life. JSON, so that an older version
//! leaves out what it does not know. Pure; what cannot be understood is an error in words.

use std::time::Duration;

use litemap::LiteMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::live::{Alert, End, Phase};
use super::metric::Labels;
use super::notice::severity_name;
use super::rule::Severity;
use super::silences::Silence;
use super::time::{Now, Since};
use crate::logic::from_json::{FromJson, Members, Unreadable, from_json};
use crate::logic::json_map;

/// An alert.
#[derive(Debug, Serialize)]
pub(super) struct StoredAlert {
    pub(super) name: String,
    #[serde(serialize_with = "crate::logic::json_map::serialize")]
    pub(super) labels: Labels,
    metric: String,
    #[serde(serialize_with = "severity_name")]
    severity: Severity,
    runbook: Option<String>,
    summary: String,
    value: Option<f64>,
    value_text: String,
    threshold_text: String,
    phase: StoredPhase,
    since: i64,
    end: Option<StoredEnd>,
    #[serde(serialize_with = "crate::logic::json_map::serialize")]
    told: LiteMap<String, u64>,
}

from_json!(StoredAlert {
    name,
    labels,
    metric,
    severity,
    runbook,
    summary,
    value,
    value_text,
    threshold_text,
    phase,
    since,
    end,
    told
});

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum StoredPhase {
    #[default]
    Pending,
    Firing {
        fired: i64,
    },
    Over,
}

/// `"pending"`, `{"firing": {"fired": …}}` or `"over"`.
impl FromJson for StoredPhase {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        match value.as_str() {
            Some("pending") => Ok(Self::Pending),
            Some("over") => Ok(Self::Over),
            Some(_) => Err(Unreadable::expected("pending, firing or over")),
            None => {
                let mut members = Members::of(value)?;
                let firing: Firing = members.take("firing");
                members.end(Self::Firing { fired: firing.fired })
            }
        }
    }
}

#[derive(Default)]
struct Firing {
    fired: i64,
}

from_json!(Firing { fired });

#[derive(Debug, Serialize)]
struct StoredEnd {
    since: i64,
    at: i64,
}

from_json!(StoredEnd { since, at });

/// What is remembered of a channel.
#[derive(Debug, Serialize)]
pub(super) struct StoredChannel {
    /// When its last notice was decided, in milliseconds since 1970.
    pub(super) last_notice: Option<i64>,
    /// The last id that was given to any notice.
    pub(super) last_id: u64,
}

from_json!(StoredChannel { last_notice, last_id });

/// A silence; its key is its glob.
#[derive(Debug, Serialize)]
pub(super) struct StoredSilence {
    begun: i64,
    length_ms: u64,
}

from_json!(StoredSilence { begun, length_ms });

impl StoredAlert {
    pub(super) fn new(name: &str, labels: &Labels, alert: &Alert, now: Now) -> Self {
        Self {
            name: name.to_owned(),
            labels: labels.clone(),
            metric: alert.metric.clone(),
            severity: alert.severity,
            runbook: alert.runbook.clone(),
            summary: alert.summary.clone(),
            value: alert.value,
            value_text: alert.value_text.clone(),
            threshold_text: alert.threshold_text.clone(),
            phase: match alert.phase {
                Phase::Pending => StoredPhase::Pending,
                Phase::Firing { fired } => StoredPhase::Firing { fired: fired.wall(now).0 },
                Phase::Over => StoredPhase::Over,
            },
            since: alert.since.wall(now).0,
            end: alert.end.map(|end| StoredEnd { since: end.since.wall(now).0, at: end.at.wall(now).0 }),
            told: alert.told.clone(),
        }
    }

    /// The name, the labels and the alert.
    pub(super) fn restore(self, now: Now) -> (String, Labels, Alert) {
        let since = |wall| Since::restored(wall, now);
        let phase = match self.phase {
            StoredPhase::Pending => Phase::Pending,
            StoredPhase::Firing { fired } => Phase::Firing { fired: since(fired) },
            StoredPhase::Over => Phase::Over,
        };
        // An end that has to be told has a time, whatever was stored.
        let missing_end = (!self.told.is_empty() && !matches!(phase, Phase::Firing { .. }))
            .then(|| End { since: since(self.since), at: Since::new(now) });
        let end = self.end.map(|end| End { since: since(end.since), at: since(end.at) });
        let alert = Alert {
            metric: self.metric,
            severity: self.severity,
            runbook: self.runbook,
            summary: self.summary,
            value: self.value,
            value_text: self.value_text,
            threshold_text: self.threshold_text,
            phase,
            since: since(self.since),
            end: end.or(missing_end),
            told: self.told,
            held: LiteMap::new(),
            because_of: None,
            seen_in: 0,
        };
        (self.name, self.labels, alert)
    }
}

impl StoredSilence {
    pub(super) fn new(silence: &Silence, now: Now) -> Self {
        Self {
            begun: silence.begun.wall(now).0,
            length_ms: u64::try_from(silence.length.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn restore(&self, now: Now) -> Silence {
        Silence { begun: Since::restored(self.begun, now), length: Duration::from_millis(self.length_ms) }
    }
}

#[derive(Serialize)]
struct AlertKey<'a>(&'a str, #[serde(serialize_with = "write_labels")] &'a Labels);

fn write_labels<S: Serializer>(labels: &&Labels, serializer: S) -> Result<S::Ok, S::Error> {
    json_map::serialize(labels, serializer)
}

/// The key of an alert: unique, whatever the names contain.
pub(super) fn alert_key(name: &str, labels: &Labels) -> String {
    // Strings and maps of strings can always be written.
    serde_json::to_string(&AlertKey(name, labels)).unwrap_or_default()
}
