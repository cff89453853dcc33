//! Brokers' loads by their own account: which are recent enough to be shown, and what looks wrong when they are compared
//! with the metadata, with the past and with each other. Knows neither how they are read nor any rule.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use super::view::{ClusterView, Comparison, LoadView};
use crate::logic::broker_load::BrokerFigures;
use crate::logic::broker_load::checks::{LatencyHistory, replication_disagreement, slow_broker};
use crate::logic::moment::Moment;

/// A figure that was not read for so many intervals is not known any more.
const INTERVALS: u32 = 3;

/// One reading of a broker's own figures.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadReading {
    /// The broker's id.
    pub broker: i32,
    /// `jmx`, `jolokia` or `exporter`.
    pub source: &'static str,
    /// When it ended.
    pub taken_at: Moment,
    /// The figures, or why there are none, and where.
    pub result: Result<BrokerFigures, String>,
}

/// Which topics are watched: what a broker counts over all of them can be compared only where all are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topics {
    /// Some are left out, or may be.
    #[default]
    Selected,
    /// Every topic that the cluster has.
    All,
}

/// The last readings of every broker that has a source.
#[derive(Debug, Default)]
pub(super) struct Loads {
    by_broker: LiteMap<i32, Load>,
    last_reading: Moment,
}

#[derive(Debug, Default)]
struct Load {
    source: &'static str,
    figures: Option<(Moment, Arc<BrokerFigures>)>,
    error: Option<String>,
    /// What the broker took for its own work on a Produce request, without the last reading.
    past: LatencyHistory,
}

impl Loads {
    /// These brokers have a source, of this kind: until it is read their figures are unknown.
    pub(super) fn expect(&mut self, sources: &LiteMap<i32, &'static str>) {
        for (broker, source) in sources {
            self.by_broker.entry(*broker).or_default().source = source;
        }
    }

    pub(super) fn observe(&mut self, reading: LoadReading) {
        self.last_reading = self.last_reading.max(reading.taken_at);
        // One that nobody expects is of a broker that has left.
        let Some(load) = self.by_broker.get_mut(&reading.broker) else { return };
        match reading.result {
            Ok(figures) => {
                let before = load.figures.replace((reading.taken_at, Arc::new(figures)));
                if let Some(milliseconds) = before.and_then(|(_, before)| own_work_ms(&before)) {
                    load.past.observe(milliseconds);
                }
                load.error = None;
            }
            Err(error) => load.error = Some(error),
        }
    }

    /// Forgets brokers that the view does not have any more.
    pub(super) fn forget_others(&mut self, view: &ClusterView) {
        self.by_broker.retain(|broker, _| view.brokers.contains_key(broker));
    }

    /// Fills in every broker's load, and what could not be read.
    pub(super) fn fill(&self, view: &mut ClusterView, interval: Duration, topics: Topics) {
        let now = self.last_reading.max(view.seen.taken_at);
        let recent = |load: &Load| {
            let (read_at, figures) = load.figures.as_ref()?;
            (now.since(*read_at) <= INTERVALS * interval).then(|| Arc::clone(figures))
        };
        let present: LiteMap<i32, Option<Arc<BrokerFigures>>> =
            self.by_broker.iter().map(|(broker, load)| (*broker, recent(load))).collect();
        for (id, load) in &self.by_broker {
            let figures = present.get(id).cloned().flatten();
            let replication = replication(*id, figures.as_deref(), view, topics);
            let Some(broker) = view.brokers.get_mut(id) else { continue };
            if let Some(error) = &load.error {
                view.missing.push(format!("broker {id}: its load: {error}"));
            }
            let slow = figures.as_deref().and_then(own_work_ms).map_or(Comparison::Unknown, |now_ms| {
                let peers = present.iter().filter(|(peer, _)| *peer != id);
                let peers: Vec<f64> = peers.filter_map(|(_, peer)| own_work_ms(peer.as_deref()?)).collect();
                Comparison::of(slow_broker(*id, now_ms, &load.past, &peers))
            });
            broker.load = Some(LoadView { source: load.source, figures, error: load.error.clone(), replication, slow });
        }
    }
}

fn own_work_ms(figures: &BrokerFigures) -> Option<f64> {
    figures.request_time_ms.get("Produce")?.local_p99_ms
}

/// What the broker counts, beside the metadata.
fn replication(broker: i32, figures: Option<&BrokerFigures>, view: &ClusterView, topics: Topics) -> Comparison {
    let Some(by_broker) = figures.and_then(|figures| figures.under_replicated_partitions) else {
        return Comparison::Unknown;
    };
    if view.seen.brokers.is_none() {
        return Comparison::Unknown;
    }
    let partitions = view.seen.topics.values().flat_map(|topic| &topic.partitions);
    let led = partitions.filter(|partition| partition.leader == Some(broker));
    let by_metadata = led.filter(|partition| partition.isr.len() < partition.replicas.len()).count() as u64;
    // Those that the broker counts may be of topics that are not watched.
    if by_metadata == 0 && by_broker > 0 && topics == Topics::Selected {
        return Comparison::Unknown;
    }
    Comparison::of(replication_disagreement(broker, by_broker, by_metadata))
}

/// A figure that a broker tells of itself.
pub type LoadFigure = fn(&BrokerFigures) -> Option<f64>;

/// Where the metrics that have one series for a broker with a source come from.
const LOAD_METRICS: &[(&str, LoadFigure)] = &[
    ("broker_load_percent", |figures| figures.load_percent),
    ("broker_bytes_in_per_second", |figures| figures.bytes_in_per_second),
    ("broker_bytes_out_per_second", |figures| figures.bytes_out_per_second),
    ("broker_requests_per_second", |figures| figures.requests_per_second),
    ("broker_messages_in_per_second", |figures| figures.messages_in_per_second),
    ("broker_network_idle_percent", |figures| figures.network_idle_percent),
    ("broker_heap_used_bytes", |figures| figures.heap_used_bytes.map(|bytes| bytes as f64)),
    ("broker_heap_max_bytes", |figures| figures.heap_max_bytes.map(|bytes| bytes as f64)),
    ("broker_process_cpu_percent", |figures| figures.process_cpu_percent),
    ("broker_under_replicated_partitions", |figures| figures.under_replicated_partitions.map(|count| count as f64)),
    ("broker_offline_log_dirs", |figures| figures.offline_log_dirs.map(|count| count as f64)),
];

/// How a metric is read from a broker's own figures; none: it is not.
pub fn load_metric(name: &str) -> Option<LoadFigure> {
    LOAD_METRICS.iter().find(|(metric, _)| *metric == name).map(|(_, figure)| *figure)
}

impl LoadView {
    /// The figure of a metric; none: not known.
    pub fn figure(&self, metric: LoadFigure) -> Option<f64> {
        self.figures.as_deref().and_then(metric)
    }

    /// `broker_request_seconds`: request, quantile and figure. A request that never came is missing; where no figure is
    /// known, all are there, without one.
    pub fn request_seconds(&self) -> Vec<(&'static str, &'static str, Option<f64>)> {
        let mut series = Vec::new();
        for request in ["Produce", "FetchConsumer", "FetchFollower"] {
            let time = self.figures.as_deref().map(|figures| figures.request_time_ms.get(request));
            let (p50, p99) = match time {
                None => (None, None),
                Some(None) => continue,
                Some(Some(time)) => (time.p50_ms, time.p99_ms),
            };
            for (quantile, milliseconds) in [("0.5", p50), ("0.99", p99)] {
                series.push((request, quantile, milliseconds.map(|milliseconds| milliseconds / 1e3)));
            }
        }
        series
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
