//! When the next record of a partition was written: a look at one record, with a fetch of its own.
//!
//! A broker sends the first batch of an answer whole, so the smallest fetch is one batch. Decides nothing.

use std::time::Duration;

use litemap::LiteMap;

use super::at_once::all_at_once;
use super::fetch::{FetchPartition, FetchRequest};
use super::records::{self, Limits, Parsed};
use super::wire::Client;
use crate::logic::moment::Timestamp;
use crate::logic::record::TopicPartition;

/// Partitions looked at at once.
const AT_ONCE: usize = 16;
/// Fetches for one partition: batches without a record for us (of aborted transactions, compacted) are stepped over.
const STEPS: usize = 4;
/// For what the broker may add to the first batch.
const SMALLEST: i32 = 1;
/// Beyond this a record is cut, which its timestamp does not mind.
const MAX_RECORD_SIZE: usize = 1024;

impl Client {
    /// The timestamp of the first record at or after each offset, as a consumer of decided records would see it. A
    /// partition is missing where there is no such record, it has no timestamp, or nobody answered. Leaders must be
    /// known: ask for offsets or metadata first.
    pub async fn first_timestamps(&self, from: &[(TopicPartition, i64)]) -> LiteMap<TopicPartition, Timestamp> {
        let look = async |partition: &TopicPartition, offset| {
            let timestamp = self.first_timestamp(partition, offset).await?;
            Some((partition.clone(), timestamp))
        };
        let mut found = Vec::new();
        for some in from.chunks(AT_ONCE) {
            found.extend(all_at_once(some.iter().map(|(partition, offset)| look(partition, *offset))).await);
        }
        found.into_iter().flatten().collect()
    }

    async fn first_timestamp(&self, partition: &TopicPartition, from: i64) -> Option<Timestamp> {
        let (leader, leader_epoch) = self.known().leaders.get(partition).copied()?;
        let mut position = from;
        for _ in 0..STEPS {
            let wanted = FetchPartition {
                topic_partition: partition.clone(),
                topic_id: None,
                position,
                leader_epoch: (leader_epoch >= 0).then_some(leader_epoch),
                max_bytes: SMALLEST,
            };
            let request = FetchRequest {
                partitions: vec![wanted],
                max_bytes: SMALLEST,
                max_wait: Duration::ZERO,
                min_bytes: SMALLEST,
            };
            let answer = self.fetch(leader, request).await.ok()?.partitions.into_iter().next()?;
            if answer.error.is_some() {
                return None;
            }
            let limits = Limits { max_record_size: MAX_RECORD_SIZE, room: 0 };
            let Parsed { records, next, .. } =
                records::parse(&answer.records, position, &answer.aborted, &limits).ok()?;
            match records.first() {
                Some(record) => return (record.timestamp >= 0).then_some(Timestamp(record.timestamp)),
                None if next > position => position = next,
                None => return None,
            }
        }
        None
    }
}
