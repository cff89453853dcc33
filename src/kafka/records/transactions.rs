//! Which batches of a response belong to aborted transactions. The broker names each by its producer and the first
//! offset; where it ends, the producer's abort marker in the log says. Knows no bytes.

use std::collections::HashSet;

/// A transaction of a Fetch response's list of aborted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer whose records are not to be seen.
    pub producer_id: i64,
    /// From this offset on, until the producer's next abort marker.
    pub first_offset: i64,
}

/// The aborted transactions of one response, on the way through its batches.
pub(super) struct Transactions {
    /// Not reached yet, the next one last.
    ahead: Vec<AbortedTransaction>,
    open: HashSet<i64>,
}

impl Transactions {
    pub(super) fn new(aborted: &[AbortedTransaction]) -> Self {
        let mut ahead = aborted.to_vec();
        ahead.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Self { ahead, open: HashSet::new() }
    }

    /// The batch that ends at `last_offset` is next: the transactions that began by then count from now on.
    pub(super) fn reach(&mut self, last_offset: i64) {
        while let Some(transaction) = self.ahead.pop_if(|next| next.first_offset <= last_offset) {
            self.open.insert(transaction.producer_id);
        }
    }

    pub(super) fn is_aborted(&self, producer_id: i64) -> bool {
        self.open.contains(&producer_id)
    }

    /// The producer's abort marker: what it writes from here on is another transaction.
    pub(super) fn end(&mut self, producer_id: i64) {
        self.open.remove(&producer_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_aborted_from_its_first_offset_to_the_marker() {
        let aborted = [
            AbortedTransaction { producer_id: 7, first_offset: 40 },
            AbortedTransaction { producer_id: 7, first_offset: 10 },
        ];
        let mut transactions = Transactions::new(&aborted);
        let mut seen = Vec::new();
        for (last_offset, marker) in [(9, false), (10, false), (20, false), (21, true), (30, false), (45, false)] {
            transactions.reach(last_offset);
            if marker {
                transactions.end(7);
            }
            seen.push(transactions.is_aborted(7));
        }
        assert_eq!(seen, [false, true, true, false, false, true], "an unsorted list, two transactions of one producer");
        assert!(!transactions.is_aborted(8), "another producer is not concerned");
    }
}
