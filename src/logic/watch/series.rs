//! The figures of a view as the series that rules look at. Knows no rule.
//!
//! Internal topics that the configuration does not name have none; a figure that could not be read is unknown, and where
//! something that has series may exist unseen, the answer is not complete.

use std::sync::Arc;

use super::distribution::min_insync_of;
use super::load::load_metric;
use super::snapshot::PartitionSeen;
use super::view::{BrokerView, ClusterView, DirView, GroupTopicView, TopicView};
use crate::logic::alert::{Figure, Labels, Metric, Observed, Series};
use crate::logic::sorted_set::SortedSet;

/// The source of a figure that a broker could also tell by itself.
pub const FROM_LOGS: &str = "logs";

/// All series of a metric of a cluster. Of other metrics there are none here.
pub fn observe(view: &ClusterView, metric: &Metric) -> Observed {
    if view.is_before_the_first_poll() {
        return Observed::default();
    }
    let mut of = Collector { cluster: &view.seen.cluster, series: Vec::new() };
    let mut unseen = Vec::new();
    let reached = view.seen.brokers.is_some();
    let complete = match metric.name {
        "cluster_up" => {
            of.add([], Figure::Value(f64::from(u8::from(reached))));
            true
        }
        name if name.starts_with("broker_") || name.ends_with("_skew_percent") => {
            brokers(view, metric, &mut of);
            reached
        }
        name if name.starts_with("disk_") => {
            view.dirs.iter().for_each(|dir| of.disk(dir, name));
            reached && all_dirs_are_known(view)
        }
        name if name.starts_with("partitions_") || name.starts_with("topic_") => {
            let watched = view.topics.iter().filter(|(_, topic)| topic.watched);
            watched.for_each(|(topic, figures)| of.topic(view, topic, figures, name));
            unseen.extend(topics_that_nobody_told_of(view));
            reached
        }
        "group_members" => {
            members(view, &mut of);
            reached && view.seen.groups_complete
        }
        name if name.starts_with("group_") => {
            for (group, figures) in &view.groups {
                figures.topics.iter().for_each(|(topic, figures)| of.group(group, topic, figures, name));
            }
            unseen = groups_that_nobody_told_of(view);
            unseen.extend(topics_that_nobody_told_of(view));
            reached && view.seen.groups_complete
        }
        _ => false,
    };
    Observed { series: of.series, complete, unseen }
}

impl ClusterView {
    /// No poll came yet, not even one that reached nobody.
    fn is_before_the_first_poll(&self) -> bool {
        self.seen.cluster.is_empty()
    }
}

/// They exist, and that is all that is known.
fn topics_that_nobody_told_of(view: &ClusterView) -> impl Iterator<Item = Labels> {
    view.seen.untold.iter().map(|topic| {
        let labels = [("cluster", view.seen.cluster.to_string()), ("topic", topic.to_string())];
        labels.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    })
}

/// Whatever they committed is unknown, so that a topic that is not among theirs may still be one of theirs.
fn groups_that_nobody_told_of(view: &ClusterView) -> Vec<Labels> {
    let untold = view.seen.groups.iter().filter(|(_, group)| group.committed.is_none());
    let labels = |name: &Arc<str>| {
        [("cluster", view.seen.cluster.to_string()), ("group", name.to_string())]
            .map(|(name, value)| (name.to_owned(), value))
    };
    untold.map(|(name, _)| Labels::from_iter(labels(name))).collect()
}

fn is_above_zero(figure: &Figure) -> bool {
    matches!(figure, Figure::Value(value) if *value > 0.0)
}

