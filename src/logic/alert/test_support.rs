//! Short ways to make rules, labels and figures, for the tests of this folder.

use std::time::Duration;

use super::metric::{Figure, Labels, Metric, Observed, Series};
use super::notice::ChannelSettings;
use super::rule::{Condition, NoData, Rule, Severity};

/// A rule without hold: broken above 0, a warning, told over the channel `ops`.
pub(super) fn rule(name: &str, metric: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        metric: Metric::named(metric).expect("a metric"),
        labels: Vec::new(),
        condition: Condition::Above(0.0),
        clear_at: 0.0,
        hold: Duration::ZERO,
        no_data: NoData::Keep,
        severity: Severity::Warning,
        summary: None,
        runbook: None,
        notify: vec!["ops".to_owned()],
    }
}

/// A channel with the intervals of the documentation.
pub(super) fn channel(name: &str) -> ChannelSettings {
    ChannelSettings {
        name: name.to_owned(),
        group_wait: Duration::from_secs(30),
        group_interval: Duration::from_mins(5),
        repeat_interval: Duration::from_hours(4),
        min_severity: Severity::Info,
    }
}

/// These labels.
pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// All series of a metric.
pub(super) fn observed(series: &[(&[(&str, &str)], f64)]) -> Observed {
    Observed {
        series: series.iter().map(|(pairs, value)| Series::new(labels(pairs), Figure::Value(*value))).collect(),
        complete: true,
        unseen: Vec::new(),
    }
}
