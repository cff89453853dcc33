//! Who is in groups, and which topics they read: DescribeGroups, ConsumerGroupDescribe (KIP-848) and ShareGroupDescribe.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::messages::consumer_group_describe_response as new;
use kafka_protocol::messages::describe_groups_response as classic;
use kafka_protocol::messages::share_group_describe_response as share;

use super::{PerGroup, TopicNames, group_id};
use crate::kafka::admin::assignment;
use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError, printable};
use crate::logic::sorted_set::SortedSet;

/// Kafka's word for a group that is not there.
const DEAD: &str = "Dead";
/// Kafka's word for a classic group that has shared out its partitions.
const STABLE: &str = "Stable";
/// Kafka's word for a group of the new protocol that is about to.
const ASSIGNING: &str = "Assigning";

/// Which request describes a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKind {
    /// DescribeGroups.
    Classic,
    /// ConsumerGroupDescribe.
    Consumer,
    /// ShareGroupDescribe.
    Share,
}

/// A group's members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMembers {
    /// Kafka's word; Dead: there is no such group any more.
    pub state: String,
    /// How many are alive.
    pub members: u32,
    /// The topics that they were assigned partitions of, sorted; none: nothing is assigned, or it could not be read.
    pub assigned: Option<Vec<Arc<str>>>,
}

impl GroupMembers {
    /// There is no such group any more.
    pub fn is_dead(&self) -> bool {
        self.state == DEAD
    }

    fn dead() -> Self {
        Self { state: DEAD.to_owned(), ..Self::default() }
    }
}

impl Client {
    /// The members of `groups`, all of one kind, as their `coordinator` has them.
    ///
    /// # Errors
    /// When the request fails as a whole.
    pub async fn survey_members(
        &self,
        coordinator: i32,
        kind: GroupKind,
        groups: &[Arc<str>],
        names: &TopicNames,
    ) -> Result<PerGroup<GroupMembers>, Error> {
        let ids = || groups.iter().map(group_id).collect::<Vec<_>>();
        match kind {
            GroupKind::Classic => {
                let request = |_| m::DescribeGroupsRequest::default().with_groups(ids());
                let (_, answer) = self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await?;
                let of = |it: &classic::DescribedGroup| {
                    let failed = ErrorKind::from_code(it.error_code, it.error_message.as_deref());
                    let members = self.described(coordinator, "DescribeGroups", failed, || of_classic(it, names));
                    (Arc::from(it.group_id.as_str()), members)
                };
                Ok(answer.groups.iter().map(of).collect())
            }
            GroupKind::Consumer => {
                let request = |_| m::ConsumerGroupDescribeRequest::default().with_group_ids(ids());
                let (_, answer) = self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await?;
                let of = |it: &new::DescribedGroup| {
                    let failed = ErrorKind::from_code(it.error_code, it.error_message.as_deref());
                    let members = self.described(coordinator, "ConsumerGroupDescribe", failed, || of_new(it, names));
                    (Arc::from(it.group_id.as_str()), members)
                };
                Ok(answer.groups.iter().map(of).collect())
            }
            GroupKind::Share => {
                let request = |_| m::ShareGroupDescribeRequest::default().with_group_ids(ids());
                let (_, answer) = self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await?;
                let of = |it: &share::DescribedGroup| {
                    let failed = ErrorKind::from_code(it.error_code, it.error_message.as_deref());
                    let members = self.described(coordinator, "ShareGroupDescribe", failed, || of_share(it, names));
                    (Arc::from(it.group_id.as_str()), members)
                };
                Ok(answer.groups.iter().map(of).collect())
            }
        }
    }

    fn described(
        &self,
        coordinator: i32,
        request: &'static str,
        failed: Option<ErrorKind>,
        group: impl FnOnce() -> GroupMembers,
    ) -> Result<GroupMembers, Error> {
        match failed {
            None => Ok(group()),
            // It went away since it was listed.
            Some(ErrorKind::Kafka(KafkaError::GROUP_ID_NOT_FOUND, _)) => Ok(GroupMembers::dead()),
            Some(kind) => Err(self.error_at(coordinator, request, kind)),
        }
    }
}

/// In a rebalance some brokers still tell the assignment before it, which may lack a topic that somebody just joined for.
fn of_classic(group: &classic::DescribedGroup, names: &TopicNames) -> GroupMembers {
    let mut topics = Topics::new(names);
    topics.unreadable = group.group_state.as_str() != STABLE;
    let consumers = group.protocol_type.as_str() == "consumer";
    for member in &group.members {
        match assignment::partitions(&member.member_assignment).filter(|_| consumers) {
            Some(partitions) => partitions.iter().for_each(|partition| topics.add(&partition.topic)),
            None => topics.unreadable = true,
        }
    }
    GroupMembers {
        state: printable(&group.group_state),
        members: count(group.members.len()),
        assigned: topics.assigned(),
    }
}

/// What a member is about to get is its own, too: while partitions wander between members nobody has them for a moment.
fn of_new(group: &new::DescribedGroup, names: &TopicNames) -> GroupMembers {
    let mut topics = Topics::new(names);
    topics.unreadable = group.group_state.as_str() == ASSIGNING;
    for member in &group.members {
        for topic in member.assignment.topic_partitions.iter().chain(&member.target_assignment.topic_partitions) {
            topics.add(&topic.topic_name);
        }
    }
    GroupMembers {
        state: printable(&group.group_state),
        members: count(group.members.len()),
        assigned: topics.assigned(),
    }
}

fn of_share(group: &share::DescribedGroup, names: &TopicNames) -> GroupMembers {
    let mut topics = Topics::new(names);
    for topic in group.members.iter().flat_map(|member| &member.assignment.topic_partitions) {
        topics.add(&topic.topic_name);
    }
    GroupMembers {
        state: printable(&group.group_state),
        members: count(group.members.len()),
        assigned: topics.assigned(),
    }
}

/// The topics of a group's members while they are collected.
struct Topics<'a> {
    names: &'a TopicNames,
    found: SortedSet<Arc<str>>,
    /// What is told is not, or not yet, what members read.
    unreadable: bool,
}

impl<'a> Topics<'a> {
    fn new(names: &'a TopicNames) -> Self {
        Self { names, found: SortedSet::new(), unreadable: false }
    }

    fn add(&mut self, name: &str) {
        if !self.found.contains(name) {
            self.found.insert(self.names.get(name).map_or_else(|| Arc::from(name), Arc::clone));
        }
    }

    fn assigned(self) -> Option<Vec<Arc<str>>> {
        (!self.unreadable && !self.found.is_empty()).then(|| self.found.into_iter().collect())
    }
}

fn count(members: usize) -> u32 {
    u32::try_from(members).unwrap_or(u32::MAX)
}
