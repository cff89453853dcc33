//! How much is written, from the growth of log ends between two polls. Knows no groups.
//!
//! A log's growth in bytes cannot be told from its size, since retention takes away at the other end: bytes are the
//! messages that came, each of the mean size of those that the topic keeps.

use std::sync::Arc;

use litemap::LiteMap;

use super::charts::{ChartStep, MOST_CHARTS};
use super::ends::is_same;
use super::snapshot::{PartitionSeen, Snapshot, TopicSeen};
use super::view::ClusterView;
use crate::logic::moment::Moment;

/// What is remembered of the topics for their charts.
#[derive(Debug, Default)]
pub(super) struct TopicCharts {
    by_name: LiteMap<Arc<str>, TopicChart>,
    last_point: Moment,
}

#[derive(Debug, Default)]
struct TopicChart {
    points: Arc<[f32]>,
    /// The sum of all ends at the last point; none: one was not known.
    ends: Option<i64>,
}

/// Fills in the rates of topics and brokers. `before`: an earlier poll that reached the cluster.
pub(super) fn fill(view: &mut ClusterView, before: Option<&Snapshot>) {
    let seen = Arc::clone(&view.seen);
    let Some(before) = before else { return };
    let elapsed = seen.taken_at.since(before.taken_at).as_secs_f64();
    if elapsed <= 0.0 {
        return;
    }
    let mut brokers: LiteMap<i32, Traffic> = view.brokers.keys().map(|broker| (*broker, Traffic::NONE)).collect();
    for (name, topic) in &seen.topics {
        // What a new topic holds may have come at any time.
        let Some(topic_before) = before.topics.get(name).filter(|before| is_same(before.id, topic.id)) else {
            continue;
        };
        let Some(topic_view) = view.topics.get_mut(name) else { continue };
        let bytes = topic_view.bytes.zip(topic_view.messages);
        let mut sum = Some(0);
        for partition in &topic.partitions {
            let growth = growth(partition, topic_before);
            sum = sum.zip(growth).map(|(sum, growth)| sum + growth);
            if let Some(traffic) = partition.leader.and_then(|leader| brokers.get_mut(&leader)) {
                traffic.add(growth, bytes);
            }
        }
        topic_view.messages_in_per_second = sum.map(|sum| sum as f64 / elapsed);
    }
    fill_brokers(view, &brokers, elapsed);
}

/// Messages that came to a partition; none: not known.
fn growth(partition: &PartitionSeen, before: &TopicSeen) -> Option<i64> {
    let latest = partition.latest?;
    // A new partition begins at zero.
    let earlier = before.partition(partition.number).map_or(Some(0), |before| before.latest)?;
    (latest >= earlier).then(|| latest.saturating_sub(earlier))
}

/// What came to the partitions that a broker leads; none: of one of them it is not known.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    messages: Option<f64>,
    bytes: Option<f64>,
}

impl Traffic {
    const NONE: Self = Self { messages: Some(0.0), bytes: Some(0.0) };

    /// `kept`: bytes and messages that the topic keeps.
    fn add(&mut self, growth: Option<i64>, kept: Option<(u64, i64)>) {
        let growth = growth.map(|growth| growth as f64);
        let bytes = match (growth, kept) {
            (Some(0.0), _) => Some(0.0),
            (Some(growth), Some((bytes, messages))) if messages > 0 => Some(growth * bytes as f64 / messages as f64),
            _ => None,
        };
        let sum = |sum: Option<f64>, more: Option<f64>| sum.zip(more).map(|(sum, more)| sum + more);
        self.messages = sum(self.messages, growth);
        self.bytes = sum(self.bytes, bytes);
    }
}

fn fill_brokers(view: &mut ClusterView, brokers: &LiteMap<i32, Traffic>, elapsed: f64) {
    // By bytes where they are known of all, else by messages.
    let total = |figure: fn(&Traffic) -> Option<f64>| brokers.values().map(figure).sum::<Option<f64>>();
    let by: fn(&Traffic) -> Option<f64> =
        if total(|traffic| traffic.bytes).is_some() { |traffic| traffic.bytes } else { |traffic| traffic.messages };
    let whole = total(by).filter(|whole| *whole > 0.0);
    for (id, traffic) in brokers {
        let Some(broker) = view.brokers.get_mut(id).filter(|broker| broker.up == Some(true)) else { continue };
        broker.messages_in_per_second = traffic.messages.map(|messages| messages / elapsed);
        broker.bytes_in_per_second = traffic.bytes.map(|bytes| bytes / elapsed);
        broker.traffic_share_percent = whole.and_then(|whole| Some(100.0 * by(traffic)? / whole));
    }
}

impl TopicCharts {
    /// Adds a point to each chart, the mean rate since the last point, and hands the charts out.
    pub(super) fn step(&mut self, view: &mut ClusterView, step: ChartStep) {
        let seen = Arc::clone(&view.seen);
        if seen.brokers.is_some() {
            self.by_name.retain(|name, _| seen.topics.contains_key(name));
        }
        for name in seen.topics.keys() {
            if self.by_name.len() < MOST_CHARTS && !self.by_name.contains_key(name) {
                self.by_name.insert(Arc::clone(name), TopicChart::default());
            }
        }
        let elapsed = seen.taken_at.since(self.last_point).as_secs_f64();
        if step != ChartStep::Stay {
            self.last_point = seen.taken_at;
        }
        for (name, chart) in &mut self.by_name {
            if step != ChartStep::Stay {
                let ends = seen.topics.get(name).and_then(sum_of_ends);
                let growth = ends.zip(chart.ends).map(|(now, before)| (now - before) as f64);
                let rate = growth.filter(|growth| *growth >= 0.0 && elapsed > 0.0).map(|growth| growth / elapsed);
                step.apply(&mut chart.points, rate.map_or(f32::NAN, |rate| rate as f32));
                chart.ends = ends;
            }
            if let Some(topic) = view.topics.get_mut(name) {
                topic.rate_chart = Arc::clone(&chart.points);
            }
        }
    }
}

fn sum_of_ends(topic: &TopicSeen) -> Option<i64> {
    topic.partitions.iter().map(|partition| partition.latest).try_fold(0_i64, |sum, end| sum.checked_add(end?))
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
