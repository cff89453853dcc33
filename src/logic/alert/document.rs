//! A notice as a JSON document: version 4 of what Alertmanager sends to webhooks, so that whatever takes Alertmanager's
//! takes ours, and the input of a channel's own jq program. Pure; knows no channel's settings.
//!
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use litemap::LiteMap;
use serde::Serialize;

use super::notice::{Notice, NoticeAlert, Reason};
use crate::logic::json_map;
use crate::logic::moment::Timestamp;
use crate::logic::rfc3339;

/// Alerts in one document; what is beyond is counted in `truncatedAlerts`.
pub const MAX_ALERTS: usize = 1000;

/// What Go writes for a time that was never set: the end of an alert that fires.
const NO_END: &str = "0001-01-01T00:00:00Z";

type Pairs = LiteMap<String, String>;

/// The document; its fields have Alertmanager's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Always "4".
    pub version: &'static str,
    /// The same for all notices of a channel: what a channel tells is one group.
    pub group_key: String,
    /// Alerts that are not in `alerts`, since they are too many.
    pub truncated_alerts: usize,
    /// `firing` as long as one of them fires, else `resolved`.
    pub status: &'static str,
    /// The channel.
    pub receiver: String,
    /// Empty: a channel groups by nothing.
    #[serde(serialize_with = "json_map::serialize")]
    pub group_labels: Pairs,
    /// Labels that all alerts have with the same value.
    #[serde(serialize_with = "json_map::serialize")]
    pub common_labels: Pairs,
    /// Annotations that all alerts have with the same value.
    #[serde(serialize_with = "json_map::serialize")]
    pub common_annotations: Pairs,
    /// Empty: there is no page that one could be sent to from everywhere.
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// Why it goes out now.
    #[serde(rename = "notification_reason")]
    pub notification_reason: &'static str,
    /// Those that fire, then those that are over.
    pub alerts: Vec<Alert>,
}

/// An alert in the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// The series' labels, `alertname` and `severity`.
    #[serde(serialize_with = "json_map::serialize")]
    pub labels: Pairs,
    /// `summary`, `description`, `value`, `threshold`, `metric` and, where there is one, `runbook_url`.
    #[serde(serialize_with = "json_map::serialize")]
    pub annotations: Pairs,
    /// RFC 3339.
    pub starts_at: String,
    /// RFC 3339; of the year 1 while it fires.
    pub ends_at: String,
    /// Empty.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// 16 hexadecimal digits: of the labels, as Prometheus computes it.
    pub fingerprint: String,
}

/// Alerts that the notice itself left out.
fn left_out(notice: &Notice) -> usize {
    usize::try_from(notice.more).unwrap_or(usize::MAX)
}

impl Document {
    /// Puts `notice` into Alertmanager's form.
    pub fn new(notice: &Notice) -> Self {
        let all = notice.firing.iter().chain(&notice.resolved);
        let alerts: Vec<Alert> = all.take(MAX_ALERTS).map(Alert::new).collect();
        let total = notice.firing.len().saturating_add(notice.resolved.len());
        Self {
            version: "4",
            group_key: format!("barnabas:{}", notice.channel),
            truncated_alerts: total.saturating_sub(alerts.len()).saturating_add(left_out(notice)),
            status: status(!notice.firing.is_empty()),
            receiver: notice.channel.clone(),
            group_labels: Pairs::new(),
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            external_url: String::new(),
            notification_reason: reason(notice),
            alerts,
        }
    }

    /// The document as JSON text.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers cannot fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Alert {
    fn new(alert: &NoticeAlert) -> Self {
        let mut labels = alert.labels.clone();
        labels.insert("alertname".to_owned(), alert.name.clone());
        labels.insert("severity".to_owned(), alert.severity.name().to_owned());
        let mut annotations = Pairs::from_iter([
            ("summary".to_owned(), alert.summary.clone()),
            ("description".to_owned(), format!("{} is {} ({})", alert.metric, alert.value_text, alert.threshold_text)),
            ("value".to_owned(), alert.value_text.clone()),
            ("threshold".to_owned(), alert.threshold_text.clone()),
            ("metric".to_owned(), alert.metric.clone()),
        ]);
        if let Some(runbook) = &alert.runbook {
            annotations.insert("runbook_url".to_owned(), runbook.clone());
        }
        Self {
            status: status(alert.ended.is_none()),
            fingerprint: fingerprint(&labels),
            labels,
            annotations,
            starts_at: rfc3339::format(Timestamp(alert.since)),
            ends_at: alert.ended.map_or_else(|| NO_END.to_owned(), |ended| rfc3339::format(Timestamp(ended))),
            generator_url: String::new(),
        }
    }
}

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

