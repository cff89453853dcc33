//! The groups of a cluster over time: lag, its age, and how each does. Forwards of this process and share groups count
//! like any other.
//!
//! A topic counts for a group while it exists, and while a member may still read it. What a coordinator could not tell
//! stays as it was, without figures.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;

use super::age::Age;
use super::charts::{ChartStep, MOST_CHARTS};
use super::ends::{Ends, TopicAges, is_same};
use super::progress::{Poll, Progress, Readers};
use super::snapshot::{Committed, GroupSeen, OffsetsAt, PartitionSeen, Snapshot, TopicSeen};
use super::view::{GroupPartitionView, GroupStatus, GroupTopicView, GroupView};
use crate::logic::lag::{lag, next_to_read};
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;

/// A group that may still exist is forgotten when it was not seen for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// What is remembered of the groups from poll to poll.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_name: LiteMap<Arc<str>, Group>,
}

#[derive(Debug, Default)]
struct Group {
    last_seen: Moment,
    had_members: bool,
    /// Topics with commits that no member reads, by the last assignment that was seen: during a rebalance they do not
    /// come back.
    abandoned: SortedSet<Arc<str>>,
    topics: LiteMap<Arc<str>, GroupTopic>,
}

#[derive(Debug, Default)]
struct GroupTopic {
    id: Option<[u8; 16]>,
    /// By ascending partition.
    partitions: Box<[Progress]>,
    /// None: there are too many.
    chart: Option<Arc<[f32]>>,
    /// At this poll.
    lag: Option<i64>,
}

/// A poll, and what is known beside the group itself.
pub(super) struct GroupPoll<'a> {
    /// What was seen.
    pub(super) seen: &'a Snapshot,
    /// What it was told about ages.
    pub(super) offsets_at: &'a [OffsetsAt],
    /// From one poll to the next.
    pub(super) interval: Duration,
    /// Whether a topic counts: internal ones do when they are named in the configuration.
    pub(super) watched: &'a dyn Fn(&str, &TopicSeen) -> bool,
    /// What happens to the charts.
    pub(super) charts: ChartStep,
}

impl Groups {
    /// Takes in a poll that reached the cluster.
    pub(super) fn observe(&mut self, poll: &GroupPoll<'_>, ends: &mut Ends) -> LiteMap<Arc<str>, GroupView> {
        let seen = poll.seen;
        self.clear_lags();
        self.by_name.retain(|name, group| {
            let may_exist = !seen.groups_complete && seen.taken_at.since(group.last_seen) < FORGOTTEN_AFTER;
            may_exist || seen.groups.contains_key(name)
        });
        ends.begin(seen);
        let mut views: LiteMap<Arc<str>, GroupView> = LiteMap::new();
        for (name, group_seen) in &seen.groups {
            let group = self.by_name.entry(Arc::clone(name)).or_default();
            views.insert(Arc::clone(name), group.observe(group_seen, poll, ends));
        }
        ends.finish(seen.groups_complete);
        self.step_charts(poll.charts);
        for (name, view) in views.iter_mut() {
            let topics = self.by_name.get(name).into_iter().flat_map(|group| group.topics.values());
            // Both have the same topics, in the same order.
            for ((_, topic_view), topic) in view.topics.iter_mut().zip(topics) {
                topic_view.lag_chart = topic.chart.clone().unwrap_or_default();
            }
        }
        views
    }

    /// A poll that reached nobody: the charts have a gap.
    pub(super) fn pass_over(&mut self, charts: ChartStep) {
        self.clear_lags();
        self.step_charts(charts);
    }

    fn clear_lags(&mut self) {
        for topic in self.topics_mut() {
            topic.lag = None;
        }
    }

    fn topics_mut(&mut self) -> impl Iterator<Item = &mut GroupTopic> {
        self.by_name.iter_mut().flat_map(|(_, group)| group.topics.iter_mut()).map(|(_, topic)| topic)
    }

    /// The first charts stay, further ones wait for a place.
    fn step_charts(&mut self, step: ChartStep) {
        let topics = self.by_name.values().flat_map(|group| group.topics.values());
        let mut charts = topics.filter(|topic| topic.chart.is_some()).count();
        for topic in self.topics_mut() {
            if topic.chart.is_none() && charts < MOST_CHARTS {
                charts += 1;
                topic.chart = Some(Arc::default());
            }
            if let Some(chart) = &mut topic.chart {
                step.apply(chart, topic.lag.map_or(f32::NAN, |lag| lag as f32));
            }
        }
    }

