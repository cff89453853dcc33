//! OffsetFetch for whole groups: all that they committed, of every topic.
//!
//! From version 8 on (Kafka 3.0) many groups share a request; older brokers are asked group by group. Topics that the
//! user may not see are left out by the broker without an error.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::coordinators::{PerGroup, all_failed};
use crate::kafka::groups::{PerPartition, SEVERAL_GROUPS, offset_fetch_groups};
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
            match self.ask(coordinator, i16::MAX, Duration::ZERO, &|version| request(rest, version)).await {
                Ok((version, answer)) => {
                    for group in offset_fetch_groups(answer, version, first) {
                        offsets.insert(group.group_id.to_string(), self.of_group(coordinator, &group));
                    }
                    rest = if version >= SEVERAL_GROUPS { &[] } else { others };
                }
                Err(error) => {
                    offsets.extend(all_failed(rest, &error));
                    break;
                }
            }
        }
        offsets
    }

    fn of_group(&self, coordinator: i32, group: &OffsetFetchResponseGroup) -> Result<GroupOffsets, Error> {
        let failed = |code| {
            let kind = ErrorKind::from_code(code, None)?;
            Some(self.error_at(coordinator, "OffsetFetch", kind))
        };
        if let Some(error) = failed(group.error_code) {
            return Err(error);
        }
        let mut offsets = Vec::new();
        for topic in &group.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for it in &topic.partitions {
                let committed = match failed(it.error_code) {
                    Some(error) => Err(error),
                    // Never committed.
                    None if it.committed_offset < 0 => continue,
                    None => Ok(CommittedOffset {
                        offset: it.committed_offset,
                        leader_epoch: (it.committed_leader_epoch >= 0).then_some(it.committed_leader_epoch),
                        metadata: it.metadata.as_deref().unwrap_or_default().to_owned(),
                    }),
                };
                let partition = TopicPartition { topic: Arc::clone(&name), partition: it.partition_index };
                offsets.push((partition, committed));
            }
        }
        Ok(offsets.into_iter().collect())
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
