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
    /// The record's offset.
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
    /// Nothing read yet, and the first fetch begins at `position`.
    pub fn starting_at(position: Position) -> Self {
        Self { fetched: position, unsettled: BTreeSet::new() }
    }

    /// The offset that Kafka and its tools may be told: everything below it is settled.
    pub fn storable(&self) -> Position {
        self.unsettled.first().map_or(self.fetched, |&offset| Position(offset))
    }
}

/// What a fetch brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The records to deliver, in offset order.
    pub tickets: Vec<Ticket>,
    /// How many of them were never read before; the others were read in the life that this one resumed.
    pub fresh: u64,
    /// Records that were to be read again and that the log no longer holds.
    pub vanished: u64,
}

/// What a jump over a part of the log that is gone has cost.
#[derive(Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Offsets that were to be read, whether or not each held a record.
    pub lost: u64,
    /// How many of them are records that were read before and had to be read again.
    pub vanished: u64,
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

    /// A fetch answered with these offsets (ascending) and reached `next`; tells what is to be delivered.
    ///
    /// `next` may lie beyond the last record, also with no record at all: a log may end in control batches, and
    /// without this step its lag would never become zero. A broker answers with whole batches, so offsets below
    /// the position asked for are repeats.
    pub fn received(&mut self, offsets: impl IntoIterator<Item = i64>, next: Position) -> Received {
        let mut received = Received::default();
        for offset in offsets {
            if offset < self.next.0 {
                continue;
            }
            let fresh = offset >= self.resumed_until.0;
            if fresh || self.awaited.remove(&offset) {
                received.fresh += u64::from(fresh);
                self.unsettled.insert(offset);
                received.tickets.push(Ticket { offset, life: self.life });
            }
        }
        self.next = self.next.max(next);
        // An awaited record that the log no longer holds (compacted, expired) will never come.
        let still_awaited = self.awaited.split_off(&self.next.0);
        received.vanished = self.awaited.len() as u64;
        self.awaited = still_awaited;
        received
    }

    /// The log no longer holds what comes next, and reading goes on at `position`, which must not lie below.
    pub fn skip_to(&mut self, position: Position) -> Skipped {
        let unread_from = self.next.max(self.resumed_until);
        let unread = position.0.saturating_sub(unread_from.0).max(0).unsigned_abs();
        let vanished = self.received([], position).vanished;
        Skipped { lost: unread.saturating_add(vanished), vanished }
    }

    /// Whether a ticket was given out by this life of the partition.
    pub fn issued(&self, ticket: Ticket) -> bool {
        ticket.life == self.life
    }

    /// The record needs no more work. False: it is not ours any more, and must not be counted either.
    pub fn settled(&mut self, ticket: Ticket) -> bool {
        ticket.life == self.life && self.unsettled.remove(&ticket.offset)
    }

    /// Records read and not settled, in this life or the one that it resumed.
    pub fn pending(&self) -> u64 {
        (self.unsettled.len() + self.awaited.len()) as u64
    }

    /// The offset that Kafka and its tools may be told, as `Snapshot::storable`.
    pub fn storable(&self) -> Position {
        let first = self.unsettled.first().into_iter().chain(self.awaited.first()).min();
        first.map_or(self.fetched(), |&offset| Position(offset))
    }

    /// Everything below was read, in this life or the one that it resumed.
    pub fn fetched(&self) -> Position {
        self.next.max(self.resumed_until)
    }

    /// What a restart would continue from.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { fetched: self.fetched(), unsettled: self.unsettled.union(&self.awaited).copied().collect() }
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
        let tickets = tracker.received(received.iter().copied(), Position(next)).tickets;
        for offset in settled {
            let ticket = tickets.iter().find(|ticket| ticket.offset == *offset).expect("a record that was received");
            tracker.settled(*ticket);
        }
        assert_eq!(tracker.snapshot().storable(), Position(storable), "{rule}");
        assert_eq!(tracker.storable(), Position(storable), "{rule}");
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
        let tickets = before.received(0..6, Position(6)).tickets;
        for ticket in tickets.into_iter().filter(|ticket| ticket.offset != 2 && ticket.offset != 5) {
            assert!(before.settled(ticket));
        }
        let mut after = OffsetTracker::resume(before.snapshot(), 2);
        assert_eq!(after.next(), Position(2));
        assert_eq!(after.pending(), 2);
        let received = after.received(0..8, Position(8));
        assert_eq!(offsets(&received.tickets), [2, 5, 6, 7]);
        assert_eq!(received.fresh, 2, "2 and 5 were read before");
    }

    #[test]
    fn a_crash_during_the_second_reading_forgets_nothing() {
        let mut first = fresh();
        first.received(0..6, Position(6));
        let mut second = OffsetTracker::resume(first.snapshot(), 2);
        let tickets = second.received(0..3, Position(3)).tickets;
        assert!(tickets.into_iter().all(|ticket| second.settled(ticket)));
        let mut third = OffsetTracker::resume(second.snapshot(), 3);
        assert_eq!(offsets(&third.received(0..7, Position(7)).tickets), [3, 4, 5, 6]);
    }

    #[test]
    fn an_awaited_record_that_was_compacted_away_does_not_hold_the_offset_for_ever() {
        let mut before = fresh();
        before.received([0, 1], Position(2));
        let mut after = OffsetTracker::resume(before.snapshot(), 2);
        let received = after.received([1], Position(2));
        assert_eq!(received.vanished, 1);
        assert!(after.settled(received.tickets[0]));
        assert_eq!(after.snapshot(), Snapshot::starting_at(Position(2)));
    }

    #[test]
    fn a_jump_counts_what_was_never_read_and_what_had_to_be_read_again_but_not_what_was_done() {
        let mut before = fresh();
        let tickets = before.received(0..10, Position(10)).tickets;
        for ticket in tickets.into_iter().filter(|ticket| ticket.offset != 3) {
            assert!(before.settled(ticket));
        }
        let mut after = OffsetTracker::resume(before.snapshot(), 2);
        assert_eq!(after.skip_to(Position(15)), Skipped { lost: 1 + 5, vanished: 1 });
        assert_eq!(after.snapshot(), Snapshot::starting_at(Position(15)));
    }

    #[test]
    fn an_answer_from_before_a_reset_settles_nothing() {
        let mut before = fresh();
        let late = before.received([0], Position(1)).tickets[0];
        let mut after = OffsetTracker::resume(Snapshot::starting_at(Position(0)), 2);
        after.received([0], Position(1));
        assert!(!after.settled(late));
        assert_eq!(after.snapshot().storable(), Position(0));
    }
}