    /// Bytes of the partitions' histories.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let topics = self.by_name.values().flat_map(|group| group.topics.values());
        topics.map(|topic| size_of::<GroupTopic>() + size_of_val(&*topic.partitions)).sum()
    }
}

impl Group {
    fn observe(&mut self, group: &GroupSeen, poll: &GroupPoll<'_>, ends: &mut Ends) -> GroupView {
        self.last_seen = poll.seen.taken_at;
        self.had_members |= group.members.is_some_and(|members| members > 0);
        let each = Poll { now: poll.seen.taken_at, interval: poll.interval, readers: self.readers(group) };
        self.note_abandoned(group);
        let mut before = std::mem::take(&mut self.topics).into_iter().peekable();
        let mut view = GroupView::default();
        let mut add = |name: &Arc<str>, committed: Option<&[Committed]>, before: Option<GroupTopic>| {
            let topic = poll.seen.topics.get(name).filter(|topic| (poll.watched)(name, topic));
            let Some(topic) = topic.filter(|_| !self.abandoned.contains(name)) else { return };
            let mut history = before.filter(|before| is_same(before.id, topic.id)).unwrap_or_default();
            history.id = topic.id.or(history.id);
            let ages = ends.topic(name, topic);
            let topic_view = match committed {
                Some(committed) => history.observe(committed, topic, each, ages, &exact_answers(poll.offsets_at, name)),
                None => history.carry_over(topic, each.now, ages),
            };
            if topic_view.partitions.is_empty() {
                return;
            }
            history.lag = topic_view.lag.filter(|_| topic_view.complete);
            view.topics.insert(Arc::clone(name), topic_view);
            self.topics.insert(Arc::clone(name), history);
        };
        match &group.committed {
            // Sorted as the topics are.
            Some(committed) => {
                for of_topic in committed.chunk_by(|one, other| one.topic == other.topic) {
                    if let Some(first) = of_topic.first() {
                        while before.next_if(|(name, _)| *name < first.topic).is_some() {}
                        let history = before.next_if(|(name, _)| *name == first.topic).map(|(_, history)| history);
                        add(&first.topic, Some(of_topic), history);
                    }
                }
            }
            None => before.for_each(|(name, history)| add(&name, None, Some(history))),
        }
        view.status = view.topics.values().map(|topic| topic.status).max().unwrap_or_default();
        view.lag = view.topics.values().filter_map(|topic| topic.lag).reduce(i64::saturating_add);
        view
    }

    /// Live members that read other topics: what was once committed for this one will never move again.
    fn note_abandoned(&mut self, group: &GroupSeen) {
        let is_stable = group.state.as_deref() == Some("Stable") && group.members.is_some_and(|members| members > 0);
        let (Some(assigned), Some(committed), true) = (&group.assigned, &group.committed, is_stable) else { return };
        let topics = committed.chunk_by(|one, other| one.topic == other.topic).filter_map(|of_topic| of_topic.first());
        let others = topics.map(|first| &first.topic).filter(|topic| !assigned.contains(topic));
        self.abandoned = others.cloned().collect();
    }

    fn readers(&self, group: &GroupSeen) -> Readers {
        let nobody = if self.had_members { Readers::Gone } else { Readers::NeverSeen };
        match (group.members, group.state.as_deref()) {
            (Some(0), _) | (None, Some("Empty" | "Dead")) => nobody,
            (Some(_), _) | (None, Some("Stable")) => Readers::Members,
            (None, _) => Readers::Unknown,
        }
    }
}

/// For each age where the records of a topic begin that are not older, by ascending partition.
type ExactAnswers = Vec<(Duration, Vec<(i32, Option<i64>)>)>;

fn exact_answers(offsets_at: &[OffsetsAt], topic: &Arc<str>) -> ExactAnswers {
    let answers = |offsets: &LiteMap<(Arc<str>, i32), Option<i64>>| {
        let begin = offsets.find_index(&(Arc::clone(topic), i32::MIN)).unwrap_or_else(|place| place);
        let of_topic = offsets.as_slice().get(begin..).unwrap_or_default().iter();
        let of_topic = of_topic.take_while(|((name, _), _)| name == topic);
        of_topic.map(|((_, partition), offset)| (*partition, *offset)).collect()
    };
    offsets_at.iter().map(|at| (at.age, answers(&at.offsets))).collect()
}

fn answer(answers: &[(i32, Option<i64>)], partition: i32) -> Option<Option<i64>> {
    let place = answers.binary_search_by_key(&partition, |(partition, _)| *partition).ok()?;
    answers.get(place).map(|(_, offset)| *offset)
}

