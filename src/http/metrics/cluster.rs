//! The figures of watched clusters under our own names: every metric of the contract that a poll gives, and how the poll
//! itself went. What is not known has no sample; of a cluster that does not answer nothing is known.

use std::fmt::Display;

use super::exposition::{Exposition, Labels};
use crate::logic::alert::{METRICS, Metric, Source};
use crate::logic::watch::ClusterView;
use crate::logic::watch::load::{LoadFigure, load_metric};
use crate::logic::watch::series::FROM_LOGS;
use crate::logic::watch::view::{BrokerView, Comparison, DirView, GroupTopicView, LoadView, TopicView};
use crate::status::ClusterPublication;

/// The clusters, and whether their names are labels.
pub(super) struct Clusters<'a> {
    clusters: &'a [ClusterPublication],
}

/// A cluster of several, or the only one.
#[derive(Clone, Copy)]
pub(super) struct Cluster<'a> {
    name: Option<&'a str>,
}

impl<'a> Clusters<'a> {
    pub(super) fn new(clusters: &'a [ClusterPublication]) -> Self {
        Self { clusters }
    }

    fn all(&self) -> impl Iterator<Item = (Cluster<'a>, &'a ClusterPublication)> {
        let several = self.clusters.len() > 1;
        self.clusters.iter().map(move |cluster| (Cluster { name: several.then_some(cluster.name.as_str()) }, cluster))
    }

    /// Those that answered the last poll.
    pub(super) fn reachable(&self) -> impl Iterator<Item = (Cluster<'a>, &'a ClusterView)> {
        let reachable = self.all().filter(|(_, cluster)| cluster.reachable() == Some(true));
        reachable.filter_map(|(label, cluster)| cluster.view.as_deref().map(|view| (label, view)))
    }
}

impl<'a> Cluster<'a> {
    /// `labels`, and the cluster's where there are several.
    pub(super) fn labels<'b>(&'b self, labels: Labels<'b>) -> Vec<(&'b str, &'b dyn Display)> {
        let mut all = Vec::with_capacity(labels.len() + 1);
        if let Some(name) = &self.name {
            all.push(("cluster", name as &dyn Display));
        }
        all.extend_from_slice(labels);
        all
    }
}

/// Every metric of the contract that comes from polls, and the polls themselves.
pub(super) fn render(text: &mut Exposition, clusters: &Clusters<'_>) {
    for metric in METRICS.iter().filter(|metric| metric.source == Source::Cluster) {
        text.family(format!("barnabas_{}", metric.name), "gauge", help(metric));
        if metric.name == "cluster_up" {
            for (label, cluster) in clusters.all() {
                if let Some(reachable) = cluster.reachable() {
                    text.sample(&label.labels(&[]), u8::from(reachable));
                }
            }
            continue;
        }
        for (label, view) in clusters.reachable() {
            figures(metric, view, &mut |labels, value| {
                if value.is_finite() {
                    text.sample(&label.labels(labels), value);
                }
            });
        }
    }
    text.family(
        "barnabas_group_lag_seconds_error",
        "gauge",
        "By how many seconds barnabas_group_lag_seconds may be wrong; +Inf where it is a lower bound.",
    );
    for (label, view) in clusters.reachable() {
        let mut emit = |labels: Labels<'_>, error: f64| match error.is_finite() {
            true => text.sample(&label.labels(labels), error),
            false => text.sample(&label.labels(labels), "+Inf"),
        };
        each_group_topic(view, &mut emit, |place| place.lag_seconds.map(|seconds| seconds.error));
    }
    polls(text, clusters);
}

struct PollFigure {
    name: &'static str,
    help: &'static str,
    value: fn(&ClusterPublication) -> Option<f64>,
}

#[allow(clippy::cast_precision_loss, reason = "counts and milliseconds far below 2^53")]
const POLL_FIGURES: &[PollFigure] = &[
    PollFigure {
        name: "barnabas_poll_duration_seconds",
        help: "How long the last poll of the cluster took.",
        value: |cluster| cluster.poll_seconds,
    },
    PollFigure {
        name: "barnabas_poll_requests",
        help: "Requests that the last poll of the cluster needed.",
        value: |cluster| cluster.requests.map(|requests| requests as f64),
    },
    PollFigure {
        name: "barnabas_poll_timestamp_seconds",
        help: "When the last poll of the cluster ended, in seconds since 1970.",
        value: |cluster| cluster.polled_at.map(|time| time.0 as f64 / 1000.0),
    },
    PollFigure {
        name: "barnabas_poll_missing",
        help: "Things that could not be seen; /api/status says which and why.",
        value: |cluster| cluster.view.as_ref().map(|view| view.missing.len() as f64),
    },
];

