//! What to fetch next: which partitions from which broker, and within how many bytes. Also who has to be left alone
//! for a while, and whose turn it is. Pure: what is under way and what came of it, it is told.

use std::collections::HashMap;
use std::time::Duration;

use litemap::LiteMap;

use super::pace::Failure;
use super::topics::Topics;
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::Position;
use crate::logic::record::TopicPartition;

/// Below this much room nothing is fetched.
const LEAST_ROOM: usize = 16 << 10;
/// Brokers that are down are asked this often at least.
const LONGEST_BROKER_PAUSE: Duration = Duration::from_secs(5);

/// A fetch to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) broker: i32,
    /// Those that waited longest for records come first.
    pub(super) partitions: Vec<Wanted>,
    /// What its records may cost to hold, in bytes.
    pub(super) room: usize,
}

/// A partition in a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) topic_partition: TopicPartition,
    pub(super) position: Position,
    pub(super) topic_id: Option<[u8; 16]>,
    pub(super) leader_epoch: i32,
}

#[derive(Debug, Default)]
struct BrokerState {
    /// The room of the fetch that is under way.
    fetching: Option<usize>,
    /// The turn in which it was last sent one.
    sent: u64,
    failures: u32,
    not_before: Moment,
}

#[derive(Debug, Default)]
struct PartitionState {
    /// The turn in which it last got records.
    served: u64,
    failures: u32,
    not_before: Moment,
    /// The pause is about this position: somewhere else it may be better.
    failed_at: Option<Position>,
}

/// Brokers and partitions as the last fetches left them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    brokers: LiteMap<i32, BrokerState>,
    partitions: HashMap<TopicPartition, PartitionState>,
    turn: u64,
}

impl Turns {
    /// The fetches that can be sent now, and when a pause ends that held back others.
    pub(super) fn plan(
        &self,
        wanted: &[(TopicPartition, Position)],
        topics: &Topics,
        room: usize,
        now: Moment,
    ) -> (Vec<Plan>, Option<Moment>) {
        let mut by_broker: LiteMap<i32, Vec<(u64, Wanted)>> = LiteMap::new();
        let mut pause_ends: Option<Moment> = None;
        let mut wait_until = |end: Moment| pause_ends = Some(pause_ends.map_or(end, |other| other.min(end)));
        for (topic_partition, position) in wanted {
            let Some(place) = topics.place_of(topic_partition) else { continue };
            let Some(leader) = place.leader else { continue };
            let list = by_broker.entry(leader).or_default();
            let state = self.partitions.get(topic_partition);
            if let Some(state) = state
                && state.failed_at == Some(*position)
                && state.not_before > now
            {
                wait_until(state.not_before);
                continue;
            }
            let wanted = Wanted {
                topic_partition: topic_partition.clone(),
                position: *position,
                topic_id: place.topic_id,
                leader_epoch: place.leader_epoch,
            };
            list.push((state.map_or(0, |state| state.served), wanted));
        }
        // A broker that is busy has its share already, and its share stays its own when it is done.
        let share = (room / by_broker.len().max(1)).max(LEAST_ROOM);
        let mut free = room.saturating_sub(self.reserved());
        let mut plans = Vec::new();
        // Where there is not room enough for all, they take turns.
        let mut by_turn: Vec<_> = by_broker.into_iter().collect();
        by_turn.sort_by_key(|(broker, _)| self.brokers.get(broker).map_or(0, |state| state.sent));
        for (broker, mut partitions) in by_turn {
            match self.brokers.get(&broker) {
                Some(state) if state.fetching.is_some() => continue,
                Some(state) if state.not_before > now => {
                    wait_until(state.not_before);
                    continue;
                }
                _ if partitions.is_empty() || free < LEAST_ROOM => continue,
                _ => {}
            }
            partitions.sort_by_key(|(served, _)| *served);
            let partitions = partitions.into_iter().map(|(_, wanted)| wanted).collect();
            let room = share.min(free);
            free -= room;
            plans.push(Plan { broker, partitions, room });
        }
        (plans, pause_ends)
    }

    /// Whether planning could bring anything.
    pub(super) fn could_fetch(&self, topics: &Topics, room: usize) -> bool {
        let is_idle = |id| self.brokers.get(id).is_none_or(|broker| broker.fetching.is_none());
        topics.leaders().iter().any(is_idle) && room.saturating_sub(self.reserved()) >= LEAST_ROOM
    }

    /// Bytes that are set aside for fetches under way.
    fn reserved(&self) -> usize {
        self.brokers.values().filter_map(|broker| broker.fetching).sum()
    }

    pub(super) fn sent(&mut self, plan: &Plan) {
        self.turn += 1;
        let state = self.brokers.entry(plan.broker).or_default();
        state.fetching = Some(plan.room);
        state.sent = self.turn;
    }

    pub(super) fn broker_answered(&mut self, broker: i32) {
        let state = self.brokers.entry(broker).or_default();
        *state = BrokerState { sent: state.sent, ..BrokerState::default() };
    }

    pub(super) fn broker_failed(&mut self, broker: i32, failure: Failure, now: Moment) {
        let state = self.brokers.entry(broker).or_default();
        state.fetching = None;
        state.failures = state.failures.saturating_add(1);
        state.not_before = now + failure.pause(state.failures, LONGEST_BROKER_PAUSE);
    }

    /// The partition answered without an error; `records`: and with some.
    pub(super) fn partition_answered(&mut self, partition: &TopicPartition, records: bool) {
        self.turn += 1;
        let state = self.partitions.entry(partition.clone()).or_default();
        let served = if records { self.turn } else { state.served };
        *state = PartitionState { served, ..PartitionState::default() };
    }

    /// Returns how often in a row it failed now.
    pub(super) fn partition_failed(
        &mut self,
        partition: &TopicPartition,
        position: Position,
        failure: Failure,
        longest: Duration,
        now: Moment,
    ) -> u32 {
        let state = self.partitions.entry(partition.clone()).or_default();
        state.failures = if state.failed_at == Some(position) { state.failures.saturating_add(1) } else { 1 };
        state.failed_at = Some(position);
        state.not_before = now + failure.pause(state.failures, longest);
        state.failures
    }

    /// Forgets what the topics no longer have. A broker that has a fetch under way is still waited for.
    pub(super) fn forget_strangers(&mut self, topics: &Topics) {
        self.partitions.retain(|partition, _| topics.place_of(partition).is_some());
        self.brokers.retain(|id, state| state.fetching.is_some() || topics.leaders().contains(id));
    }
}
