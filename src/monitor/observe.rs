//! What a cluster's polls, and this process' forwards, have to say about the metrics that rules name. Computes nothing.

use litemap::LiteMap;

use super::forwards::{self, ForwardHistory};
use crate::logic::alert::{Metric, Observed, Source};
use crate::logic::watch::{ClusterView, series};
use crate::status::ForwardStatus;

/// By name of the metric.
pub(super) type Figures = LiteMap<&'static str, Observed>;

/// The series of those of `metrics` that a poll of a cluster gives.
pub(super) fn of_cluster(metrics: &[Metric], view: &ClusterView) -> Figures {
    let metrics = metrics.iter().filter(|metric| metric.source == Source::Cluster);
    metrics.map(|metric| (metric.name, series::observe(view, metric))).collect()
}

/// The series of those of `metrics` that forwards give.
pub(super) fn of_forwards(metrics: &[Metric], forwards: &[ForwardStatus], history: &mut ForwardHistory) -> Figures {
    history.note(forwards);
    let metrics = metrics.iter().filter(|metric| metric.source == Source::Forwards);
    metrics.map(|metric| (metric.name, forwards::observe(forwards, history, metric))).collect()
}