/// Alertmanager's words; a test has none there.
fn reason(notice: &Notice) -> &'static str {
    match notice.reason {
        Reason::First => "first notification",
        Reason::New => "new alerts added",
        Reason::Resolved if notice.firing.is_empty() => "all alerts resolved",
        Reason::Resolved => "some alerts resolved",
        Reason::Repeat => "repeat interval elapsed",
        Reason::Test => "test",
    }
}

/// The pairs that are in all of them.
fn common<'a>(mut all: impl Iterator<Item = &'a Pairs>) -> Pairs {
    let mut common = all.next().cloned().unwrap_or_default();
    for pairs in all {
        common.retain(|name, value| pairs.get(name) == Some(value));
    }
    common
}

/// Prometheus' fingerprint of a set of labels: 64-bit FNV-1a over names and values in the order of the names, each
/// followed by the byte 255 (model.LabelSet.Fingerprint of prometheus/common).
fn fingerprint(labels: &Pairs) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let parts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = parts.flat_map(|part| part.bytes().chain([255]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::super::text::examples::{alert, notice};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_notice_becomes_what_alertmanager_would_send() {
        let mut over = alert("topic-backlog", &[("cluster", "default"), ("group", "omp"), ("topic", "event")]);
        over.ended = Some(1_795_244_520_000);
        over.runbook = None;
        let firing = alert("broker-load", &[("cluster", "default"), ("broker", "1")]);
        let document = Document::new(&notice(vec![firing], vec![over]));
        let seen: serde_json::Value = serde_json::from_slice(&document.to_json()).expect("JSON");
        assert_eq!(
            seen,
            json!({
                "version": "4",
                "groupKey": "barnabas:ops",
                "truncatedAlerts": 0,
                "status": "firing",
                "receiver": "ops",
                "groupLabels": {},
                "commonLabels": {"cluster": "default", "severity": "warning"},
                "commonAnnotations": {
                    "description": "broker_load_percent is 85.5 % (above 80 %)",
                    "metric": "broker_load_percent",
                    "threshold": "above 80 %",
                    "value": "85.5 %",
                },
                "externalURL": "",
                "notification_reason": "first notification",
                "alerts": [
                    {
                        "status": "firing",
                        "labels": {
                            "alertname": "broker-load", "broker": "1", "cluster": "default", "severity": "warning",
                        },
                        "annotations": {
                            "summary": "summary of broker-load",
                            "description": "broker_load_percent is 85.5 % (above 80 %)",
                            "metric": "broker_load_percent",
                            "threshold": "above 80 %",
                            "value": "85.5 %",
                            "runbook_url": "https://wiki.example.com/broker-load",
                        },
                        "startsAt": "2026-11-21T07:00:00.000Z",
                        "endsAt": "0001-01-01T00:00:00Z",
                        "generatorURL": "",
                        "fingerprint": seen["alerts"][0]["fingerprint"],
                    },
                    {
                        "status": "resolved",
                        "labels": {
                            "alertname": "topic-backlog", "cluster": "default", "group": "omp", "severity": "warning",
                            "topic": "event",
                        },
                        "annotations": {
                            "summary": "summary of topic-backlog",
                            "description": "broker_load_percent is 85.5 % (above 80 %)",
                            "metric": "broker_load_percent",
                            "threshold": "above 80 %",
                            "value": "85.5 %",
                        },
                        "startsAt": "2026-11-21T07:00:00.000Z",
                        "endsAt": "2026-11-21T07:02:00.000Z",
                        "generatorURL": "",
                        "fingerprint": seen["alerts"][1]["fingerprint"],
                    },
                ],
            })
        );
    }

    #[test]
    fn all_over_is_resolved() {
        let mut over = alert("a", &[]);
        over.ended = Some(over.since + 1);
        assert_eq!(Document::new(&notice(vec![], vec![over])).status, "resolved");
    }

    #[test]
    fn a_fingerprint_is_that_of_prometheus() {
        // model.LabelSet{}.Fingerprint() and the example of prometheus/common's labelset tests.
        assert_eq!(fingerprint(&Pairs::new()), "cbf29ce484222325");
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let labels: Pairs = pairs(&[("foo", "bar"), ("fizz", "buzz")]);
        assert_eq!(fingerprint(&labels), FOO_BAR_FIZZ_BUZZ);
        let other: Pairs = pairs(&[("foo", "ba"), ("fizz", "rbuzz")]);
        assert_ne!(fingerprint(&labels), fingerprint(&other), "where a value ends matters");
    }

    /// Computed independently, in Python, by the same rule.
    const FOO_BAR_FIZZ_BUZZ: &str = "1b78ff36267a10f6";

    #[test]
    fn too_many_are_counted() {
        let many = (0..MAX_ALERTS + 5).map(|number| alert(&number.to_string(), &[])).collect();
        let document = Document::new(&notice(many, vec![]));
        assert_eq!((document.alerts.len(), document.truncated_alerts), (MAX_ALERTS, 5));
    }
}
