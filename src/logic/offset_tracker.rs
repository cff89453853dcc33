//! Which records of a partition still have to be delivered, and which offset may therefore be stored.
//!
//! Records arrive in offset order and are settled (delivered, dead-lettered, dropped, filtered) in any order. What is
//! kept is the set of records NOT yet settled. It is bounded by the forward's buffer, however long one stuck record
//! holds back the stored offset and however many later ones are delivered meanwhile; and storing it is all that a
//! restart needs to repeat none of those. Offsets have gaps (compaction, aborted transactions, control records), so
//! nothing here counts: it compares with what arrived.
//!
//! Pure: knows no client, no file and no clock. The forward loop feeds it; the state stores its snapshots.

use std::collections::BTreeSet;

/// A position in a partition as Kafka means it: the offset of the next record, one past the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64);

/// A record handed out for delivery. Its answer may come back after the partition was reset or taken away, and must
/// not settle the record that has the same offset in the life after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub offset: i64,
    life: u64,
}

/// What a restart continues from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Everything at or above has not been read.
    pub fetched: Position,
    /// Read, but not settled; all other offsets below `fetched` are done.
    pub unsettled: BTreeSet<i64>,
}

impl Snapshot {
    pub fn starting_at(position: Position) -> Self {
        Self { fetched: position, unsettled: BTreeSet::new() }
    }

    /// The offset that Kafka and its tools may be told: everything below it is settled.
    pub fn storable(&self) -> Position {
        self.unsettled.first().map_or(self.fetched, |&offset| Position(offset))
    }
}

/// The records of one partition between fetch and settlement.
#[derive(Debug)]
pub struct OffsetTracker {
    life: u64,
    /// Unsettled in the snapshot we began with, and not yet read again.
    awaited: BTreeSet<i64>,
    /// Below this only awaited records are delivered: the rest was done before the restart.
    resumed_until: Position,
    /// Handed out and not settled.
    unsettled: BTreeSet<i64>,
    /// Where the next fetch begins.
    next: Position,
}

impl OffsetTracker {
    /// `life` must differ from that of every earlier tracker of this partition.
    pub fn resume(snapshot: Snapshot, life: u64) -> Self {
        let next = snapshot.storable();
        Self { life, awaited: snapshot.unsettled, resumed_until: snapshot.fetched, unsettled: BTreeSet::new(), next }
    }

    /// Where the next fetch begins.
    pub fn next(&self) -> Position {
        self.next
    }

    /// A fetch answered with these offsets (ascending) and reached `next`; returns what is to be delivered.
    ///
    /// `next` may lie beyond the last record, also with no record at all: a log may end in control batches, and
    /// without this step its lag would never become zero. A broker answers with whole batches, so offsets below
    /// the position asked for are repeats.
    pub fn received(&mut self, offsets: impl IntoIterator<Item = i64>, next: Position) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for offset in offsets {
            let fresh = offset >= self.resumed_until.0 || self.awaited.contains(&offset);
            if offset >= self.next.0 && fresh {
                self.unsettled.insert(offset);
                tickets.push(Ticket { offset, life: self.life });
            }
        }
        self.next = self.next.max(next);
        // An awaited record that the log no longer holds (compacted, expired) will never come.
        self.awaited = self.awaited.split_off(&self.next.0);
        tickets
    }

    /// The record needs no more work. False: it is not ours any more, and must not be counted either.
    pub fn settled(&mut self, ticket: Ticket) -> bool {
        ticket.life == self.life && self.unsettled.remove(&ticket.offset)
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            fetched: self.next.max(self.resumed_until),
            unsettled: self.unsettled.union(&self.awaited).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> OffsetTracker {
        OffsetTracker::resume(Snapshot::starting_at(Position(0)), 1)
    }

    fn offsets(tickets: &[Ticket]) -> Vec<i64> {
        tickets.iter().map(|ticket| ticket.offset).collect()
    }

    /// One fetch of `received` that reaches `next`, then `settled` in that order: what may be stored?
    #[track_caller]
    fn check(rule: &str, received: &[i64], next: i64, settled: &[i64], storable: i64) {
        let mut tracker = fresh();
        let tickets = tracker.received(received.iter().copied(), Position(next));
        for offset in settled {
            let ticket = tickets.iter().find(|ticket| ticket.offset == *offset).expect("a record that was received");
            tracker.settled(*ticket);
        }
        assert_eq!(tracker.snapshot().storable(), Position(storable), "{rule}");
    }

    #[test]
    fn storable_offset() {
        check("nothing settled, nothing stored", &[0, 1, 2], 3, &[], 0);
        check("in order", &[0, 1, 2], 3, &[0, 1], 2);
        check("the first record holds back all later ones", &[0, 1, 2], 3, &[2, 1], 0);
        check("and lets them all go at once", &[0, 1, 2], 3, &[2, 1, 0], 3);
        check("a compaction gap is stepped over", &[0, 7, 9], 10, &[0], 7);
        check("a log that ends in control batches is read to its end", &[0, 1], 5, &[0, 1], 5);
        check("a fetch with nothing for us", &[], 4, &[], 4);
        check("settling twice changes nothing", &[0, 1], 2, &[0, 0], 1);
    }

    #[test]
    fn a_restart_delivers_the_stuck_record_and_none_of_those_settled_behind_it() {
        let mut before = fresh();
        let tickets = before.received(0..6, Position(6));
        for ticket in tickets.into_iter().filter(|ticket| ticket.offset != 2 && ticket.offset != 5) {
            assert!(before.settled(ticket));
        }
        let mut after = OffsetTracker::resume(before.snapshot(), 2);
        assert_eq!(after.next(), Position(2));
        assert_eq!(offsets(&after.received(0..8, Position(8))), [2, 5, 6, 7]);
    }

    #[test]
    fn a_crash_during_the_second_reading_forgets_nothing() {
        let mut first = fresh();
        first.received(0..6, Position(6));
        let mut second = OffsetTracker::resume(first.snapshot(), 2);
        let tickets = second.received(0..3, Position(3));
        assert!(tickets.into_iter().all(|ticket| second.settled(ticket)));
        let mut third = OffsetTracker::resume(second.snapshot(), 3);
        assert_eq!(offsets(&third.received(0..7, Position(7))), [3, 4, 5, 6]);
    }

    #[test]
    fn an_awaited_record_that_was_compacted_away_does_not_hold_the_offset_for_ever() {
        let mut before = fresh();
        before.received([0, 1], Position(2));
        let mut after = OffsetTracker::resume(before.snapshot(), 2);
        let tickets = after.received([1], Position(2));
        assert!(after.settled(tickets[0]));
        assert_eq!(after.snapshot(), Snapshot::starting_at(Position(2)));
    }

    #[test]
    fn an_answer_from_before_a_reset_settles_nothing() {
        let mut before = fresh();
        let late = before.received([0], Position(1))[0];
        let mut after = OffsetTracker::resume(Snapshot::starting_at(Position(0)), 2);
        after.received([0], Position(1));
        assert!(!after.settled(late));
        assert_eq!(after.snapshot().storable(), Position(0));
    }
}