fn polls(text: &mut Exposition, clusters: &Clusters<'_>) {
    for figure in POLL_FIGURES {
        text.family(figure.name, "gauge", figure.help);
        for (label, cluster) in clusters.all() {
            if let Some(value) = (figure.value)(cluster) {
                text.sample(&label.labels(&[]), value);
            }
        }
    }
}

/// Takes a sample.
type Emit<'e> = dyn FnMut(Labels<'_>, f64) + 'e;

/// The series of `metric` in `view`.
#[allow(clippy::cast_precision_loss, reason = "a sample is a double in Prometheus, too")]
fn figures(metric: &Metric, view: &ClusterView, emit: &mut Emit<'_>) {
    match metric.name {
        "broker_up" => each_broker(view, emit, |broker| broker.up.map(|up| f64::from(u8::from(up)))),
        "broker_traffic_share_percent" => each_broker(view, emit, |broker| broker.traffic_share_percent),
        "broker_request_seconds" => each_request(view, emit),
        "broker_replication_disagreement" => each_comparison(view, emit, |load| &load.replication),
        "broker_slow" => each_comparison(view, emit, |load| &load.slow),
        "broker_latency_seconds" => each_broker(view, emit, |broker| broker.latency_seconds),
        "broker_leaders" => each_broker(view, emit, |broker| Some(broker.leaders.into())),
        "broker_replicas" => each_broker(view, emit, |broker| Some(broker.replicas.into())),
        "leader_skew_percent" => each_broker(view, emit, |broker| broker.leader_skew_percent),
        "replica_skew_percent" => each_broker(view, emit, |broker| broker.replica_skew_percent),
        "disk_used_bytes" => each_dir(view, emit, |dir| Some(dir.used_bytes as f64)),
        "disk_used_percent" => each_dir(view, emit, |dir| dir.used_percent),
        "disk_full_in_seconds" => each_dir(view, emit, |dir| dir.full_in_seconds),
        "partitions_offline" => each_topic(view, emit, |topic| Some(topic.offline.into())),
        "partitions_under_replicated" => each_topic(view, emit, |topic| Some(topic.under_replicated.into())),
        "partitions_under_min_isr" => each_topic(view, emit, |topic| topic.under_min_isr.map(f64::from)),
        "topic_messages" => each_topic(view, emit, |topic| topic.messages.map(|messages| messages as f64)),
        "topic_messages_in_per_second" => each_topic(view, emit, |topic| topic.messages_in_per_second),
        "topic_bytes" => each_topic(view, emit, |topic| topic.bytes.map(|bytes| bytes as f64)),
        // What could be seen of it alone would be a lower bound.
        "group_lag" => {
            each_group_topic(view, emit, |place| place.lag.filter(|_| place.complete).map(|lag| lag as f64));
        }
        "group_lag_seconds" => each_group_topic(view, emit, |place| place.lag_seconds.map(|seconds| seconds.value)),
        "group_status" => each_group_topic(view, emit, |place| {
            place.lag.filter(|_| place.is_judged()).map(|_| place.status.number().into())
        }),
        "group_members" => {
            for (name, group) in &view.seen.groups {
                if let Some(members) = group.members {
                    emit(&[("group", name)], members.into());
                }
            }
        }
        name => {
            if let Some(figure) = load_metric(name) {
                each_load(metric, view, emit, figure);
            }
        }
    }
}

fn each_broker(view: &ClusterView, emit: &mut Emit<'_>, value: fn(&BrokerView) -> Option<f64>) {
    for (id, broker) in &view.brokers {
        if let Some(value) = value(broker) {
            emit(&[("broker", id)], value);
        }
    }
}

/// For what a broker tells of itself, and some of it else by its logs.
fn each_load(metric: &Metric, view: &ClusterView, emit: &mut Emit<'_>, figure: LoadFigure) {
    let has_source = metric.labels.contains(&"source");
    for (id, broker) in &view.brokers {
        let (value, source) = match (&broker.load, metric.name) {
            (Some(load), _) => (load.figure(figure), load.source),
            (None, "broker_bytes_in_per_second") => (broker.bytes_in_per_second, FROM_LOGS),
            (None, "broker_messages_in_per_second") => (broker.messages_in_per_second, FROM_LOGS),
            (None, _) => continue,
        };
        match value {
            Some(value) if has_source => emit(&[("broker", id), ("source", &source)], value),
            Some(value) => emit(&[("broker", id)], value),
            None => {}
        }
    }
}

fn each_request(view: &ClusterView, emit: &mut Emit<'_>) {
    for (id, broker) in &view.brokers {
        for (request, quantile, seconds) in broker.load.iter().flat_map(LoadView::request_seconds) {
            if let Some(seconds) = seconds {
                emit(&[("broker", id), ("request", &request), ("quantile", &quantile)], seconds);
            }
        }
    }
}

