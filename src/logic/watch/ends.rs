//! Where logs ended at earlier polls, so that the age of a record can be told from its offset. Knows no groups.
//!
//! One list of poll times serves all partitions; a partition adds the growth of its end since the poll before, as a
//! varint. A point that another one stands for is dropped: the older two neighbours are, the further apart they may be
//! (an eighth of their age), so two hours take some fifty points and an age is told to an eighth, or to a poll.

use std::collections::HashMap;
use std::iter::{self, Peekable, Rev};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use super::age::Age;
use super::snapshot::{PartitionSeen, Snapshot, TopicSeen};
use crate::logic::moment::Moment;

/// Two polls may be this part of their age apart.
const RESOLUTION: u32 = 8;
/// Older polls are forgotten.
const HORIZON: Duration = Duration::from_secs(2 * 3600);
/// Thinning decodes everything, so it is not done at each poll.
const THIN_EVERY: u32 = 8;

/// The ends of all partitions that some group reads.
#[derive(Debug, Default)]
pub(super) struct Ends {
    polls: Vec<Moment>,
    since_thinned: u32,
    topics: HashMap<Arc<str>, TopicEnds>,
}

#[derive(Debug, Default)]
struct TopicEnds {
    id: Option<[u8; 16]>,
    /// By ascending partition.
    rings: Vec<Ring>,
}

/// The ends of one topic, to ask for ages.
pub(super) struct TopicAges<'a> {
    polls: &'a [Moment],
    rings: &'a mut Vec<Ring>,
}

impl Ends {
    /// Adds what a poll saw to every partition that was read before. A topic that is gone, or was made again, is
    /// forgotten.
    pub(super) fn begin(&mut self, seen: &Snapshot) {
        self.polls.push(seen.taken_at);
        self.topics.retain(|name, ends| {
            let Some(topic) = seen.topics.get(name).filter(|topic| is_same(topic.id, ends.id)) else { return false };
            ends.id = topic.id.or(ends.id);
            for ring in &mut ends.rings {
                ring.read = false;
                ring.push(topic.partition(ring.partition).and_then(|partition| partition.latest));
            }
            true
        });
    }

    /// A topic that some group reads.
    pub(super) fn topic(&mut self, name: &Arc<str>, topic: &TopicSeen) -> TopicAges<'_> {
        if !self.topics.contains_key(name) {
            self.topics.insert(Arc::clone(name), TopicEnds { id: topic.id, rings: Vec::new() });
        }
        let rings = &mut self.topics.entry(Arc::clone(name)).or_default().rings;
        TopicAges { polls: &self.polls, rings }
    }

    /// Forgets partitions that no group reads any more, if all groups were seen, and points that others stand for.
    pub(super) fn finish(&mut self, groups_complete: bool) {
        if groups_complete {
            self.topics.retain(|_, ends| {
                ends.rings.retain(|ring| ring.read);
                !ends.rings.is_empty()
            });
        }
        self.since_thinned += 1;
        if self.since_thinned >= THIN_EVERY {
            self.since_thinned = 0;
            self.thin();
        }
    }

    fn thin(&mut self) {
        let keep = to_keep(&self.polls);
        let mut scratch = Vec::new();
        for ring in self.topics.values_mut().flat_map(|ends| &mut ends.rings) {
            ring.thin(&keep, &mut scratch);
        }
        let mut keep = keep.into_iter();
        self.polls.retain(|_| keep.next().unwrap_or(true));
    }

    /// Bytes on the heap, the keys of the map left out.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let rings = |ends: &TopicEnds| ends.rings.capacity() * size_of::<Ring>();
        let points = |ends: &TopicEnds| ends.rings.iter().map(|ring| ring.bytes.capacity()).sum::<usize>();
        self.topics.values().map(|ends| size_of::<TopicEnds>() + rings(ends) + points(ends)).sum()
    }
}

impl TopicAges<'_> {
    /// The age of the record at `next` if the log of the partition reaches beyond it; else zero. Notes that the
    /// partition is read.
    pub(super) fn age(&mut self, partition: &PartitionSeen, next: i64, now: Moment) -> Age {
        let place = match self.rings.binary_search_by_key(&partition.number, |ring| ring.partition) {
            Ok(place) => place,
            Err(place) => {
                self.rings.reserve_exact(1);
                self.rings.insert(place, Ring::new(partition.number, partition.latest));
                place
            }
        };
        let Some(ring) = self.rings.get_mut(place) else { return Age::UNKNOWN };
        ring.read = true;
        match partition.latest {
            None => Age::UNKNOWN,
            Some(latest) if latest <= next => Age::ZERO,
            Some(_) => ring.age(self.polls, next, now),
        }
    }
}

