//! A notice: all alerts and ends that go out together over one channel, as they were when it was decided to send it.
//! Plain data, stored until the channel took it; `document` and `text` put it into words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::metric::Labels;
use super::rule::Severity;

/// How a channel groups what it is told (`[notify.NAME]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    /// Its name.
    pub name: String,
    /// How long the first alert waits for others.
    pub group_wait: Duration,
    /// The least time between two notices of something new.
    pub group_interval: Duration,
    /// After this time what still fires is said again.
    pub repeat_interval: Duration,
    /// Less severe alerts are not told.
    pub min_severity: Severity,
}

/// Something to tell over one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The milliseconds since 1970 at which it was decided, or one more than the last id where the clock stands or
    /// goes back: ascending and unique. A retry has the same.
    pub id: u64,
    /// The channel.
    pub channel: String,
    /// Why it goes out now.
    pub reason: Reason,
    /// When it was decided, in milliseconds since 1970.
    pub at: i64,
    /// Alerts that fire, the most severe first.
    pub firing: Vec<NoticeAlert>,
    /// Alerts that are over since they were last told of over this channel.
    pub resolved: Vec<NoticeAlert>,
    /// How many more alerts and ends this notice tells of than it lists.
    #[serde(default)]
    pub more: u64,
}

/// Why a notice goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Something fires, and nothing did before.
    First,
    /// Something else fires, too.
    New,
    /// Some of it is over.
    Resolved,
    /// It still fires after `repeat_interval`.
    Repeat,
    /// A person asked for it (`alerts test`).
    Test,
}

/// An alert in a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeAlert {
    /// The rule's name.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// The labels of the series.
    #[serde(with = "crate::logic::json_map")]
    pub labels: Labels,
    /// How bad it is.
    #[serde(with = "severity_name")]
    pub severity: Severity,
    /// What it says, in one sentence, with the figure in it.
    pub summary: String,
    /// Where it is written what to do.
    pub runbook: Option<String>,
    /// The last figure; none: it cannot be read.
    pub value: Option<f64>,
    /// The figure as people read it ("1,234", "80.5 %", "12 min").
    pub value_text: String,
    /// The rule's threshold as people read it, with its comparison ("above 80 %").
    pub threshold_text: String,
    /// Since when the rule was broken, in milliseconds since 1970.
    pub since: i64,
    /// When it was over, in milliseconds since 1970; none: it fires.
    pub ended: Option<i64>,
    /// The id of the notice that told of it first over this channel; none: this one. For the thread of mails.
    pub told_in: Option<u64>,
}

pub(super) mod severity_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Severity;

    pub(in crate::logic::alert) fn serialize<S: Serializer>(
        severity: &Severity,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(severity.name())
    }

    pub(in crate::logic::alert) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Severity, D::Error> {
        let name = String::deserialize(deserializer)?;
        [Severity::Info, Severity::Warning, Severity::Critical]
            .into_iter()
            .find(|severity| severity.name() == name)
            .ok_or_else(|| D::Error::custom(format!("{name} is no severity")))
    }
}
