//! offsets.redb: how far each forward has come in each partition, its counters, and whether a person paused it. The
//! documents beside them have a file of their own.
//!
//! Rows are compared before they are written, so a forward that stands still costs no write at all.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, WriteTransaction};

use super::codec::{Decoder, Encoder, Malformed};
use super::documents::{self, DocumentChange};
use super::error::Fault;
use super::file::{Change, Kind, Recovery};
use super::key::{Key, KeyParts, decode_key};
use super::table::{Rows, Table};
use crate::logic::counters::Counters;
use crate::logic::offset_tracker::{Position, Snapshot};
use crate::logic::record::TopicPartition;

/// By forward.
const FORWARDS: Table = Table::named("forwards");
/// By forward, topic and partition.
const PARTITIONS: Table = Table::named("partitions");

pub(super) const KIND: Kind = Kind {
    name: super::OFFSETS_FILE,
    recovery: Recovery::Verify,
    tables: &[FORWARDS, PARTITIONS, documents::DOCUMENTS],
};

/// What is stored about a forward. For one that never stored anything: nothing read, not paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredForward {
    /// The topics as the configuration named them when offsets were last stored.
    pub patterns: Vec<String>,
    /// Paused by a person.
    pub paused: bool,
    /// Of the same moment as the partitions.
    pub counters: Counters,
    /// In order of topic and partition.
    pub partitions: Vec<StoredPartition>,
}

/// How far a forward has come in a partition, and which partition that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPartition {
    /// The partition's name.
    pub topic_partition: TopicPartition,
    /// The id of the cluster that the offsets belong to, where it is known.
    pub cluster_id: Option<String>,
    /// The id of the topic, where the brokers give one (Metadata v10): a topic that was deleted and created again
    /// has another.
    pub topic_id: Option<[u8; 16]>,
    /// The leader epoch of the last record read; −1 where it is not known.
    pub leader_epoch: i32,
    /// How many times the topic was created again since the forward first read it. Part of the idempotency key, so
    /// that new records at old offsets are not taken for repeats.
    pub recreated: u32,
    /// What a restart continues from.
    pub snapshot: Snapshot,
}

/// What a forward stores: in one transaction, so that counters and offsets always fit each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOffsets {
    /// The partitions that may have changed; others stay as they are.
    pub partitions: Vec<StoredPartition>,
    /// The counters at the moment of the snapshots.
    pub counters: Counters,
    /// The topics as the configuration names them; none: as stored before.
    pub patterns: Option<Vec<String>>,
}

/// A change to offsets.redb.
pub(super) enum OffsetsWrite {
    Store {
        forward: String,
        offsets: StoreOffsets,
    },
    SetPaused {
        forward: String,
        paused: bool,
    },
    SetPosition {
        forward: String,
        topic_partition: TopicPartition,
        position: Position,
    },
    ForgetPartition {
        forward: String,
        topic_partition: TopicPartition,
    },
    /// Each of these takes the place of all that is stored for its name.
    Replace {
        forwards: Vec<(String, StoredForward)>,
    },
    ChangeDocuments(Vec<DocumentChange>),
}

impl OffsetsWrite {
    pub(super) fn apply(&self, transaction: &WriteTransaction) -> Result<Change, Fault> {
        match self {
            Self::Store { forward, offsets } => store(transaction, forward, offsets),
            Self::SetPaused { forward, paused } => update_forward(transaction, forward, |row| row.paused = *paused),
            Self::SetPosition { forward, topic_partition, position } => {
                set_position(transaction, forward, topic_partition, *position)
            }
            Self::ForgetPartition { forward, topic_partition } => {
                let mut table = PARTITIONS.writer(transaction)?;
                let removed = table.remove(&partition_key(forward, topic_partition))?.is_some();
                Ok(if removed { Change::Made } else { Change::None })
            }
            Self::Replace { forwards } => forwards.iter().try_fold(Change::None, |change, (name, forward)| {
                remove_partitions(transaction, name)?;
                write_forward(transaction, name, forward).map(|()| change.or(Change::Made))
            }),
            Self::ChangeDocuments(changes) => documents::apply(transaction, changes),
        }
    }
}