/// Whether a topic may be the one it was: without an id nobody knows.
pub(super) fn is_same(one: Option<[u8; 16]>, other: Option<[u8; 16]>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// For each poll whether it is kept: the newest is, and what no neighbours stand for.
fn to_keep(polls: &[Moment]) -> Vec<bool> {
    let now = polls.last().copied().unwrap_or_default();
    let mut before: Option<Moment> = None;
    let followed = polls.iter().zip(polls.iter().skip(1)).map(|(this, after)| {
        let age = now.since(*after);
        let stood_for = before.is_some_and(|before| after.since(before) <= age / RESOLUTION);
        let keep = age < HORIZON && !stood_for;
        if keep {
            before = Some(*this);
        }
        keep
    });
    followed.chain(iter::once(true)).collect()
}

/// The ends of one partition at the last polls.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ring {
    partition: i32,
    /// A group read it at the last poll.
    read: bool,
    /// The last end that is known; the next is coded as the distance from it.
    last: i64,
    /// A varint for each poll, the last for the last poll: zero where the end was not known, else one more than the
    /// distance from the end before (for the first, from zero).
    bytes: Vec<u8>,
}

impl Ring {
    fn new(partition: i32, end: Option<i64>) -> Self {
        let mut ring = Self { partition, read: true, last: 0, bytes: Vec::new() };
        ring.push(end);
        ring
    }

    /// An end that went back belongs to another log: what was known of the old one is forgotten.
    fn push(&mut self, end: Option<i64>) {
        let end = end.filter(|end| *end >= 0);
        if end.is_some_and(|end| end < self.last) {
            self.clear();
        }
        if self.bytes.capacity() - self.bytes.len() < 4 {
            self.bytes.reserve_exact(16);
        }
        encode(&mut self.bytes, &mut self.last, end);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.last = 0;
    }

    /// Newest first: most groups are near the end.
    fn ends(&self) -> NewestFirst<'_> {
        NewestFirst { bytes: self.bytes.iter().rev().peekable(), end: self.last }
    }

    /// The times at which the end was known, and the end, newest first.
    fn points(&self, polls: &[Moment]) -> impl Iterator<Item = (Moment, i64)> {
        polls.iter().rev().zip(self.ends()).filter_map(|(time, end)| Some((*time, end?)))
    }

    fn age(&self, polls: &[Moment], next: i64, now: Moment) -> Age {
        let mut after = None;
        for point in self.points(polls) {
            if point.1 <= next {
                return after.map_or(Age::UNKNOWN, |after| Age::between(Some(point), after, next, now));
            }
            after = Some(point);
        }
        after.map_or(Age::UNKNOWN, |after| Age::between(None, after, next, now))
    }

    /// `scratch` is anything, to be used again.
    fn thin(&mut self, keep: &[bool], scratch: &mut Vec<Option<i64>>) {
        scratch.clear();
        scratch.extend(keep.iter().rev().zip(self.ends()).filter(|(keep, _)| **keep).map(|(_, end)| end));
        self.clear();
        for end in scratch.iter().rev() {
            encode(&mut self.bytes, &mut self.last, *end);
        }
    }
}

/// Adds a point. Ends that are not known before the first one are no points.
fn encode(bytes: &mut Vec<u8>, last: &mut i64, end: Option<i64>) {
    let mut code = match end {
        None if bytes.is_empty() => return,
        None => 0,
        Some(end) => {
            let growth = end.saturating_sub(*last).unsigned_abs();
            *last = end;
            growth + 1
        }
    };
    while code >= 0x80 {
        bytes.push((code & 0x7f) as u8 | 0x80);
        code >>= 7;
    }
    bytes.push(code as u8);
}

struct NewestFirst<'a> {
    bytes: Peekable<Rev<slice::Iter<'a, u8>>>,
    /// The end that is told next, where it is known.
    end: i64,
}

impl Iterator for NewestFirst<'_> {
    type Item = Option<i64>;

    fn next(&mut self) -> Option<Self::Item> {
        // The last byte of a varint has the highest bits, and is the one that says that none follows.
        let mut code = u64::from(*self.bytes.next()?);
        while let Some(byte) = self.bytes.next_if(|byte| **byte >= 0x80) {
            code = code << 7 | u64::from(byte & 0x7f);
        }
        Some(code.checked_sub(1).map(|growth| {
            let end = self.end;
            self.end = end.saturating_sub_unsigned(growth);
            end
        }))
    }
}

#[cfg(test)]
#[path = "ends_tests.rs"]
mod tests;
