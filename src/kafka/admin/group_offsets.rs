//! OffsetFetch for whole groups: all that they committed, of every topic.
//!
//! From version 8 on (Kafka 3.0) many groups share a request; older brokers are asked group by group. Topics that the
//! user may not see are left out by the broker without an error.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::coordinators::{PerGroup, all_failed};
use crate::kafka::groups::{PerPartition, SEVERAL_GROUPS};
use crate::kafka::wire::{Client, Error, ErrorKind};
use crate::logic::record::TopicPartition;

/// What a group committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record that the group wants to read.
    pub offset: i64,
    /// The leader epoch of the last one read; none from brokers before 2.1, or where the consumer did not say.
    pub leader_epoch: Option<i32>,
    /// Whatever the consumer wrote beside it.
    pub metadata: String,
}

/// All that a group committed; partitions that it never committed are not in it.
pub type GroupOffsets = PerPartition<CommittedOffset>;

impl Client {
    /// All committed offsets of each group; none at all for a group that does not exist.
    pub async fn group_offsets(&self, groups: &[String]) -> PerGroup<GroupOffsets> {
        self.each_group("OffsetFetch", groups, |client, coordinator, groups| {
            Box::pin(client.group_offsets_at(coordinator, groups))
        })
        .await
    }

    async fn group_offsets_at(&self, coordinator: i32, groups: &[String]) -> PerGroup<GroupOffsets> {
        let mut offsets = LiteMap::new();
        let mut rest = groups;
        while let Some((first, others)) = rest.split_first() {
            match self.ask(coordinator, i16::MAX, Duration::ZERO, |version| request(rest, version)).await {
                Ok((version, answer)) if version >= SEVERAL_GROUPS => {
                    let answers = answer.groups.iter();
                    offsets
                        .extend(answers.map(|group| (group.group_id.to_string(), self.of_group(coordinator, group))));
                    break;
                }
                Ok((_, answer)) => {
                    offsets.insert(first.clone(), self.of_only_group(coordinator, &answer));
                    rest = others;
                }
                Err(error) => {
                    offsets.extend(all_failed(rest, &error));
                    break;
                }
            }
        }
        offsets
    }

    fn of_group(
        &self,
        coordinator: i32,
        group: &m::offset_fetch_response::OffsetFetchResponseGroup,
    ) -> Result<GroupOffsets, Error> {
        let mut offsets = Offsets::begin(self, coordinator, group.error_code)?;
        for topic in &group.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for it in &topic.partitions {
                let metadata = it.metadata.as_deref().unwrap_or_default();
                let key = TopicPartition { topic: Arc::clone(&name), partition: it.partition_index };
                offsets.add(key, it.error_code, it.committed_offset, it.committed_leader_epoch, metadata);
            }
        }
        Ok(offsets.found.into_iter().collect())
    }

    fn of_only_group(&self, coordinator: i32, answer: &m::OffsetFetchResponse) -> Result<GroupOffsets, Error> {
        let mut offsets = Offsets::begin(self, coordinator, answer.error_code)?;
        for topic in &answer.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for it in &topic.partitions {
                let metadata = it.metadata.as_deref().unwrap_or_default();
                let key = TopicPartition { topic: Arc::clone(&name), partition: it.partition_index };
                offsets.add(key, it.error_code, it.committed_offset, it.committed_leader_epoch, metadata);
            }
        }
        Ok(offsets.found.into_iter().collect())
    }
}

/// A group's offsets while its answer is read: the two formats have the same fields in different types.
struct Offsets<'a> {
    client: &'a Client,
    coordinator: i32,
    found: Vec<(TopicPartition, Result<CommittedOffset, Error>)>,
}

impl<'a> Offsets<'a> {
    /// Fails where the group has an error as a whole.
    fn begin(client: &'a Client, coordinator: i32, code: i16) -> Result<Self, Error> {
        match ErrorKind::from_code(code, None) {
            Some(kind) => Err(client.error_at(coordinator, "OffsetFetch", kind)),
            None => Ok(Self { client, coordinator, found: Vec::new() }),
        }
    }

    fn add(&mut self, partition: TopicPartition, code: i16, offset: i64, epoch: i32, metadata: &str) {
        let result = match ErrorKind::from_code(code, None) {
            Some(kind) => Err(self.client.error_at(self.coordinator, "OffsetFetch", kind)),
            // Never committed.
            None if offset < 0 => return,
            None => {
                let leader_epoch = (epoch >= 0).then_some(epoch);
                Ok(CommittedOffset { offset, leader_epoch, metadata: metadata.to_owned() })
            }
        };
        self.found.push((partition, result));
    }
}

/// No topics means all of them.
fn request(groups: &[String], version: i16) -> m::OffsetFetchRequest {
    let mut ids = groups.iter().map(|group| m::GroupId(StrBytes::from_string(group.clone())));
    if version >= SEVERAL_GROUPS {
        let group = |id| OffsetFetchRequestGroup::default().with_group_id(id).with_topics(None);
        return m::OffsetFetchRequest::default().with_groups(ids.map(group).collect());
    }
    m::OffsetFetchRequest::default().with_group_id(ids.next().unwrap_or_default()).with_topics(None)
}