/// What is stored about one forward.
pub(super) fn forward(transaction: &ReadTransaction, name: &str) -> Result<StoredForward, Fault> {
    let forwards = FORWARDS.reader(transaction)?;
    let row = forwards.get(&forward_key(name))?.map(|row| decode_forward(row.value())).transpose()?;
    Ok(StoredForward { partitions: partitions(&PARTITIONS.reader(transaction)?, name)?, ..row.unwrap_or_default() })
}

/// Everything, by name of the forward.
pub(super) fn forwards(transaction: &ReadTransaction) -> Result<Vec<(String, StoredForward)>, Fault> {
    let mut forwards = BTreeMap::new();
    for row in FORWARDS.reader(transaction)?.rows(Key::new())? {
        let (key, value) = row?;
        forwards.insert(decode_key(key.value(), KeyParts::text)?, decode_forward(value.value())?);
    }
    for row in PARTITIONS.reader(transaction)?.rows(Key::new())? {
        let (key, value) = row?;
        let (name, topic_partition) = decode_partition_key(key.value())?;
        let stored = decode_partition(topic_partition, value.value())?;
        forwards.entry(name).or_default().partitions.push(stored);
    }
    Ok(forwards.into_iter().collect())
}

/// Whether anything is stored under the name.
pub(super) fn is_known(transaction: &ReadTransaction, name: &str) -> Result<bool, Fault> {
    Ok(FORWARDS.reader(transaction)?.get(&forward_key(name))?.is_some()
        || !partitions(&PARTITIONS.reader(transaction)?, name)?.is_empty())
}

/// Moves everything stored under `old` to `new`, under which nothing is stored.
pub(super) fn rename(transaction: &WriteTransaction, old: &str, new: &str) -> Result<Change, Fault> {
    let mut forwards = FORWARDS.writer(transaction)?;
    let row = forwards.remove(&forward_key(old))?.map(|row| decode_forward(row.value())).transpose()?;
    // redb lends a table to one at a time.
    drop(forwards);
    let forward = StoredForward { partitions: remove_partitions(transaction, old)?, ..row.unwrap_or_default() };
    write_forward(transaction, new, &forward)?;
    Ok(Change::Made)
}

fn store(transaction: &WriteTransaction, forward: &str, offsets: &StoreOffsets) -> Result<Change, Fault> {
    let mut change = update_forward(transaction, forward, |row| {
        row.counters = offsets.counters;
        if let Some(patterns) = &offsets.patterns {
            row.patterns.clone_from(patterns);
        }
    })?;
    let mut table = PARTITIONS.writer(transaction)?;
    for partition in &offsets.partitions {
        let key = partition_key(forward, &partition.topic_partition);
        let row = encode_partition(partition);
        if table.get(&key)?.is_none_or(|stored| stored.value() != row) {
            table.insert(&key, &row)?;
            change = Change::Made;
        }
    }
    Ok(change)
}

fn set_position(
    transaction: &WriteTransaction,
    forward: &str,
    topic_partition: &TopicPartition,
    position: Position,
) -> Result<Change, Fault> {
    let mut table = PARTITIONS.writer(transaction)?;
    let key = partition_key(forward, topic_partition);
    let stored = table.get(&key)?.map(|row| decode_partition(topic_partition.clone(), row.value())).transpose()?;
    let mut partition = stored.unwrap_or_else(|| StoredPartition {
        topic_partition: topic_partition.clone(),
        cluster_id: None,
        topic_id: None,
        leader_epoch: -1,
        recreated: 0,
        snapshot: Snapshot::starting_at(position),
    });
    // The epoch belonged to the record before the old position; at the new one it would look like a truncated log.
    partition.leader_epoch = -1;
    partition.snapshot = Snapshot::starting_at(position);
    table.insert(&key, &encode_partition(&partition))?;
    Ok(Change::Made)
}

fn update_forward(
    transaction: &WriteTransaction,
    name: &str,
    update: impl FnOnce(&mut StoredForward),
) -> Result<Change, Fault> {
    let mut table = FORWARDS.writer(transaction)?;
    let key = forward_key(name);
    let stored = table.get(&key)?.map(|row| decode_forward(row.value())).transpose()?;
    let mut forward = stored.clone().unwrap_or_default();
    update(&mut forward);
    if stored.as_ref() == Some(&forward) {
        return Ok(Change::None);
    }
    table.insert(&key, &encode_forward(&forward))?;
    Ok(Change::Made)
}

