//! Which partition each record goes to, and in which batch. Pure.

use litemap::LiteMap;

use crate::logic::partitioner::partition_for_key;

/// Records and bytes in a batch: below the megabyte that a broker takes at once, whatever the records' heads add.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 512 * 1024;

/// Records of one partition that are written together: their places in the round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) indices: Vec<usize>,
    bytes: usize,
}

impl Batch {
    /// Whether `bytes` more would be too many. One record always has room.
    fn is_full_for(&self, bytes: usize) -> bool {
        !self.indices.is_empty()
            && (self.indices.len() >= BATCH_RECORDS || self.bytes.saturating_add(bytes) > BATCH_BYTES)
    }

    /// Both halves, in their order; none: it is one record, or none at all.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        let (left, right) = self.indices.split_at_checked(self.indices.len() / 2)?;
        let half = |indices: &[usize]| Self { indices: indices.to_vec(), bytes: self.bytes / 2 };
        (!left.is_empty()).then(|| (half(left), half(right)))
    }
}

/// Places the records of one topic. Those with a key go where Java's client puts them; those without go batch by batch
/// to one partition after the other.
#[derive(Debug)]
pub(super) struct Placement {
    partitions: i32,
    /// Where records without a key go at present.
    sticky: i32,
}

impl Placement {
    /// For a topic of `partitions` partitions, at least one. Begins with a partition by chance, so that many short
    /// runs do not all meet in the first.
    pub(super) fn new(partitions: i32) -> Self {
        Self { partitions, sticky: fastrand::i32(0..partitions.max(1)) }
    }

    /// The batches of each partition, in order, for records of (key, bytes). Records without a key avoid the partitions
    /// that are `closed`, while there are others.
    pub(super) fn batches<'a>(
        &mut self,
        records: impl Iterator<Item = (usize, Option<&'a [u8]>, usize)>,
        closed: impl Fn(i32) -> bool,
    ) -> LiteMap<i32, Vec<Batch>> {
        let mut batches: LiteMap<i32, Vec<Batch>> = LiteMap::new();
        for (index, key, bytes) in records {
            let partition = match key {
                Some(key) => partition_for_key(key, self.partitions).unwrap_or_default(),
                None => {
                    let open = batches.get(&self.sticky).and_then(|batches| batches.last());
                    if closed(self.sticky) || open.is_some_and(|batch| batch.is_full_for(bytes)) {
                        self.turn(&closed);
                    }
                    self.sticky
                }
            };
            let batches = batches.entry(partition).or_default();
            if batches.last().is_none_or(|batch| batch.is_full_for(bytes)) {
                batches.push(Batch::default());
            }
            if let Some(batch) = batches.last_mut() {
                batch.indices.push(index);
                batch.bytes = batch.bytes.saturating_add(bytes);
            }
        }
        // The next round begins another batch, hence elsewhere.
        self.turn(&closed);
        batches
    }

    fn turn(&mut self, closed: &impl Fn(i32) -> bool) {
        let following = (1..=self.partitions)
            .map(|step| self.sticky.saturating_add(step).checked_rem(self.partitions).unwrap_or_default());
        self.sticky = following.clone().find(|partition| !closed(*partition)).unwrap_or(self.sticky);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (partition, how many records each of its batches has).
    fn placed(placement: &mut Placement, records: &[(Option<&str>, usize)], closed: &[i32]) -> Vec<(i32, Vec<usize>)> {
        let records = records.iter().enumerate();
        let records = records.map(|(index, (key, bytes))| (index, key.map(str::as_bytes), *bytes));
        let batches = placement.batches(records, |partition| closed.contains(&partition));
        let counts = |batches: Vec<Batch>| batches.iter().map(|batch| batch.indices.len()).collect();
        batches.into_iter().map(|(partition, batches)| (partition, counts(batches))).collect()
    }

    #[test]
    fn records_without_a_key_fill_one_batch_after_the_other() {
        let mut placement = Placement { partitions: 3, sticky: 1 };
        assert_eq!(placed(&mut placement, &[(None, 10); 2], &[]), [(1, vec![2])], "together");
        assert_eq!(placed(&mut placement, &[(None, 10)], &[]), [(2, vec![1])], "the next round, the next partition");
        let many = vec![(None, 10); 501];
        assert_eq!(placed(&mut placement, &many, &[]), [(0, vec![500]), (1, vec![1])], "full by number");
        let large = [(None, 300 * 1024); 2];
        assert_eq!(placed(&mut placement, &large, &[]), [(0, vec![1]), (2, vec![1])], "full by size");
    }

    #[test]
    fn records_with_a_key_meet_those_of_others_and_keep_their_order() {
        let mut placement = Placement { partitions: 10, sticky: 0 };
        // "abc" is in partition 7 of 10 for Java's client.
        assert_eq!(placed(&mut placement, &vec![(Some("abc"), 10); 501], &[]), [(7, vec![500, 1])]);
        let huge = [(Some("abc"), 5), (Some("abc"), 2 << 20), (Some("abc"), 5)];
        assert_eq!(placed(&mut placement, &huge, &[7]), [(7, vec![1, 1, 1])], "alone in its batch; closed or not");
    }

    #[test]
    fn records_without_a_key_avoid_partitions_that_fail_while_there_are_others() {
        let mut placement = Placement { partitions: 3, sticky: 0 };
        assert_eq!(placed(&mut placement, &[(None, 1)], &[0, 1]), [(2, vec![1])]);
        assert_eq!(placed(&mut placement, &[(None, 1)], &[0, 1, 2]), [(2, vec![1])], "there is no other");
    }

    #[test]
    fn a_batch_is_halved_down_to_one_record() {
        let batch = |indices: &[usize]| Batch { indices: indices.to_vec(), bytes: 0 };
        assert_eq!(batch(&[3, 4, 5]).halves(), Some((batch(&[3]), batch(&[4, 5]))));
        assert_eq!(batch(&[3]).halves(), None);
    }
}