fn each_comparison(view: &ClusterView, emit: &mut Emit<'_>, comparison: fn(&LoadView) -> &Comparison) {
    for (id, broker) in &view.brokers {
        if let Some(number) = broker.load.as_ref().and_then(|load| comparison(load).number()) {
            emit(&[("broker", id)], number.into());
        }
    }
}

fn each_dir(view: &ClusterView, emit: &mut Emit<'_>, value: fn(&DirView) -> Option<f64>) {
    // Of a directory that cannot be used the figures are of the past.
    for dir in view.dirs.iter().filter(|dir| dir.error.is_none()) {
        if let Some(value) = value(dir) {
            emit(&[("broker", &dir.broker), ("dir", &dir.path)], value);
        }
    }
}

fn each_topic(view: &ClusterView, emit: &mut Emit<'_>, value: fn(&TopicView) -> Option<f64>) {
    for (name, topic) in view.topics.iter().filter(|(_, topic)| topic.watched) {
        if let Some(value) = value(topic) {
            emit(&[("topic", name)], value);
        }
    }
}

fn each_group_topic(view: &ClusterView, emit: &mut Emit<'_>, value: fn(&GroupTopicView) -> Option<f64>) {
    for (group, figures) in &view.groups {
        for (topic, place) in &figures.topics {
            if let Some(value) = value(place) {
                emit(&[("group", group), ("topic", topic)], value);
            }
        }
    }
}

/// What is said of a metric.
pub(super) fn help(metric: &Metric) -> &'static str {
    match metric.name {
        "cluster_up" => "1 where a broker answered the last poll.",
        "broker_up" => "1 where the broker answers within request_timeout.",
        "broker_load_percent" => "100 × (1 − idle fraction of the request handlers), by JMX only.",
        "broker_traffic_share_percent" => "The broker's share of the measured traffic of the cluster.",
        "broker_bytes_in_per_second" => "Bytes from producers: as the broker says, or as the logs that it leads grow.",
        "broker_bytes_out_per_second" => "Bytes sent to consumers, by JMX only.",
        "broker_requests_per_second" => "Requests, by JMX only.",
        "broker_messages_in_per_second" => {
            "Messages from producers: as the broker says, or as the logs that it leads grow."
        }
        "broker_request_seconds" => "How long requests take, as the broker says; a consumer's fetch waits for data.",
        "broker_network_idle_percent" => "How much of their time the network threads are idle, by JMX only.",
        "broker_process_cpu_percent" => "The broker's share of all processors of its machine, by JMX only.",
        "broker_heap_used_bytes" => "Bytes of the Java heap in use, garbage included, by JMX only.",
        "broker_heap_max_bytes" => "Bytes that the Java heap may grow to, by JMX only.",
        "broker_under_replicated_partitions" => "Partitions that the broker leads and counts as under-replicated.",
        "broker_offline_log_dirs" => "Log directories that the broker cannot use any more, by JMX only.",
        "broker_replication_disagreement" => "1 where the broker and the metadata disagree about replication.",
        "broker_slow" => "1 where the broker is slow against its own past or its peers.",
        "broker_latency_seconds" => "One request on an idle connection.",
        "broker_leaders" => "Partitions that the broker leads, internal topics included.",
        "broker_replicas" => "Replicas that the broker has, internal topics included.",
        "leader_skew_percent" => "Signed distance of broker_leaders from the mean over live brokers.",
        "replica_skew_percent" => "Signed distance of broker_replicas from the mean over live brokers.",
        "disk_used_bytes" => "Bytes of Kafka's logs in the directory.",
        "disk_used_percent" => "Percent of the directory's volume that is used.",
        "disk_full_in_seconds" => "Until the volume is full at its present growth; no series where it does not grow.",
        "partitions_offline" => "Partitions without a leader.",
        "partitions_under_replicated" => "Partitions with fewer in-sync replicas than replicas.",
        "partitions_under_min_isr" => "Partitions with fewer in-sync replicas than min.insync.replicas.",
        "topic_messages" => "Messages that the log keeps: log end − log start.",
        "topic_messages_in_per_second" => "Messages appended.",
        "topic_bytes" => "Bytes of the leaders' logs.",
        "group_lag" => "end − max(committed, log start); no series where nothing was committed.",
        "group_lag_seconds" => "The age of the oldest unread record, estimated.",
        "group_status" => "0 ok, 1 warning, 2 stall, 3 rewind, 4 stop.",
        "group_members" => "Live members of the group.",
        _ => "See the documentation.",
    }
}
