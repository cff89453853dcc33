//! Which event may be sent next. Events with the same order value share a lane: its head is ready, out, or waiting for
//! its next attempt; the others queue behind it. A lane exists only while it has a head, so that a million keys cost
//! nothing once their events are settled.
//!
//! Knows event numbers and lane keys; knows nothing of events, endpoints or retries.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::logic::moment::Moment;

/// Numbers the events of a route in the order in which they were prepared; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// What makes events wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    /// A partition, by its index in the route.
    Partition(usize),
    /// Equal bytes: a record key, or what the order expression gave.
    Value(Vec<u8>),
}

/// The lanes of a route, and the events at their heads.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Events that queue behind the head of their lane.
    behind: HashMap<LaneKey, VecDeque<EventId>>,
    /// Heads never sent so far, in order of arrival.
    ready: VecDeque<EventId>,
    /// Heads that were refused, by the moment of their next attempt.
    waiting: BinaryHeap<Reverse<(Moment, EventId)>>,
}

impl Lanes {
    /// Takes in an event; without a key it waits for no other.
    pub(super) fn admit(&mut self, id: EventId, key: Option<&LaneKey>) {
        let Some(key) = key else {
            self.ready.push_back(id);
            return;
        };
        if let Some(queue) = self.behind.get_mut(key) {
            queue.push_back(id);
        } else {
            self.behind.insert(key.clone(), VecDeque::new());
            self.ready.push_back(id);
        }
    }

    /// The head of `key` needs no more work: the next event of the lane becomes ready.
    pub(super) fn release(&mut self, key: &LaneKey) {
        match self.behind.get_mut(key).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => {
                self.behind.remove(key);
            }
        }
    }

    /// A head was refused and is tried again at `due`.
    pub(super) fn wait(&mut self, id: EventId, due: Moment) {
        self.waiting.push(Reverse((due, id)));
    }

    /// Takes the next event to send: one whose waiting time is over comes before one never tried, since it is older.
    pub(super) fn next(&mut self, now: Moment) -> Option<EventId> {
        self.next_due(now).or_else(|| self.ready.pop_front())
    }

    /// Takes the next event to try an endpoint with that seems to be down: rather one never tried, in case it is the
    /// refused events that are at fault; else the one that has waited longest, whether or not its time has come.
    pub(super) fn next_probe(&mut self) -> Option<EventId> {
        self.ready.pop_front().or_else(|| self.waiting.pop().map(|Reverse((_, id))| id))
    }

    /// Puts back an event that `next` or `next_probe` gave out and that could not be sent after all.
    pub(super) fn put_back(&mut self, id: EventId) {
        self.ready.push_front(id);
    }

    /// Takes the oldest of all heads. Looks at each of them: for rare occasions.
    pub(super) fn take_oldest(&mut self) -> Option<EventId> {
        let ready = self.ready.iter().copied().min();
        let waiting = self.waiting.iter().map(|Reverse((_, id))| *id).min();
        match (ready, waiting) {
            (Some(oldest), other) if other.is_none_or(|other| oldest < other) => {
                self.ready.retain(|id| *id != oldest);
                Some(oldest)
            }
            (_, Some(oldest)) => {
                self.waiting.retain(|Reverse((_, id))| *id != oldest);
                Some(oldest)
            }
            (_, None) => None,
        }
    }

    /// Gives every waiting event its next attempt now, in order of age, but for those that `must_wait` names.
    pub(super) fn wake_all(&mut self, mut must_wait: impl FnMut(EventId) -> bool) {
        let (still_waiting, mut woken): (Vec<_>, Vec<_>) =
            self.waiting.drain().partition(|Reverse((_, id))| must_wait(*id));
        self.waiting = still_waiting.into();
        woken.sort_unstable_by_key(|Reverse((_, id))| *id);
        for Reverse((_, id)) in woken.into_iter().rev() {
            self.ready.push_front(id);
        }
    }

    /// Whether nothing could be sent, now or later.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.waiting.is_empty()
    }

    /// When the first waiting event is due.
    pub(super) fn next_attempt(&self) -> Option<Moment> {
        self.waiting.peek().map(|Reverse((due, _))| *due)
    }

    fn next_due(&mut self, now: Moment) -> Option<EventId> {
        if self.next_attempt()? > now {
            return None;
        }
        self.waiting.pop().map(|Reverse((_, id))| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn key(value: &str) -> LaneKey {
        LaneKey::Value(value.into())
    }

    fn all(lanes: &mut Lanes, now: Moment) -> Vec<u64> {
        std::iter::from_fn(|| lanes.next(now)).map(|id| id.0).collect()
    }

    #[test]
    fn only_the_head_of_a_lane_may_be_sent_and_free_events_wait_for_nobody() {
        let mut lanes = Lanes::default();
        lanes.admit(EventId(1), Some(&key("a")));
        lanes.admit(EventId(2), Some(&key("a")));
        lanes.admit(EventId(3), Some(&key("b")));
        lanes.admit(EventId(4), None);
        assert_eq!(all(&mut lanes, at(0)), [1, 3, 4]);
        lanes.release(&key("a"));
        assert_eq!(all(&mut lanes, at(0)), [2]);
    }

    #[test]
    fn a_waiting_head_holds_back_its_lane_alone_and_comes_first_when_it_is_due() {
        let mut lanes = Lanes::default();
        lanes.admit(EventId(1), Some(&key("a")));
        lanes.admit(EventId(2), Some(&key("a")));
        assert_eq!(lanes.next(at(0)), Some(EventId(1)));
        lanes.wait(EventId(1), at(5));
        lanes.admit(EventId(3), Some(&key("b")));
        assert_eq!(all(&mut lanes, at(4)), [3], "1 is not due, and 2 is behind it");
        lanes.admit(EventId(4), None);
        assert_eq!(all(&mut lanes, at(5)), [1, 4]);
    }

    #[test]
    fn a_lane_is_forgotten_with_its_last_event() {
        let mut lanes = Lanes::default();
        lanes.admit(EventId(1), Some(&key("a")));
        lanes.next(at(0));
        lanes.release(&key("a"));
        assert!(lanes.behind.is_empty());
    }

    #[test]
    fn probes_rotate_so_that_a_poisonous_event_cannot_keep_the_endpoint_down() {
        let mut lanes = Lanes::default();
        lanes.admit(EventId(1), None);
        lanes.admit(EventId(2), None);
        assert_eq!(lanes.next_probe(), Some(EventId(1)));
        lanes.wait(EventId(1), at(10));
        assert_eq!(lanes.next_probe(), Some(EventId(2)));
        lanes.wait(EventId(2), at(20));
        assert_eq!(lanes.next_probe(), Some(EventId(1)), "whether or not it is due");
    }

    #[test]
    fn the_oldest_head_is_found_wherever_it_is() {
        let mut lanes = Lanes::default();
        lanes.wait(EventId(7), at(9));
        lanes.admit(EventId(8), None);
        lanes.wait(EventId(5), at(99));
        let taken: Vec<_> = std::iter::from_fn(|| lanes.take_oldest()).map(|id| id.0).collect();
        assert_eq!(taken, [5, 7, 8]);
    }

    #[test]
    fn waking_keeps_the_order_of_age_and_those_who_must_wait() {
        let mut lanes = Lanes::default();
        for (id, due) in [(3, 30), (1, 99), (2, 20)] {
            lanes.wait(EventId(id), at(due));
        }
        lanes.wake_all(|id| id == EventId(2));
        assert_eq!(all(&mut lanes, at(0)), [1, 3]);
        assert_eq!(lanes.next_attempt(), Some(at(20)));
    }
}
