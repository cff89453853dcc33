//! ListOffsets for all partitions that a broker leads.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::topic_name;
use crate::kafka::list_offsets::OffsetSpec;
use crate::kafka::wire::{Client, Error, KafkaError};

/// The partitions to ask about: topics by ascending name, each once, with their partitions, each once (a broker refuses
/// a request that has one twice).
pub type OffsetsWanted = Vec<(Arc<str>, Vec<i32>)>;

/// A topic's part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// Its partitions as they came. No offset: no record is as late as the time asked for.
    pub partitions: Vec<(i32, Result<Option<i64>, KafkaError>)>,
}

impl Client {
    /// One offset of each partition of `wanted`, from `leader`. A partition that it leaves out is missing.
    ///
    /// # Errors
    /// When the request fails as a whole.
    pub async fn survey_offsets(
        &self,
        leader: i32,
        spec: OffsetSpec,
        wanted: &OffsetsWanted,
    ) -> Result<Vec<ListedTopic>, Error> {
        let (_, answer) = self.ask(leader, i16::MAX, Duration::ZERO, &|_| request(spec, wanted)).await?;
        let mut listed = Vec::with_capacity(answer.topics.len());
        for topic in &answer.topics {
            let place = wanted.binary_search_by(|(name, _)| name.as_ref().cmp(topic.name.as_str()));
            let Some((name, _)) = place.ok().and_then(|place| wanted.get(place)) else { continue };
            let partitions = topic.partitions.iter().map(|it| {
                let offset = (it.offset >= 0).then_some(it.offset);
                (it.partition_index, KafkaError::from_code(it.error_code).map_or(Ok(offset), Err))
            });
            listed.push(ListedTopic { topic: Arc::clone(name), partitions: partitions.collect() });
        }
        Ok(listed)
    }
}

/// Without leader epochs: who leads may change while we look, and either leader's answer is good.
fn request(spec: OffsetSpec, wanted: &OffsetsWanted) -> ListOffsetsRequest {
    let timestamp = spec.timestamp();
    let partition =
        |number: &i32| ListOffsetsPartition::default().with_partition_index(*number).with_timestamp(timestamp);
    let topic = |(name, partitions): &(Arc<str>, Vec<i32>)| {
        let partitions = partitions.iter().map(partition).collect();
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions)
    };
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(spec.isolation())
        .with_topics(wanted.iter().map(topic).collect())
}
