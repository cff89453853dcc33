//! What a poll of a cluster means: lag, group status, distribution, disks, rates. Pure: what was seen comes in as a
//! [`Snapshot`], figures leave as a [`ClusterView`], and time is in the snapshot.
//!
//! Knows no Kafka client, no rule and no page. What was not seen is unknown, never zero.

mod age;
mod charts;
mod disks;
pub mod distribution;
mod ends;
mod groups;
pub mod load;
mod progress;
pub mod series;
pub mod snapshot;
mod traffic;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use self::charts::ChartClock;
use self::disks::Disks;
use self::distribution::KnownBrokers;
use self::ends::Ends;
use self::groups::{GroupPoll, Groups};
pub use self::load::LoadReading;
use self::load::{Loads, Topics};
use self::snapshot::{Controller, TopicSeen};
pub use self::snapshot::{SlowSnapshot, Snapshot};
use self::traffic::TopicCharts;
pub use self::view::ClusterView;
use self::view::TopicView;
use super::moment::{Moment, Timestamp};
use super::topic_pattern::TopicPattern;

/// A cluster as it is watched: what earlier polls saw of it, as far as figures depend on that.
#[derive(Debug)]
pub struct Watch {
    interval: Duration,
    internal: Vec<TopicPattern>,
    brokers: KnownBrokers,
    ends: Ends,
    groups: Groups,
    disks: Disks,
    chart_clock: ChartClock,
    topic_charts: TopicCharts,
    loads: Loads,
    topics: Topics,
    /// The last poll that reached the cluster.
    reached: Option<Arc<Snapshot>>,
    view: Arc<ClusterView>,
}

