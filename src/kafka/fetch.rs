//! Fetch: record batches as they stand in the log, as bytes. Reading them is the business of whoever asked.
//!
//! Always read_committed: nothing beyond the last stable offset comes, and the aborted transactions are listed, whose
//! records are still among the bytes. No fetch sessions: they gained nothing, and they are state that can be lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages as m;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::wire::{Client, Error, ErrorKind, KafkaError};
use crate::kafka::records::AbortedTransaction;
use crate::logic::record::TopicPartition;

const READ_COMMITTED: i8 = 1;
/// From these versions on, requests have topic ids instead of names, leader epochs, and no replica id of their own.
const TOPIC_IDS: i16 = 13;
const LEADER_EPOCH: i16 = 9;

/// What to fetch from one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// In the order in which the broker shall fill the answer; rotate it, so that none starves.
    pub partitions: Vec<FetchPartition>,
    /// Bytes of the whole answer; the first batch comes whole even if it is larger.
    pub max_bytes: i32,
    /// How long the broker may wait for `min_bytes`.
    pub max_wait: Duration,
    /// Bytes worth answering for.
    pub min_bytes: i32,
}

/// A partition to fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which.
    pub topic_partition: TopicPartition,
    /// The topic's id; with it a topic that was made again is an error instead of a wrong answer.
    pub topic_id: Option<[u8; 16]>,
    /// The first offset wanted.
    pub position: i64,
    /// The leader epoch that we believe in; a stale one is an error.
    pub leader_epoch: Option<i32>,
    /// Bytes from this partition.
    pub max_bytes: i32,
}

/// What a broker answered; partitions may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchResponse {
    /// In the broker's order.
    pub partitions: Vec<FetchedPartition>,
}

/// What came of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// Which.
    pub topic_partition: TopicPartition,
    /// Why there is nothing. With OFFSET_OUT_OF_RANGE some brokers fill in the offsets below; 4.x leave them at −1.
    pub error: Option<KafkaError>,
    /// One past the last record that all in-sync replicas have; −1 where unknown.
    pub high_watermark: i64,
    /// One past what is decided; −1 where unknown.
    pub last_stable_offset: i64,
    /// The first offset that exists; −1 where unknown.
    pub log_start: i64,
    /// Aborted transactions among `records`, in the broker's order.
    pub aborted: Vec<AbortedTransaction>,
    /// Whole batches, and perhaps the beginning of another. Holds the memory of the whole answer.
    pub records: Bytes,
}

impl Client {
    /// Fetches from `broker`, which must lead the partitions. Takes up to the request limit and `max_wait`.
    ///
    /// # Errors
    /// When the request fails as a whole; a partition's own error is in its answer.
    pub async fn fetch(&self, broker: i32, request: FetchRequest) -> Result<FetchResponse, Error> {
        let all_ids = request.partitions.iter().all(|partition| partition.topic_id.is_some());
        let limit = if all_ids { i16::MAX } else { TOPIC_IDS - 1 };
        let (_, answer) = self.ask(broker, limit, request.max_wait, &|version| encode(&request, version)).await?;
        match ErrorKind::from_code(answer.error_code, None) {
            Some(kind) => Err(self.error_at(broker, "Fetch", kind)),
            None => Ok(understand(answer, &request)),
        }
    }
}

fn encode(request: &FetchRequest, version: i16) -> m::FetchRequest {
    let mut topics: Vec<m::fetch_request::FetchTopic> = Vec::new();
    let mut last: Option<&Arc<str>> = None;
    for wanted in &request.partitions {
        let topic = &wanted.topic_partition.topic;
        // Neighbours of one topic are put together; the order stays the caller's.
        if last != Some(topic) {
            topics.push(topic_header(wanted, version));
            last = Some(topic);
        }
        if let Some(entry) = topics.last_mut() {
            entry.partitions.push(partition(wanted, version));
        }
    }
    m::FetchRequest::default()
        .with_max_wait_ms(i32::try_from(request.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(request.min_bytes)
        .with_max_bytes(request.max_bytes)
        .with_isolation_level(READ_COMMITTED)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(topics)
}

fn topic_header(wanted: &FetchPartition, version: i16) -> m::fetch_request::FetchTopic {
    let topic = m::fetch_request::FetchTopic::default();
    match wanted.topic_id {
        // Sixteen bytes always are one; nil is not a topic's.
        Some(id) if version >= TOPIC_IDS => topic.with_topic_id(id.to_vec().try_into().unwrap_or_default()),
        _ => {
            let name = wanted.topic_partition.topic.as_ref().to_owned();
            topic.with_topic(m::TopicName(StrBytes::from_string(name)))
        }
    }
}

fn partition(wanted: &FetchPartition, version: i16) -> m::fetch_request::FetchPartition {
    let partition = m::fetch_request::FetchPartition::default()
        .with_partition(wanted.topic_partition.partition)
        .with_fetch_offset(wanted.position)
        .with_partition_max_bytes(wanted.max_bytes);
    match wanted.leader_epoch {
        Some(epoch) if version >= LEADER_EPOCH => partition.with_current_leader_epoch(epoch),
        _ => partition,
    }
}

fn understand(answer: m::FetchResponse, request: &FetchRequest) -> FetchResponse {
    let names: LiteMap<[u8; 16], &Arc<str>> = request
        .partitions
        .iter()
        .filter_map(|partition| Some((partition.topic_id?, &partition.topic_partition.topic)))
        .collect();
    let mut partitions = Vec::new();
    for topic in answer.responses {
        let name: Arc<str> = match names.get(topic.topic_id.as_bytes()) {
            Some(name) => Arc::clone(name),
            None if !topic.topic.is_empty() => Arc::from(topic.topic.as_str()),
            // An id that was not asked for.
            None => continue,
        };
        partitions.extend(topic.partitions.into_iter().map(|partition| fetched(&name, partition)));
    }
    FetchResponse { partitions }
}

fn fetched(topic: &Arc<str>, partition: PartitionData) -> FetchedPartition {
    let aborted = partition.aborted_transactions.unwrap_or_default();
    FetchedPartition {
        topic_partition: TopicPartition { topic: Arc::clone(topic), partition: partition.partition_index },
        error: KafkaError::from_code(partition.error_code),
        high_watermark: partition.high_watermark,
        last_stable_offset: partition.last_stable_offset,
        log_start: partition.log_start_offset,
        aborted: aborted
            .iter()
            .map(|it| AbortedTransaction { producer_id: it.producer_id.0, first_offset: it.first_offset })
            .collect(),
        records: partition.records.unwrap_or_default(),
    }
}
