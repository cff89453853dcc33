//! A notice: all alerts and ends that go out together over one channel, as they were when it was decided to send it.
//! Plain data, stored until the channel took it; `document` and `text` put it into words.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::metric::Labels;
use super::rule::Severity;
use crate::logic::from_json::{from_json, from_json_word};

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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub more: u64,
}

from_json!(Notice { id, channel, reason, at, firing, resolved; more });

/// Why a notice goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Something fires, and nothing did before.
    #[default]
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

from_json_word!(Reason, "why a notice goes out", {
    "first" => Self::First,
    "new" => Self::New,
    "resolved" => Self::Resolved,
    "repeat" => Self::Repeat,
    "test" => Self::Test,
});

/// An alert in a notice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoticeAlert {
    /// The rule's name.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// The labels of the series.
    #[serde(serialize_with = "crate::logic::json_map::serialize")]
    pub labels: Labels,
    /// How bad it is.
    #[serde(serialize_with = "severity_name")]
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

from_json!(NoticeAlert {
    name,
    metric,
    labels,
    severity,
    summary,
    runbook,
    value,
    value_text,
    threshold_text,
    since,
    ended,
    told_in
});

/// A severity is written down by its name.
pub(super) fn severity_name<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.name())
}

from_json_word!(Severity, "a severity", {
    "info" => Self::Info,
    "warning" => Self::Warning,
    "critical" => Self::Critical,
});