impl Watch {
    /// Nothing was seen yet. `interval` lies between two polls.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            internal: Vec::new(),
            brokers: KnownBrokers::default(),
            ends: Ends::default(),
            groups: Groups::default(),
            disks: Disks::default(),
            chart_clock: ChartClock::new(interval),
            topic_charts: TopicCharts::default(),
            loads: Loads::default(),
            topics: Topics::default(),
            reached: None,
            view: Arc::new(ClusterView::of(Arc::new(nothing()))),
        }
    }

    /// Kafka's internal topics that one of these names are watched like any other. Without it they count for the
    /// distribution only.
    #[must_use]
    pub fn with_internal_topics(mut self, named: Vec<TopicPattern>) -> Self {
        self.internal = named;
        self
    }

    /// Which topics polls see; without it, some of them.
    #[must_use]
    pub fn with_topics(mut self, topics: Topics) -> Self {
        self.topics = topics;
        self
    }

    /// The figures after the last poll. Before the first one it names no cluster, and `seen.brokers` is none.
    pub fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.view)
    }

    /// Takes in a poll. What it was told about ages is in `older_than` of the view and not kept in `seen`: it is large.
    pub fn observe(&mut self, mut snapshot: Snapshot) {
        let offsets_at = std::mem::take(&mut snapshot.offsets_at);
        self.forget_another_cluster(&snapshot);
        self.keep_untold(&mut snapshot);
        let seen = Arc::new(snapshot);
        let charts = self.chart_clock.poll(seen.taken_at, seen.wall_clock);
        let mut view = ClusterView::of(Arc::clone(&seen));
        view.slow.clone_from(&self.view.slow);
        view.brokers = self.brokers.observe(&seen);
        let watched = |name: &str, topic: &TopicSeen| {
            !topic.internal || self.internal.iter().any(|pattern| pattern.name() == Some(name))
        };
        view.topics = seen
            .topics
            .iter()
            .map(|(name, topic)| (Arc::clone(name), TopicView::of(topic, watched(name, topic))))
            .collect();
        if seen.brokers.is_some() {
            let poll =
                GroupPoll { seen: &seen, offsets_at: &offsets_at, interval: self.interval, watched: &watched, charts };
            view.groups = self.groups.observe(&poll, &mut self.ends);
        } else {
            self.groups.pass_over(charts);
        }
        distribution::fill(&mut view);
        if seen.brokers.is_some() {
            self.loads.forget_others(&view);
        }
        self.fill_slow(&mut view);
        if seen.brokers.is_some() {
            traffic::fill(&mut view, self.reached.as_deref());
            self.reached = Some(seen);
        }
        self.topic_charts.step(&mut view, charts);
        view.chart_times = self.chart_clock.times();
        self.view = Arc::new(view);
    }

    /// Takes in what is asked for every few minutes only.
    pub fn observe_slow(&mut self, slow: SlowSnapshot) {
        self.disks.observe(&slow);
        let mut view = ClusterView::clone(&self.view);
        view.slow = Some(Arc::new(slow));
        self.fill_slow(&mut view);
        self.view = Arc::new(view);
    }

    /// These brokers tell their own figures, by this kind of source. To be said before the poll that lists them, so that
    /// nobody takes a figure that was not read yet for one that does not exist.
    pub fn expect_loads(&mut self, sources: &LiteMap<i32, &'static str>) {
        self.loads.expect(sources);
    }

    /// Takes in a broker's own figures. They are in the view after the next poll, or after `show_loads`.
    pub fn observe_load(&mut self, reading: LoadReading) {
        self.loads.observe(reading);
    }

    /// Brings the view up to date with what brokers told of themselves since.
    pub fn show_loads(&mut self) {
        let mut view = ClusterView::clone(&self.view);
        self.fill_slow(&mut view);
        self.view = Arc::new(view);
    }

    /// Fills in what needs the slow poll, and the loads.
    fn fill_slow(&self, view: &mut ClusterView) {
        let slow = view.slow.clone();
        for (name, topic) in &mut view.topics {
            topic.bytes = slow.as_ref().and_then(|slow| slow.topic_bytes.get(name)).copied();
        }
        view.controller = match slow.as_ref().map_or(Controller::Unknown, |slow| slow.controller) {
            Controller::Unknown => None,
            Controller::InMetadata => view.seen.controller,
            Controller::OfQuorum(leader) => leader,
        };
        // Old figures are not those of a cluster that cannot be reached.
        let slow_now = slow.as_ref().filter(|_| view.seen.brokers.is_some());
        view.dirs = slow_now.map(|slow| self.disks.views(slow)).unwrap_or_default();
        let missing_slow = slow.iter().flat_map(|slow| &slow.missing);
        view.missing = view.seen.missing.iter().chain(missing_slow).cloned().collect();
        distribution::fill_min_insync(view);
        self.loads.fill(view, self.interval, self.topics);
    }

    /// A topic of which no broker could tell anything did not go away: its partitions are as they were, and where their
    /// logs begin and end is not known.
    fn keep_untold(&self, snapshot: &mut Snapshot) {
        let Some(reached) = &self.reached else { return };
        for (now, before) in [(&mut snapshot.topics, &reached.topics), (&mut snapshot.others, &reached.others)] {
            let absent = snapshot.untold.iter().filter(|name| !now.contains_key(*name));
            let mut kept: Vec<_> =
                absent.filter_map(|name| Some((Arc::clone(name), before.get(name)?.clone()))).collect();
            for partition in kept.iter_mut().flat_map(|(_, topic)| &mut topic.partitions) {
                (partition.earliest, partition.latest) = (None, None);
            }
            now.extend(kept);
        }
    }

    /// Another cluster behind the same addresses has nothing to do with what was seen.
    fn forget_another_cluster(&mut self, seen: &Snapshot) {
        let before = self.reached.as_ref().and_then(|reached| reached.cluster_id.as_ref());
        if let (Some(before), Some(now)) = (before, &seen.cluster_id)
            && before != now
        {
            *self = Self::new(self.interval)
                .with_internal_topics(std::mem::take(&mut self.internal))
                .with_topics(self.topics);
        }
    }
}

impl ClusterView {
    /// What was seen, without any figure.
    fn of(seen: Arc<Snapshot>) -> Self {
        Self {
            seen,
            slow: None,
            brokers: LiteMap::new(),
            racks: LiteMap::new(),
            topics: LiteMap::new(),
            groups: LiteMap::new(),
            controller: None,
            dirs: Vec::new(),
            missing: Vec::new(),
            chart_times: Arc::default(),
        }
    }
}

impl TopicView {
    /// What a topic is by itself.
    fn of(topic: &TopicSeen, watched: bool) -> Self {
        let kept = |(start, end): (i64, i64)| end.saturating_sub(start).max(0);
        let mut messages = topic.partitions.iter().map(|partition| partition.earliest.zip(partition.latest).map(kept));
        let messages = messages.try_fold(0_i64, |sum, kept| Some(sum.saturating_add(kept?)));
        Self { watched, messages, ..Self::default() }
    }
}

/// Before the first poll.
fn nothing() -> Snapshot {
    Snapshot {
        cluster: Arc::from(""),
        cluster_id: None,
        taken_at: Moment::default(),
        wall_clock: Timestamp(0),
        brokers: None,
        controller: None,
        topics: LiteMap::new(),
        others: LiteMap::new(),
        untold: Vec::new(),
        groups: LiteMap::new(),
        offsets_at: Vec::new(),
        groups_complete: false,
        missing: Vec::new(),
    }
}

#[cfg(test)]
#[path = "example_tests.rs"]
mod example;
#[cfg(test)]
mod tests;
