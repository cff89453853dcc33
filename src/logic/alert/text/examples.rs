//! Notices for the tests of this folder.

use crate::logic::alert::notice::{Notice, NoticeAlert, Reason};
use crate::logic::alert::rule::Severity;

/// 2026-11-21T07:00:00Z.
pub(crate) const SINCE: i64 = 1_795_244_400_000;

/// A warning that fires since [`SINCE`].
pub(crate) fn alert(name: &str, labels: &[(&str, &str)]) -> NoticeAlert {
    NoticeAlert {
        name: name.to_owned(),
        metric: "broker_load_percent".to_owned(),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        severity: Severity::Warning,
        summary: format!("summary of {name}"),
        runbook: Some(format!("https://wiki.example.com/{name}")),
        value: Some(85.5),
        value_text: "85.5 %".to_owned(),
        threshold_text: "above 80 %".to_owned(),
        since: SINCE,
        ended: None,
        told_in: None,
    }
}

/// The same, over after `milliseconds`.
pub(crate) fn over(name: &str, milliseconds: i64) -> NoticeAlert {
    NoticeAlert { ended: Some(SINCE + milliseconds), told_in: Some(1), ..alert(name, &[]) }
}

/// The first notice of a channel "ops", half a minute after [`SINCE`].
pub(crate) fn notice(firing: Vec<NoticeAlert>, resolved: Vec<NoticeAlert>) -> Notice {
    let at = SINCE + 30_000;
    Notice { id: at.unsigned_abs(), channel: "ops".to_owned(), reason: Reason::First, at, firing, resolved, more: 0 }
}
