//! What many groups committed: OffsetFetch, and DescribeShareGroupOffsets for share groups.
//!
//! Offsets of topics that are not watched are left out, and so are topics that the user may not see: by the broker,
//! without an error.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use kafka_protocol::messages::describe_share_group_offsets_response as share;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;

use super::{TopicNames, group_id};
use crate::kafka::groups::{SEVERAL_GROUPS, offset_fetch_groups};
use crate::kafka::wire::{Client, Error, ErrorKind};
use crate::logic::watch::snapshot::Committed;

/// What each group came to; one that the broker left out is not there.
pub type PerGroup<T> = Vec<(Arc<str>, Result<T, Error>)>;

/// A partition of an answer, whichever format it came in: number, error code, offset.
type PartitionAnswer = (i32, i16, i64);

impl Client {
    /// What `groups` committed, sorted by topic and partition; an error where it is not known of every partition. A broker
    /// before 3.0 takes one group, and only the first is asked about.
    ///
    /// # Errors
    /// When the request fails as a whole.
    pub async fn survey_committed(
        &self,
        coordinator: i32,
        groups: &[Arc<str>],
        names: &TopicNames,
    ) -> Result<PerGroup<Vec<Committed>>, Error> {
        const REQUEST: &str = "OffsetFetch";
        let Some(first) = groups.first() else { return Ok(Vec::new()) };
        let (version, answer) =
            self.ask(coordinator, i16::MAX, Duration::ZERO, &|version| request(groups, version)).await?;
        let of_group = |group: &m::offset_fetch_response::OffsetFetchResponseGroup| {
            let topic = |topic: &m::offset_fetch_response::OffsetFetchResponseTopics| {
                names.get(topic.name.as_str()).map(|name| {
                    let partitions = topic.partitions.iter();
                    let partitions = partitions.map(|it| (it.partition_index, it.error_code, it.committed_offset));
                    (Arc::clone(name), partitions.collect())
                })
            };
            let topics = group.topics.iter().filter_map(topic).collect();
            (Arc::from(group.group_id.as_str()), self.committed(coordinator, REQUEST, group.error_code, topics))
        };
        Ok(offset_fetch_groups(answer, version, first).iter().map(of_group).collect())
    }

    /// Where the partitions of share `groups` start: what lies before was consumed. Sorted, and an error, as above.
    ///
    /// # Errors
    /// When the request fails as a whole.
    pub async fn survey_share_offsets(
        &self,
        coordinator: i32,
        groups: &[Arc<str>],
        names: &TopicNames,
    ) -> Result<PerGroup<Vec<Committed>>, Error> {
        const REQUEST: &str = "DescribeShareGroupOffsets";
        let group =
            |name| DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group_id(name)).with_topics(None);
        let request =
            |_| m::DescribeShareGroupOffsetsRequest::default().with_groups(groups.iter().map(group).collect());
        let (_, answer) = self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await?;
        let of_group = |group: &share::DescribeShareGroupOffsetsResponseGroup| {
            let topic = |topic: &share::DescribeShareGroupOffsetsResponseTopic| {
                names.get(topic.topic_name.as_str()).map(|name| {
                    let partitions = topic.partitions.iter();
                    let partitions = partitions.map(|it| (it.partition_index, it.error_code, it.start_offset));
                    (Arc::clone(name), partitions.collect())
                })
            };
            let topics = group.topics.iter().filter_map(topic).collect();
            (Arc::from(group.group_id.as_str()), self.committed(coordinator, REQUEST, group.error_code, topics))
        };
        Ok(answer.groups.iter().map(of_group).collect())
    }

    /// By topic and partition; what is known is not all where one partition has an error, and then it is nothing.
    /// Sorts by topic first: comparing names for each partition would be most of the work.
    fn committed(
        &self,
        coordinator: i32,
        request: &'static str,
        code: i16,
        mut topics: Vec<(Arc<str>, Vec<PartitionAnswer>)>,
    ) -> Result<Vec<Committed>, Error> {
        if let Some(kind) = ErrorKind::from_code(code, None) {
            return Err(self.error_at(coordinator, request, kind));
        }
        topics.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut committed = Vec::with_capacity(topics.iter().map(|(_, partitions)| partitions.len()).sum());
        for (topic, mut partitions) in topics {
            partitions.sort_unstable();
            for (partition, code, offset) in partitions {
                match ErrorKind::from_code(code, None) {
                    Some(kind) => return Err(self.error_at(coordinator, request, kind)),
                    // Below zero: it never committed there.
                    None if offset < 0 => {}
                    None => committed.push(Committed { topic: Arc::clone(&topic), partition, offset }),
                }
            }
        }
        Ok(committed)
    }
}

/// No topics means all of them.
fn request(groups: &[Arc<str>], version: i16) -> m::OffsetFetchRequest {
    if version >= SEVERAL_GROUPS {
        let group = |name| OffsetFetchRequestGroup::default().with_group_id(group_id(name)).with_topics(None);
        return m::OffsetFetchRequest::default().with_groups(groups.iter().map(group).collect());
    }
    let first = groups.first().map(group_id).unwrap_or_default();
    m::OffsetFetchRequest::default().with_group_id(first).with_topics(None)
}
