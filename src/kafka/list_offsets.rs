//! ListOffsets: where partitions begin, where they end, and which offset belongs to a time.
//!
//! One request for each leader, all at once; what one broker does not answer leaves the others' answers standing.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::at_once::all_at_once;
use super::metadata::{ClusterMetadata, TopicsWanted};
use super::wire::{Client, Error, ErrorKind, KafkaError};
use crate::logic::moment::Timestamp;
use crate::logic::record::TopicPartition;
use crate::logic::sorted_set::SortedSet;

const NAME: &str = "ListOffsets";
/// From this version on, requests carry the leader epoch.
const LEADER_EPOCH: i16 = 4;

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start: the first that still exists.
    Earliest,
    /// The high watermark: one past the last that all in-sync replicas have.
    Latest,
    /// The last stable offset: one past the last that is decided. Records of open transactions come after it.
    LastStable,
    /// The first whose timestamp is this or later.
    Time(Timestamp),
}

impl OffsetSpec {
    /// What stands for it in a request.
    pub(super) fn timestamp(self) -> i64 {
        match self {
            Self::Latest | Self::LastStable => -1,
            Self::Earliest => -2,
            // Negative times have other meanings (KIP-734), and no record is older.
            Self::Time(time) => time.0.max(0),
        }
    }

    /// A request has one isolation level for all its partitions.
    pub(super) fn isolation(self) -> i8 {
        match self {
            Self::LastStable => READ_COMMITTED,
            Self::Earliest | Self::Latest | Self::Time(_) => READ_UNCOMMITTED,
        }
    }
}

/// An offset as the leader gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// None: no record is as late as the time asked for.
    pub offset: Option<i64>,
    /// The leader epoch of that offset; none from old brokers.
    pub leader_epoch: Option<i32>,
}

/// What each partition came to.
pub type ListedOffsets = LiteMap<TopicPartition, Result<ListedOffset, Error>>;

impl Client {
    /// The offsets of `wanted`, an answer or an error for each. Where a partition stands twice, the last one counts:
    /// a broker refuses a request that has one twice. Asks for metadata where leaders are not known.
    pub async fn list_offsets(&self, wanted: &[(TopicPartition, OffsetSpec)]) -> ListedOffsets {
        let wanted: LiteMap<TopicPartition, OffsetSpec> = wanted.iter().cloned().collect();
        let mut listed = Vec::new();
        let by_leader = self.by_leader(wanted, &mut listed).await;
        let questions = by_leader
            .iter()
            .map(|((leader, isolation), partitions)| self.list_offsets_at(*leader, *isolation, partitions));
        listed.extend(all_at_once(questions).await.into_iter().flatten());
        listed.into_iter().collect()
    }

    /// Sorts the partitions by leader and isolation level; those without a leader get their error.
    async fn by_leader(
        &self,
        wanted: LiteMap<TopicPartition, OffsetSpec>,
        listed: &mut Vec<(TopicPartition, Result<ListedOffset, Error>)>,
    ) -> LiteMap<(i32, i8), LiteMap<TopicPartition, OffsetSpec>> {
        let strangers: SortedSet<Arc<str>> = {
            let known = self.known();
            let strangers = wanted.keys().filter(|partition| !known.leaders.contains_key(*partition));
            strangers.map(|partition| Arc::clone(&partition.topic)).collect()
        };
        let mut asked = None;
        if !strangers.is_empty() {
            let topics = TopicsWanted::Named(strangers.into_iter().collect());
            asked = Some(self.metadata(topics).await);
        }
        let known = self.known();
        let mut by_leader: LiteMap<(i32, i8), LiteMap<TopicPartition, OffsetSpec>> = LiteMap::new();
        for (partition, spec) in wanted {
            match known.leaders.get(&partition) {
                Some((leader, _)) => {
                    by_leader.entry((*leader, spec.isolation())).or_default().insert(partition, spec);
                }
                None => {
                    let error = match &asked {
                        Some(Err(error)) => error.clone(),
                        Some(Ok(metadata)) => self.no_leader(&partition, why_no_leader(metadata, &partition)),
                        None => self.no_leader(&partition, KafkaError::LEADER_NOT_AVAILABLE),
                    };
                    listed.push((partition, Err(error)));
                }
            }
        }
        by_leader
    }