fn write_forward(transaction: &WriteTransaction, name: &str, forward: &StoredForward) -> Result<(), Fault> {
    FORWARDS.writer(transaction)?.insert(&forward_key(name), &encode_forward(forward))?;
    let mut table = PARTITIONS.writer(transaction)?;
    for partition in &forward.partitions {
        table.insert(&partition_key(name, &partition.topic_partition), &encode_partition(partition))?;
    }
    Ok(())
}

fn remove_partitions(transaction: &WriteTransaction, name: &str) -> Result<Vec<StoredPartition>, Fault> {
    let mut table = PARTITIONS.writer(transaction)?;
    let removed = partitions(&table, name)?;
    for partition in &removed {
        table.remove(&partition_key(name, &partition.topic_partition))?;
    }
    Ok(removed)
}

fn partitions(table: &dyn Rows, name: &str) -> Result<Vec<StoredPartition>, Fault> {
    let mut partitions = Vec::new();
    for row in table.rows(forward_key(name))? {
        let (key, value) = row?;
        let (_, topic_partition) = decode_partition_key(key.value())?;
        partitions.push(decode_partition(topic_partition, value.value())?);
    }
    Ok(partitions)
}

/// The key of a forward, and the beginning of those of its partitions.
fn forward_key(name: &str) -> Key {
    Key::new().text(name)
}

fn partition_key(forward: &str, topic_partition: &TopicPartition) -> Key {
    forward_key(forward).text(&topic_partition.topic).i32(topic_partition.partition)
}

fn decode_partition_key(key: &[u8]) -> Result<(String, TopicPartition), Malformed> {
    decode_key(key, |key| Ok((key.text()?, TopicPartition::new(key.text()?, key.i32()?))))
}

fn encode_forward(forward: &StoredForward) -> Vec<u8> {
    let mut row = Encoder::with_capacity(64);
    row.unsigned(u64::from(forward.paused));
    let Counters { consumed, delivered, filtered, skipped, dropped, dead_lettered, retries, lost_offsets } =
        forward.counters;
    for counter in [consumed, delivered, filtered, skipped, dropped, dead_lettered, retries, lost_offsets] {
        row.unsigned(counter);
    }
    row.unsigned(forward.patterns.len() as u64);
    for pattern in &forward.patterns {
        row.bytes(pattern.as_bytes());
    }
    row.finish()
}

fn decode_forward(row: &[u8]) -> Result<StoredForward, Malformed> {
    let mut row = Decoder::new(row)?;
    let paused = row.unsigned()? != 0;
    // In the order of encode_forward.
    let counters = Counters {
        consumed: row.unsigned()?,
        delivered: row.unsigned()?,
        filtered: row.unsigned()?,
        skipped: row.unsigned()?,
        dropped: row.unsigned()?,
        dead_lettered: row.unsigned()?,
        retries: row.unsigned()?,
        lost_offsets: row.unsigned()?,
    };
    let mut patterns = Vec::new();
    for _ in 0..row.unsigned()? {
        patterns.push(row.text()?.to_owned());
    }
    row.finish()?;
    Ok(StoredForward { patterns, paused, counters, partitions: Vec::new() })
}

fn encode_partition(partition: &StoredPartition) -> Vec<u8> {
    let mut row = Encoder::with_capacity(96);
    row.optional(partition.cluster_id.as_deref(), |row, id| row.bytes(id.as_bytes()));
    row.optional(partition.topic_id.as_ref(), |row, id| row.bytes(id));
    row.signed(i64::from(partition.leader_epoch));
    row.unsigned(u64::from(partition.recreated));
    row.signed(partition.snapshot.fetched.0);
    // As runs of consecutive offsets: before an endpoint that is down everything is unsettled, and that is one run.
    let runs = runs(&partition.snapshot);
    row.unsigned(runs.len() as u64);
    let mut previous = 0i64;
    for (first, last) in runs {
        row.signed(first.wrapping_sub(previous));
        row.unsigned(last.abs_diff(first));
        previous = last;
    }
    row.finish()
}

