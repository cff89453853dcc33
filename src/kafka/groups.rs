//! One consumer group as an outsider sees it: the coordinator, who is in the group, its committed offsets, and commits
//! without membership (which a group with live members refuses). Many at once are in `admin`.
//!
//! A coordinator that moves or is still reading its log is asked again until the request's time limit is over.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::admin::describe_groups::GroupDescription;
use super::wire::{Client, Error, ErrorKind, KafkaError};
use crate::clock;
use crate::config::schema::HostPort;
use crate::logic::moment::Moment;
use crate::logic::record::TopicPartition;
use crate::logic::sorted_set::SortedSet;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// From these versions on, requests carry several groups, or leader epochs.
pub(super) const SEVERAL_KEYS: i16 = 4;
pub(super) const SEVERAL_GROUPS: i16 = 8;
const COMMITTED_EPOCH: i16 = 6;

/// A commit: the offset of the next record to read, and the leader epoch of the last one read.
pub type Commit = (TopicPartition, i64, Option<i32>);

/// What each partition came to.
pub type PerPartition<T> = LiteMap<TopicPartition, Result<T, Error>>;

impl Client {
    /// The broker that coordinates `group`.
    ///
    /// # Errors
    /// When no broker answers, or there is no coordinator within the request limit.
    pub async fn find_coordinator(&self, group: &str) -> Result<i32, Error> {
        let mut patience = self.patience();
        loop {
            match self.find_coordinator_once(group).await {
                Err(error) => patience.again_after(error).await?,
                found => return found,
            }
        }
    }

