//! One fetch, from the request to records: what runs while the reader waits for other brokers. Knows one broker and
//! one answer; what follows from it, the reader decides.

use std::collections::HashMap;
use std::time::Duration;

use super::plan::{Plan, Wanted};
use crate::kafka::fetch::{FetchPartition, FetchRequest, FetchedPartition};
use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::records::{self, Limits, Parsed, RecordsError};
use crate::kafka::wire::{Client, Error, KafkaError};
use crate::logic::record::{Record, TopicPartition};

/// How long a broker keeps a request that it has no records for.
const MAX_WAIT: Duration = Duration::from_millis(500);
const SMALLEST_ANSWER: usize = 64 << 10;
const LARGEST_ANSWER: usize = 1 << 20;

/// What came of one partition of a fetch.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) wanted: Wanted,
    pub(super) outcome: Outcome,
}

/// See [`Answered`].
#[derive(Debug)]
pub(super) enum Outcome {
    /// Records, or none.
    Read { parsed: Parsed, high_watermark: i64, log_start: i64 },
    /// The position lies outside of the log.
    OutOfRange { log_start: i64, high_watermark: i64 },
    /// The broker has an error for it.
    Refused(KafkaError),
    /// The first batch cannot be read.
    Unreadable(RecordsError),
    /// Although it was this partition's turn, only a part of a batch of so many bytes came.
    CutBatch(usize),
    /// The broker did not say anything about it.
    LeftOut,
}

/// Sends the fetch and reads the answer within the plan's room. Partitions that there was no room for are left out of
/// what is returned: their turn comes.
pub(super) async fn run(client: Client, plan: Plan, max_record_size: usize) -> Result<Vec<Answered>, Error> {
    let response = client.fetch(plan.broker, request(&plan)).await?;
    let first = plan.partitions.first().map(|wanted| wanted.topic_partition.clone());
    let mut asked: HashMap<TopicPartition, Wanted> =
        plan.partitions.into_iter().map(|wanted| (wanted.topic_partition.clone(), wanted)).collect();
    let mut room = plan.room;
    let mut answers = Vec::with_capacity(asked.len());
    for partition in response.partitions {
        // Removed, so that a partition that stands twice counts once.
        let Some(wanted) = asked.remove(&partition.topic_partition) else { continue };
        let its_turn = first.as_ref() == Some(&wanted.topic_partition);
        let outcome = match partition.error {
            Some(KafkaError::OFFSET_OUT_OF_RANGE) => out_of_range(&client, &partition).await,
            Some(error) => Outcome::Refused(error),
            None if room == 0 && !partition.records.is_empty() => continue,
            None => read(&partition, &wanted, its_turn, &Limits { max_record_size, room }),
        };
        if let Outcome::Read { parsed, .. } = &outcome {
            room = room.saturating_sub(parsed.records.iter().map(Record::held_bytes).sum());
        }
        answers.push(Answered { wanted, outcome });
    }
    answers.extend(asked.into_values().map(|wanted| Answered { wanted, outcome: Outcome::LeftOut }));
    Ok(answers)
}

fn request(plan: &Plan) -> FetchRequest {
    let max_bytes = i32::try_from(plan.room.clamp(SMALLEST_ANSWER, LARGEST_ANSWER)).unwrap_or(i32::MAX);
    let partitions = plan.partitions.iter().map(|wanted| FetchPartition {
        topic_partition: wanted.topic_partition.clone(),
        topic_id: wanted.topic_id,
        position: wanted.position.0,
        leader_epoch: (wanted.leader_epoch >= 0).then_some(wanted.leader_epoch),
        max_bytes,
    });
    FetchRequest { partitions: partitions.collect(), max_bytes, max_wait: MAX_WAIT, min_bytes: 1 }
}

fn read(partition: &FetchedPartition, wanted: &Wanted, its_turn: bool, limits: &Limits) -> Outcome {
    let from = wanted.position.0;
    match records::parse(&partition.records, from, &partition.aborted, limits) {
        // A broker sends the first batch of an answer whole, so this one will not get better by asking again.
        Ok(Parsed { next, cut_batch: Some(size), .. }) if its_turn && next == from => Outcome::CutBatch(size),
        Ok(parsed) => {
            Outcome::Read { parsed, high_watermark: partition.high_watermark, log_start: partition.log_start }
        }
        Err(error) => Outcome::Unreadable(error),
    }
}

/// Where the log begins and ends; brokers without tiered storage do not say so with the error.
async fn out_of_range(client: &Client, partition: &FetchedPartition) -> Outcome {
    if partition.log_start >= 0 && partition.high_watermark >= 0 {
        return Outcome::OutOfRange { log_start: partition.log_start, high_watermark: partition.high_watermark };
    }
    match (offset(client, partition, OffsetSpec::Earliest).await, offset(client, partition, OffsetSpec::Latest).await) {
        (Some(log_start), Some(high_watermark)) => Outcome::OutOfRange { log_start, high_watermark },
        _ => Outcome::Refused(KafkaError::OFFSET_OUT_OF_RANGE),
    }
}

async fn offset(client: &Client, partition: &FetchedPartition, spec: OffsetSpec) -> Option<i64> {
    let mut listed = client.list_offsets(&[(partition.topic_partition.clone(), spec)]).await;
    listed.remove(&partition.topic_partition)?.ok()?.offset
}