/// Whether the oldest unread record of a partition is older than an age. `begins`: where the records begin that are
/// not; `Some(None)`: there are no such records.
fn is_older(begins: Option<Option<i64>>, next: i64, lag: Option<i64>) -> Option<bool> {
    match (lag?, begins) {
        (0, _) => Some(false),
        (_, Some(Some(offset))) => Some(offset > next),
        (_, Some(None)) => Some(true),
        (_, None) => None,
    }
}

/// One that is older makes the topic older; all must be known not to be, else.
fn any_older(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        (None, _) | (_, None) => None,
    }
}

impl GroupTopic {
    fn observe(
        &mut self,
        committed: &[Committed],
        topic: &TopicSeen,
        poll: Poll,
        mut ages: TopicAges<'_>,
        exact: &ExactAnswers,
    ) -> GroupTopicView {
        let mut view = GroupTopicView { complete: true, judged: true, ..GroupTopicView::default() };
        let mut oldest = Age::ZERO;
        let mut older: Vec<_> = exact.iter().map(|(age, _)| (*age, Some(false))).collect();
        let mut partitions = Vec::with_capacity(committed.len());
        view.partitions.reserve_exact(committed.len());
        // A commit for a partition that does not exist is left from a topic that had more of them.
        for (Committed { offset, .. }, partition) in
            committed.iter().filter_map(|committed| Some((committed, topic.partition(committed.partition)?)))
        {
            let (next, lag) = lag_of(*offset, partition);
            let is_older = |answers: &[(i32, Option<i64>)]| is_older(answer(answers, partition.number), next, lag);
            let answers = exact.iter().map(|(age, answers)| (*age, is_older(answers)));
            for ((_, so_far), (_, older)) in older.iter_mut().zip(answers.clone()) {
                *so_far = any_older(*so_far, older);
            }
            let age = ages.age(partition, next, poll.now);
            let age = match lag {
                Some(0) => Age::ZERO,
                Some(_) => age.with_exact(answers),
                None => Age::UNKNOWN,
            };
            oldest = oldest.oldest(age);
            let mut progress = self.progress(partition.number, *offset);
            let status = progress.observe(*offset, lag, poll);
            view.judged &= progress.is_judged();
            partitions.push(progress);
            view.add(GroupPartitionView {
                partition: partition.number,
                committed: *offset,
                lag,
                lag_seconds: age.seconds().map(|seconds| seconds.value as f32),
                status,
            });
        }
        self.partitions = partitions.into();
        view.lag_seconds = view.lag.and_then(|_| oldest.seconds());
        view.older_than = older;
        view
    }

    /// What is left when the coordinator could not tell what the group committed.
    fn carry_over(&self, topic: &TopicSeen, now: Moment, mut ages: TopicAges<'_>) -> GroupTopicView {
        let mut view = GroupTopicView::default();
        for progress in &self.partitions {
            let Some(partition) = topic.partition(progress.partition()) else { continue };
            ages.age(partition, progress.committed(), now);
            view.add(GroupPartitionView {
                partition: progress.partition(),
                committed: progress.committed(),
                lag: None,
                lag_seconds: None,
                status: progress.status(),
            });
        }
        view
    }

    fn progress(&self, partition: i32, committed: i64) -> Progress {
        let place = self.partitions.binary_search_by_key(&partition, Progress::partition);
        let known = place.ok().and_then(|place| self.partitions.get(place));
        known.cloned().unwrap_or_else(|| Progress::found(partition, committed))
    }
}

/// The next record to read and how many are left. Without the log's start nobody knows how much of it retention took.
fn lag_of(committed: i64, partition: &PartitionSeen) -> (i64, Option<i64>) {
    let start = partition.earliest.unwrap_or(0);
    let next = next_to_read(Some(committed), start).unwrap_or(start);
    let known = partition.earliest.zip(partition.latest);
    (next, known.and_then(|(start, end)| lag(Some(committed), start, end)))
}

impl GroupTopicView {
    /// Whether its status can be told: what is bad is certain, what is good only when all was judged.
    pub fn is_judged(&self) -> bool {
        self.status != GroupStatus::Ok || (self.judged && self.complete)
    }

    fn add(&mut self, partition: GroupPartitionView) {
        self.status = self.status.max(partition.status);
        self.complete &= partition.lag.is_some();
        self.lag = match (self.lag, partition.lag) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        self.partitions.push(partition);
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