    /// The state and the members of `group`.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND with the broker's text, when the group is of a type that this broker does not describe: then
    /// it is unknown whether it has members.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, Error> {
        let described = self.describe_groups(&[group.to_owned()]).await.remove(group);
        described.unwrap_or_else(|| Err(self.no_coordinator(ErrorKind::Protocol("there is no answer".to_owned()))))
    }

    /// The committed offsets of `group`; none where it never committed.
    ///
    /// # Errors
    /// When the request fails as a whole.
    pub async fn committed_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<PerPartition<Option<i64>>, Error> {
        let mut patience = self.patience();
        loop {
            match self.committed_offsets_once(group, partitions).await {
                Err(error) => patience.again_after(self.forgetting(group, error)).await?,
                answer => return answer,
            }
        }
    }

    /// Commits `offsets` for `group` without being a member of it.
    ///
    /// # Errors
    /// When the request fails as a whole. A group with live members answers UNKNOWN_MEMBER_ID for each partition.
    pub async fn commit_offsets(&self, group: &str, offsets: &[Commit]) -> Result<PerPartition<()>, Error> {
        let mut patience = self.patience();
        loop {
            match self.commit_offsets_once(group, offsets).await {
                Err(error) => patience.again_after(self.forgetting(group, error)).await?,
                answer => return answer,
            }
        }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience { began: clock::now(), limit: self.settings().request_timeout, pause: FIRST_PAUSE }
    }

    async fn coordinator(&self, group: &str) -> Result<i32, Error> {
        let remembered = self.known().coordinators.get(group).copied();
        match remembered {
            Some(coordinator) => Ok(coordinator),
            None => self.find_coordinator_once(group).await,
        }
    }

    /// After an error the coordinator is looked for anew.
    fn forgetting(&self, group: &str, error: Error) -> Error {
        self.known().coordinators.remove(group);
        error
    }

    pub(super) async fn find_coordinator_once(&self, group: &str) -> Result<i32, Error> {
        let key = StrBytes::from_string(group.to_owned());
        let (_, answer) = self
            .ask_any(&|version| {
                let request = m::FindCoordinatorRequest::default().with_key_type(0);
                if version >= SEVERAL_KEYS {
                    request.with_coordinator_keys(vec![key.clone()])
                } else {
                    request.with_key(key.clone())
                }
            })
            .await?;
        let (code, message, id, host, port) = match answer.coordinators.into_iter().next() {
            Some(found) => (found.error_code, found.error_message, found.node_id.0, found.host, found.port),
            None => (answer.error_code, answer.error_message, answer.node_id.0, answer.host, answer.port),
        };
        let error = ErrorKind::from_code(code, message.as_deref());
        self.learn_coordinator(group, error, id, &host, port)
    }

    /// Remembers the coordinator of `group`, unless there was an `error`.
    pub(super) fn learn_coordinator(
        &self,
        group: &str,
        error: Option<ErrorKind>,
        id: i32,
        host: &str,
        port: i32,
    ) -> Result<i32, Error> {
        if let Some(kind) = error {
            return Err(self.no_coordinator(kind));
        }
        let Ok(port) = u16::try_from(port) else {
            return Err(self.no_coordinator(ErrorKind::Protocol(format!("a coordinator at port {port}"))));
        };
        let mut known = self.known();
        known.brokers.insert(id, HostPort { host: host.to_owned(), port });
        known.coordinators.insert(group.to_owned(), id);
        Ok(id)
    }

    pub(super) fn no_coordinator(&self, kind: ErrorKind) -> Error {
        Error { broker: format!("cluster {}", self.settings().name), request: "FindCoordinator", kind }
    }

    async fn committed_offsets_once(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<PerPartition<Option<i64>>, Error> {
        let coordinator = self.coordinator(group).await?;
        let wanted = by_topic(partitions);
        let request = |version| offset_fetch(group, &wanted, version);
        let (version, answer) = self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await?;
        let failed = |code| {
            let kind = ErrorKind::from_code(code, None)?;
            Some(self.error_at(coordinator, "OffsetFetch", kind))
        };
        let mut answers = Vec::new();
        for group in &offset_fetch_groups(answer, version, group) {
            if let Some(error) = failed(group.error_code) {
                return Err(error);
            }
            for topic in &group.topics {
                for it in &topic.partitions {
                    answers.push(((topic.name.to_string(), it.partition_index), (it.error_code, it.committed_offset)));
                }
            }
        }
        let answers: LiteMap<(String, i32), (i16, i64)> = answers.into_iter().collect();
        let mut committed = Vec::new();
        for partition in partitions {
            let answer = answers.get(&(partition.topic.to_string(), partition.partition)).copied();
            let result = match answer.map(|(code, offset)| (failed(code), offset)) {
                Some((None, offset)) => Ok((offset >= 0).then_some(offset)),
                Some((Some(error), _)) if passes(&error.kind) => return Err(error),
                Some((Some(error), _)) => Err(error),
                None => Err(self.left_out(coordinator, "OffsetFetch")),
            };
            committed.push((partition.clone(), result));
        }
        Ok(committed.into_iter().collect())
    }

    async fn commit_offsets_once(&self, group: &str, offsets: &[Commit]) -> Result<PerPartition<()>, Error> {
        let coordinator = self.coordinator(group).await?;
        let request = |version| offset_commit(group, offsets, version);
        let (_, answer) = self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await?;
        let mut codes = Vec::new();
        for topic in &answer.topics {
            for it in &topic.partitions {
                codes.push(((topic.name.to_string(), it.partition_index), it.error_code));
            }
        }
        let codes: LiteMap<(String, i32), i16> = codes.into_iter().collect();
        let mut results = Vec::new();
        for (partition, _, _) in offsets {
            let code = codes.get(&(partition.topic.to_string(), partition.partition)).copied();
            let result = match code.map(|code| ErrorKind::from_code(code, None)) {
                Some(None) => Ok(()),
                Some(Some(kind)) if passes(&kind) => {
                    return Err(self.error_at(coordinator, "OffsetCommit", kind));
                }
                Some(Some(kind)) => Err(self.error_at(coordinator, "OffsetCommit", kind)),
                None => Err(self.left_out(coordinator, "OffsetCommit")),
            };
            results.push((partition.clone(), result));
        }
        Ok(results.into_iter().collect())
    }

    fn left_out(&self, broker: i32, request: &'static str) -> Error {
        let kind = ErrorKind::Protocol("it left the partition out of its answer".to_owned());
        self.error_at(broker, request, kind)
    }
}

/// How long a coordinator that is not ready is asked again: as long as one request may take.
pub(super) struct Patience {
    began: Moment,
    limit: Duration,
    pause: Duration,
}