    fn no_leader(&self, partition: &TopicPartition, error: KafkaError) -> Error {
        let broker = format!("cluster {}, {partition}", self.settings().name);
        Error { broker, request: NAME, kind: ErrorKind::Kafka(error, None) }
    }

    async fn list_offsets_at(
        &self,
        leader: i32,
        isolation: i8,
        wanted: &LiteMap<TopicPartition, OffsetSpec>,
    ) -> ListedOffsets {
        let epochs: LiteMap<TopicPartition, i32> = {
            let known = self.known();
            let epoch = |partition| known.leaders.get(partition).map(|(_, epoch)| *epoch);
            wanted.keys().filter_map(|partition| Some((partition.clone(), epoch(partition)?))).collect()
        };
        let build = |version| request(wanted, &epochs, version).with_isolation_level(isolation);
        let answer = self.ask(leader, i16::MAX, Duration::ZERO, &build).await;
        let answers = match answer {
            Ok((_, answer)) => understand(&answer),
            Err(error) => {
                self.forget_leaders(wanted.keys());
                return wanted.keys().map(|partition| (partition.clone(), Err(error.clone()))).collect();
            }
        };
        let left_out = ErrorKind::Protocol("it left the partition out of its answer".to_owned());
        let result = |partition: &TopicPartition| {
            let answer = answers.get(partition).copied().unwrap_or(Err(None));
            answer.map_err(|error| {
                if error.is_some_and(KafkaError::needs_metadata) {
                    self.forget_leaders([partition]);
                }
                let kind = error.map_or_else(|| left_out.clone(), |error| ErrorKind::Kafka(error, None));
                self.error_at(leader, NAME, kind)
            })
        };
        wanted.keys().map(|partition| (partition.clone(), result(partition))).collect()
    }

    /// The next call asks for metadata first.
    fn forget_leaders<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let mut known = self.known();
        for partition in partitions {
            known.leaders.remove(partition);
        }
    }
}

/// What metadata says about a partition that nobody leads.
fn why_no_leader(metadata: &ClusterMetadata, partition: &TopicPartition) -> KafkaError {
    let Some(topic) = metadata.topics.get(&partition.topic) else { return KafkaError::UNKNOWN_TOPIC_OR_PARTITION };
    match (topic.error, topic.partitions.get(&partition.partition)) {
        (Some(error), _) => error,
        (None, Some(known)) => known.error.unwrap_or(KafkaError::LEADER_NOT_AVAILABLE),
        (None, None) => KafkaError::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

fn request(
    wanted: &LiteMap<TopicPartition, OffsetSpec>,
    epochs: &LiteMap<TopicPartition, i32>,
    version: i16,
) -> ListOffsetsRequest {
    let mut topics: LiteMap<&Arc<str>, Vec<ListOffsetsPartition>> = LiteMap::new();
    for (key, spec) in wanted {
        let mut partition =
            ListOffsetsPartition::default().with_partition_index(key.partition).with_timestamp(spec.timestamp());
        if version >= LEADER_EPOCH {
            partition = partition.with_current_leader_epoch(epochs.get(key).copied().unwrap_or(-1));
        }
        topics.entry(&key.topic).or_default().push(partition);
    }
    let topic = |(name, partitions): (&Arc<str>, Vec<ListOffsetsPartition>)| {
        let name = TopicName(StrBytes::from_string(name.as_ref().to_owned()));
        ListOffsetsTopic::default().with_name(name).with_partitions(partitions)
    };
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.into_iter().map(topic).collect())
}

type Answers = LiteMap<TopicPartition, Result<ListedOffset, Option<KafkaError>>>;

fn understand(answer: &ListOffsetsResponse) -> Answers {
    let mut answers = Vec::new();
    for topic in &answer.topics {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        for partition in &topic.partitions {
            let key = TopicPartition { topic: Arc::clone(&name), partition: partition.partition_index };
            let not_negative = |epoch: i32| (epoch >= 0).then_some(epoch);
            let listed = ListedOffset {
                offset: (partition.offset >= 0).then_some(partition.offset),
                leader_epoch: not_negative(partition.leader_epoch),
            };
            let result = KafkaError::from_code(partition.error_code).map_or(Ok(listed), |error| Err(Some(error)));
            answers.push((key, result));
        }
    }
    answers.into_iter().collect()
}