fn decode_partition(topic_partition: TopicPartition, row: &[u8]) -> Result<StoredPartition, Malformed> {
    const OUT_OF_RANGE: Malformed = Malformed("the unsettled offsets are out of range");
    let mut row = Decoder::new(row)?;
    let cluster_id = row.optional(|row| row.text().map(str::to_owned))?;
    let topic_id = row.optional(|row| {
        <[u8; 16]>::try_from(row.bytes()?).map_err(|_| Malformed("a topic id does not have 16 bytes"))
    })?;
    let leader_epoch = row.number()?;
    let recreated = u32::try_from(row.unsigned()?).map_err(|_| OUT_OF_RANGE)?;
    let fetched = Position(row.signed()?);
    let mut unsettled = BTreeSet::new();
    let mut previous = 0i64;
    for _ in 0..row.unsigned()? {
        let first = previous.wrapping_add(row.signed()?);
        let last = first.checked_add_unsigned(row.unsigned()?).filter(|last| *last < fetched.0).ok_or(OUT_OF_RANGE)?;
        if first < 0 {
            return Err(OUT_OF_RANGE);
        }
        unsettled.extend(first..=last);
        previous = last;
    }
    row.finish()?;
    let snapshot = Snapshot { fetched, unsettled };
    Ok(StoredPartition { topic_partition, cluster_id, topic_id, leader_epoch, recreated, snapshot })
}

/// The maximal runs of consecutive unsettled offsets, as first and last. Only what lies below `fetched` says anything:
/// the rest is read again anyway.
fn runs(snapshot: &Snapshot) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for &offset in snapshot.unsettled.iter().filter(|offset| (0..snapshot.fetched.0).contains(*offset)) {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(offset) => *last = offset,
            _ => runs.push((offset, offset)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_partition() -> impl Strategy<Value = StoredPartition> {
        let fetched = 1..=i64::MAX;
        (fetched, any::<Option<String>>(), any::<Option<[u8; 16]>>(), any::<i32>(), any::<u32>())
            .prop_flat_map(|(fetched, cluster_id, topic_id, leader_epoch, recreated)| {
                let unsettled = prop::collection::btree_set((fetched - fetched.min(200))..fetched, 0..60);
                (unsettled, Just((fetched, cluster_id, topic_id, leader_epoch, recreated)))
            })
            .prop_map(|(unsettled, (fetched, cluster_id, topic_id, leader_epoch, recreated))| StoredPartition {
                topic_partition: TopicPartition::new("t", 3),
                cluster_id,
                topic_id,
                leader_epoch,
                recreated,
                snapshot: Snapshot { fetched: Position(fetched), unsettled },
            })
    }

    proptest! {
        #[test]
        fn a_partition_is_read_as_it_was_written(partition in any_partition()) {
            let row = encode_partition(&partition);
            prop_assert_eq!(decode_partition(partition.topic_partition.clone(), &row), Ok(partition));
        }
    }

    /// The row of a partition at offset 5 billion with these unsettled offsets below it: how many bytes?
    #[track_caller]
    fn check_size(rule: &str, unsettled: impl Iterator<Item = i64>, at_most: usize) {
        let end = 5_000_000_000;
        let snapshot = Snapshot { fetched: Position(end), unsettled: unsettled.map(|back| end - 1 - back).collect() };
        let row = encode_partition(&StoredPartition {
            topic_partition: TopicPartition::new("event", 0),
            cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qk".to_owned()),
            topic_id: Some([7; 16]),
            leader_epoch: 12,
            recreated: 0,
            snapshot,
        });
        assert!(row.len() <= at_most, "{rule}: {} bytes", row.len());
    }

    #[test]
    fn a_row_is_small_whatever_is_unsettled() {
        check_size("nothing unsettled", 0..0, 64);
        check_size("an endpoint that is down", 0..30_000, 80);
        check_size("one stuck record", 30_000..=30_000, 80);
        check_size("every second one", (0..30_000).step_by(2), 30_100);
    }

    #[test]
    fn an_unsettled_offset_beyond_what_was_fetched_is_not_stored() {
        let mut partition = StoredPartition {
            topic_partition: TopicPartition::new("t", 0),
            cluster_id: None,
            topic_id: None,
            leader_epoch: -1,
            recreated: 0,
            snapshot: Snapshot { fetched: Position(5), unsettled: BTreeSet::from([3, 5]) },
        };
        let row = encode_partition(&partition);
        partition.snapshot.unsettled.remove(&5);
        assert_eq!(decode_partition(partition.topic_partition.clone(), &row), Ok(partition));
    }
}