/// The brokers that would have to be absent, all of them, to be the reason for partitions of `topic` not to be well.
/// Empty where one of these has a reason that is no broker. None: `metric` is not about that.
fn missing_brokers(view: &ClusterView, topic: &Arc<str>, metric: &str) -> Option<SortedSet<String>> {
    let partitions = &view.seen.topics.get(topic)?.partitions;
    let min_insync = min_insync_of(view.slow.as_ref().map(|slow| &slow.min_insync), topic);
    let out_of_sync = |partition: &PartitionSeen| {
        let outside = partition.replicas.iter().filter(|replica| !partition.isr.contains(replica));
        outside.copied().collect::<Vec<_>>()
    };
    // With eligible leader replicas (KIP-966) the last one, too, leaves the ISR, and which those are is not told.
    let may_lead = |partition: &PartitionSeen| match partition.isr.is_empty() {
        true => partition.replicas.to_vec(),
        false => partition.isr.to_vec(),
    };
    let missing = |partition: &PartitionSeen| match metric {
        "partitions_offline" => partition.leader.is_none().then(|| may_lead(partition)),
        "partitions_under_replicated" => {
            (partition.isr.len() < partition.replicas.len()).then(|| out_of_sync(partition))
        }
        _ => (partition.isr.len() < min_insync.unwrap_or(0)).then(|| out_of_sync(partition)),
    };
    if !matches!(metric, "partitions_offline" | "partitions_under_replicated" | "partitions_under_min_isr") {
        return None;
    }
    let mut brokers = SortedSet::new();
    for missing in partitions.iter().filter_map(missing) {
        if missing.is_empty() {
            return Some(SortedSet::new());
        }
        brokers.extend(missing);
    }
    Some(brokers.into_iter().map(|broker: i32| broker.to_string()).collect())
}

struct Collector<'a> {
    cluster: &'a str,
    series: Vec<Series>,
}

/// Unknown where it is none.
fn known(figure: Option<impl Into<f64>>) -> Figure {
    figure.map_or(Figure::Unknown, |figure| Figure::Value(figure.into()))
}

/// Beyond 2^53 it is rounded.
fn rounded(figure: i64) -> f64 {
    figure as f64
}

fn brokers(view: &ClusterView, metric: &Metric, of: &mut Collector<'_>) {
    // A count is known of every broker as soon as one tells.
    let counted = |count: u32| known(view.seen.brokers.as_ref().map(|_| count));
    for (id, broker) in &view.brokers {
        let BrokerView { leaders, replicas, .. } = *broker;
        let figure = match metric.name {
            "broker_up" => known(broker.up.map(u8::from)),
            "broker_traffic_share_percent" => known(broker.traffic_share_percent),
            "broker_latency_seconds" => known(broker.latency_seconds),
            "broker_leaders" => counted(leaders),
            "broker_replicas" => counted(replicas),
            "leader_skew_percent" => known(broker.leader_skew_percent),
            "replica_skew_percent" => known(broker.replica_skew_percent),
            _ => {
                own(*id, broker, metric, of);
                continue;
            }
        };
        of.add([("broker", id.to_string())], figure);
    }
}

/// What only a broker itself can tell, or what it can tell better than its logs.
fn own(id: i32, broker: &BrokerView, metric: &Metric, of: &mut Collector<'_>) {
    let id = ("broker", id.to_string());
    let Some(load) = &broker.load else {
        let figure = match metric.name {
            "broker_bytes_in_per_second" => broker.bytes_in_per_second,
            "broker_messages_in_per_second" => broker.messages_in_per_second,
            _ => return,
        };
        of.add([id, ("source", FROM_LOGS.to_owned())], known(figure));
        return;
    };
    match (metric.name, load_metric(metric.name)) {
        ("broker_request_seconds", _) => {
            for (request, quantile, seconds) in load.request_seconds() {
                let labels = [id.clone(), ("request", request.to_owned()), ("quantile", quantile.to_owned())];
                of.add(labels, known(seconds));
            }
        }
        ("broker_replication_disagreement", _) => of.add([id], known(load.replication.number())),
        ("broker_slow", _) => of.add([id], known(load.slow.number())),
        (_, Some(figure)) => {
            let source = metric.labels.contains(&"source").then(|| ("source", load.source.to_owned()));
            of.add([id].into_iter().chain(source), known(load.figure(figure)));
        }
        (_, None) => {}
    }
}