impl Patience {
    /// Waits a little where `error` may pass, and gives it back where it will not, or the time is over.
    pub(super) async fn again_after(&mut self, error: Error) -> Result<(), Error> {
        if !passes(&error.kind) || clock::now().since(self.began) + self.pause >= self.limit {
            return Err(error);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// The coordinator (or the controller) is moving, loading, or its broker just went down: worth asking again in a moment.
pub(super) fn passes(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Kafka(error, _) => error.needs_coordinator() || *error == KafkaError::NOT_CONTROLLER,
        ErrorKind::Connect(_) | ErrorKind::Closed(_) | ErrorKind::NoSuchBroker(_) => true,
        _ => false,
    }
}

fn by_topic(partitions: &[TopicPartition]) -> LiteMap<Arc<str>, SortedSet<i32>> {
    let mut topics: LiteMap<Arc<str>, SortedSet<i32>> = LiteMap::new();
    for partition in partitions {
        topics.entry(Arc::clone(&partition.topic)).or_default().insert(partition.partition);
    }
    topics
}

fn offset_fetch(group: &str, wanted: &LiteMap<Arc<str>, SortedSet<i32>>, version: i16) -> m::OffsetFetchRequest {
    use m::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
    let group = m::GroupId(StrBytes::from_string(group.to_owned()));
    let name = |topic: &Arc<str>| m::TopicName(StrBytes::from_string(topic.as_ref().to_owned()));
    let numbers = |partitions: &SortedSet<i32>| partitions.iter().copied().collect::<Vec<i32>>();
    if version >= SEVERAL_GROUPS {
        let topics = wanted.iter().map(|(topic, partitions)| {
            OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(numbers(partitions))
        });
        let group =
            OffsetFetchRequestGroup::default().with_group_id(group).with_topics(Some(topics.collect::<Vec<_>>()));
        return m::OffsetFetchRequest::default().with_groups(vec![group]);
    }
    let topics = wanted.iter().map(|(topic, partitions)| {
        OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(numbers(partitions))
    });
    m::OffsetFetchRequest::default().with_group_id(group).with_topics(Some(topics.collect()))
}

/// The groups of an answer to OffsetFetch, whichever format it came in: before `SEVERAL_GROUPS` it is about `asked` alone,
/// and says the same in fields of its own.
pub(super) fn offset_fetch_groups(
    answer: m::OffsetFetchResponse,
    version: i16,
    asked: &str,
) -> Vec<OffsetFetchResponseGroup> {
    if version >= SEVERAL_GROUPS {
        return answer.groups;
    }
    let partition = |it: OffsetFetchResponsePartition| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(it.partition_index)
            .with_committed_offset(it.committed_offset)
            .with_committed_leader_epoch(it.committed_leader_epoch)
            .with_metadata(it.metadata)
            .with_error_code(it.error_code)
    };
    let topic = |topic: OffsetFetchResponseTopic| {
        OffsetFetchResponseTopics::default()
            .with_name(topic.name)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    };
    let group = OffsetFetchResponseGroup::default()
        .with_group_id(m::GroupId(StrBytes::from_string(asked.to_owned())))
        .with_error_code(answer.error_code)
        .with_topics(answer.topics.into_iter().map(topic).collect());
    vec![group]
}

fn offset_commit(group: &str, offsets: &[Commit], version: i16) -> m::OffsetCommitRequest {
    use m::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    let mut topics: LiteMap<&Arc<str>, Vec<OffsetCommitRequestPartition>> = LiteMap::new();
    for (key, offset, epoch) in offsets {
        let mut partition = OffsetCommitRequestPartition::default()
            .with_partition_index(key.partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(StrBytes::new()));
        if version >= COMMITTED_EPOCH {
            partition = partition.with_committed_leader_epoch(epoch.unwrap_or(-1));
        }
        topics.entry(&key.topic).or_default().push(partition);
    }
    let topic = |(name, partitions): (&Arc<str>, Vec<OffsetCommitRequestPartition>)| {
        let name = m::TopicName(StrBytes::from_string(name.as_ref().to_owned()));
        OffsetCommitRequestTopic::default().with_name(name).with_partitions(partitions)
    };
    m::OffsetCommitRequest::default()
        .with_group_id(m::GroupId(StrBytes::from_string(group.to_owned())))
        // No member, no generation: a commit from outside.
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.into_iter().map(topic).collect())
}
