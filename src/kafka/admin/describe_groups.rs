//! DescribeGroups, and ConsumerGroupDescribe for groups of the new protocol (KIP-848): the state of groups, who is in
//! them, and which partitions each member reads.
//!
//! A broker answers DescribeGroups for a group of the new protocol as if there were none, so whatever is not found is
//! asked for again in the other way.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages as m;
use kafka_protocol::messages::{consumer_group_describe_response as new, describe_groups_response as classic};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::assignment;
use super::coordinators::{PerGroup, all_failed};
use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError};
use crate::logic::record::TopicPartition;

/// The state of a group that is not there, in Kafka's word.
const DEAD: &str = "Dead";

/// A group and who is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Kafka's word: Empty, Stable, PreparingRebalance, CompletingRebalance, Assigning, Reconciling; Dead where there
    /// is no such group.
    pub state: String,
    /// Which protocol its members speak.
    pub group_type: GroupType,
    /// "consumer" for consumers, "connect" for Kafka Connect; "" where it never had members.
    pub protocol_type: String,
    /// How partitions are shared out, such as range or uniform; "" where it has no members.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its live members.
    pub members: Vec<GroupMember>,
}

impl GroupDescription {
    /// There is no such group.
    pub fn is_dead(&self) -> bool {
        self.state == DEAD
    }
}

/// The protocol of a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// Members that share out the partitions themselves.
    Classic,
    /// KIP-848: the coordinator does.
    Consumer,
}

/// A live member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// What it is configured as, where its membership is static.
    pub instance_id: Option<String>,
    /// What it calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// The partitions that it reads, in order; none where it is no consumer, or it could not be understood.
    pub assignment: Option<Vec<TopicPartition>>,
}

impl Client {
    /// The state and the members of each group; `Dead` where there is no such group.
    ///
    /// GROUP_ID_NOT_FOUND with the broker's text where the group is of a type that is not described here, such as a
    /// share group: then it is unknown whether it has members.
    pub async fn describe_groups(&self, groups: &[String]) -> PerGroup<GroupDescription> {
        self.each_group("DescribeGroups", groups, |client, coordinator, groups| {
            Box::pin(client.describe_groups_at(coordinator, groups))
        })
        .await
    }

    async fn describe_groups_at(&self, coordinator: i32, groups: &[String]) -> PerGroup<GroupDescription> {
        let ids = ids(groups);
        let request = |_| m::DescribeGroupsRequest::default().with_groups(ids.clone());
        let answer = match self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await {
            Ok((_, answer)) => answer,
            Err(error) => return all_failed(groups, &error),
        };
        let mut described = LiteMap::new();
        let mut not_classic = Vec::new();
        for group in &answer.groups {
            let name = group.group_id.to_string();
            let result = match ErrorKind::from_code(group.error_code, group.error_message.as_deref()) {
                Some(kind) => Err(self.error_at(coordinator, "DescribeGroups", kind)),
                None => Ok(of_classic(group, coordinator)),
            };
            if is_not_found(&result) {
                not_classic.push(name.clone());
            }
            described.insert(name, result);
        }
        if !not_classic.is_empty() {
            self.describe_new_groups(coordinator, &not_classic, &mut described).await;
        }
        described
    }

    /// Replaces what the old request had to say about `groups` where the new one knows better.
    async fn describe_new_groups(
        &self,
        coordinator: i32,
        groups: &[String],
        described: &mut PerGroup<GroupDescription>,
    ) {
        let ids = ids(groups);
        let request = |_| m::ConsumerGroupDescribeRequest::default().with_group_ids(ids.clone());
        let answer = match self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await {
            Ok((_, answer)) => answer,
            Err(Error { kind: ErrorKind::Unsupported(_), .. }) => return,
            Err(error) => return described.extend(all_failed(groups, &error)),
        };
        for group in &answer.groups {
            let result = match ErrorKind::from_code(group.error_code, group.error_message.as_deref()) {
                None => Ok(of_new(group, coordinator)),
                // Brokers that have the request can have the protocol turned off.
                Some(ErrorKind::Kafka(KafkaError::UNSUPPORTED_VERSION, _)) => continue,
                // Share and streams groups exist, but are neither.
                Some(ErrorKind::Kafka(KafkaError::GROUP_ID_NOT_FOUND, message))
                    if !message.as_deref().unwrap_or_default().contains("is not a") =>
                {
                    Ok(GroupDescription {
                        state: DEAD.to_owned(),
                        group_type: GroupType::Classic,
                        protocol_type: String::new(),
                        assignor: String::new(),
                        coordinator,
                        members: Vec::new(),
                    })
                }
                Some(kind) => Err(self.error_at(coordinator, "ConsumerGroupDescribe", kind)),
            };
            described.insert(group.group_id.to_string(), result);
        }
    }
}

fn ids(groups: &[String]) -> Vec<m::GroupId> {
    groups.iter().map(|group| m::GroupId(StrBytes::from_string(group.clone()))).collect()
}

/// Brokers before 4.0 say Dead, later ones GROUP_ID_NOT_FOUND.
fn is_not_found(result: &Result<GroupDescription, Error>) -> bool {
    match result {
        Ok(group) => group.is_dead(),
        Err(error) => error.kafka() == Some(KafkaError::GROUP_ID_NOT_FOUND),
    }
}

fn of_classic(group: &classic::DescribedGroup, coordinator: i32) -> GroupDescription {
    let consumers = group.protocol_type.as_str() == "consumer";
    let member = |member: &classic::DescribedGroupMember| GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: consumers.then(|| assignment::partitions(&member.member_assignment)).flatten().map(sorted),
    };
    GroupDescription {
        state: group.group_state.to_string(),
        group_type: GroupType::Classic,
        protocol_type: group.protocol_type.to_string(),
        assignor: group.protocol_data.to_string(),
        coordinator,
        members: group.members.iter().map(member).collect(),
    }
}

fn of_new(group: &new::DescribedGroup, coordinator: i32) -> GroupDescription {
    let member = |member: &new::Member| {
        let topics = member.assignment.topic_partitions.iter();
        let partitions = topics.flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.topic_name.as_str());
            topic.partitions.iter().map(move |number| TopicPartition { topic: Arc::clone(&name), partition: *number })
        });
        GroupMember {
            member_id: member.member_id.to_string(),
            instance_id: member.instance_id.as_ref().map(ToString::to_string),
            client_id: member.client_id.to_string(),
            host: member.client_host.to_string(),
            assignment: Some(sorted(partitions.collect())),
        }
    };
    GroupDescription {
        state: group.group_state.to_string(),
        group_type: GroupType::Consumer,
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name.to_string(),
        coordinator,
        members: group.members.iter().map(member).collect(),
    }
}

fn sorted(mut partitions: Vec<TopicPartition>) -> Vec<TopicPartition> {
    partitions.sort();
    partitions
}