/// Else a directory may exist that is not in the view.
fn all_dirs_are_known(view: &ClusterView) -> bool {
    let Some(slow) = &view.slow else { return false };
    view.brokers.keys().all(|broker| slow.dirs.get(broker).is_some_and(Option::is_some))
}

fn members(view: &ClusterView, of: &mut Collector<'_>) {
    for (name, group) in &view.seen.groups {
        // A forward that is no member of a group has no members.
        if group.group_type != "forward" || group.members.is_some() {
            of.add([("group", name.to_string())], known(group.members));
        }
    }
}

impl Collector<'_> {
    fn add(&mut self, labels: impl IntoIterator<Item = (&'static str, String)>, figure: Figure) {
        self.add_because(labels, figure, None);
    }

    fn add_because(
        &mut self,
        labels: impl IntoIterator<Item = (&'static str, String)>,
        figure: Figure,
        because_of: Option<SortedSet<String>>,
    ) {
        let cluster = ("cluster", self.cluster.to_owned());
        let labels = std::iter::once(cluster).chain(labels).map(|(name, value)| (name.to_owned(), value));
        self.series.push(Series { labels: labels.collect(), figure, because_of });
    }

    fn disk(&mut self, dir: &DirView, metric: &str) {
        let broken = dir.error.is_some();
        let figure = match metric {
            "disk_used_bytes" if broken => Some(Figure::Unknown),
            "disk_used_bytes" => Some(Figure::Value(dir.used_bytes as f64)),
            // Brokers before 3.3 do not tell the size of a volume: no series, rather than one that is never known.
            "disk_used_percent" if broken => Some(Figure::Unknown),
            "disk_used_percent" => dir.used_percent.map(Figure::Value),
            "disk_full_in_seconds" if broken => Some(Figure::Unknown),
            "disk_full_in_seconds" if dir.used_percent.is_none() => None,
            "disk_full_in_seconds" if dir.growth_bytes_per_second.is_none() => Some(Figure::Unknown),
            // One that does not grow is never full.
            "disk_full_in_seconds" => dir.full_in_seconds.map(Figure::Value),
            _ => None,
        };
        if let Some(figure) = figure {
            self.add([("broker", dir.broker.to_string()), ("dir", dir.path.to_string())], figure);
        }
    }

    fn topic(&mut self, view: &ClusterView, name: &Arc<str>, topic: &TopicView, metric: &str) {
        let figure = match metric {
            "partitions_offline" => known(Some(topic.offline)),
            "partitions_under_replicated" => known(Some(topic.under_replicated)),
            "partitions_under_min_isr" => known(topic.under_min_isr),
            "topic_messages" => known(topic.messages.map(rounded)),
            "topic_messages_in_per_second" => known(topic.messages_in_per_second),
            "topic_bytes" => known(topic.bytes.map(|bytes| bytes as f64)),
            _ => return,
        };
        let because_of = is_above_zero(&figure).then(|| missing_brokers(view, name, metric)).flatten();
        self.add_because([("topic", name.to_string())], figure, because_of);
    }

    fn group(&mut self, group: &Arc<str>, topic: &Arc<str>, figures: &GroupTopicView, metric: &str) {
        let figure = match metric {
            // What could be seen of it is a lower bound only: an alert must not end because a broker went away.
            "group_lag" => known(figures.lag.filter(|_| figures.complete).map(rounded)),
            "group_lag_seconds" if figures.lag.is_none() => Figure::Unknown,
            "group_lag_seconds" => Figure::Age {
                seconds: figures.lag_seconds.map(|seconds| seconds.value),
                error: figures.lag_seconds.map_or(0.0, |seconds| seconds.error),
                older_than: figures.older_than.clone(),
            },
            "group_status" => known(figures.lag.filter(|_| figures.is_judged()).map(|_| figures.status.number())),
            _ => return,
        };
        self.add([("group", group.to_string()), ("topic", topic.to_string())], figure);
    }
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
