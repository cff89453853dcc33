//! ListGroups: every broker lists the groups that it coordinates.
//!
//! Groups that the user may not see are left out by the brokers without an error. States came with Kafka 2.6, types
//! with 3.8.

use std::time::Duration;

use kafka_protocol::messages::ListGroupsRequest;
use litemap::LiteMap;

use crate::kafka::at_once::all_at_once;
use crate::kafka::groups::passes;
use crate::kafka::metadata::TopicsWanted;
use crate::kafka::wire::{Client, Error, ErrorKind};

/// The groups of a cluster, as far as the brokers answered.
#[derive(Clone, Debug, Default)]
pub struct GroupListing {
    /// The groups, by name.
    pub groups: LiteMap<String, ListedGroup>,
    /// Brokers whose groups are missing, and why.
    pub missing: Vec<Error>,
}

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// "consumer" for consumers; "" where a group has committed offsets and never had members.
    pub protocol_type: String,
    /// Kafka's word, such as Stable or Empty; none from brokers before 2.6.
    pub state: Option<String>,
    /// classic, consumer, share or streams; none from brokers before 3.8, which have classic groups alone.
    pub group_type: Option<String>,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

impl Client {
    /// The groups of all live brokers.
    ///
    /// # Errors
    /// When no broker answers at all; where some do, `missing` has the errors of the others.
    pub async fn list_groups(&self) -> Result<GroupListing, Error> {
        let metadata = self.metadata(TopicsWanted::NoTopics).await?;
        let mut listing = GroupListing::default();
        let mut answered = false;
        for answer in all_at_once(metadata.brokers.keys().map(|broker| self.list_groups_at(*broker))).await {
            match answer {
                Ok(groups) => {
                    answered = true;
                    listing.groups.extend(groups);
                }
                Err(error) => listing.missing.push(error),
            }
        }
        listing.missing.sort_by(|a, b| a.broker.cmp(&b.broker));
        match listing.missing.first() {
            Some(error) if !answered => Err(error.clone()),
            _ => {
                let coordinators = listing.groups.iter().map(|(name, group)| (name.clone(), group.coordinator));
                self.known().coordinators.extend(coordinators);
                Ok(listing)
            }
        }
    }

    async fn list_groups_at(&self, broker: i32) -> Result<Vec<(String, ListedGroup)>, Error> {
        let mut patience = self.patience();
        loop {
            match self.list_groups_once(broker).await {
                // It was alive a moment ago: what ended since is not worth waiting for.
                Err(error) if passes(&error.kind) && error.kafka().is_some() => patience.again_after(error).await?,
                answer => return answer,
            }
        }
    }

    async fn list_groups_once(&self, broker: i32) -> Result<Vec<(String, ListedGroup)>, Error> {
        let (_, answer) = self.ask(broker, i16::MAX, Duration::ZERO, &|_| ListGroupsRequest::default()).await?;
        if let Some(kind) = ErrorKind::from_code(answer.error_code, None) {
            return Err(self.error_at(broker, "ListGroups", kind));
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let groups = answer.groups.iter().map(|group| {
            let listed = ListedGroup {
                protocol_type: group.protocol_type.to_string(),
                state: some(&group.group_state),
                group_type: some(&group.group_type.to_lowercase()),
                coordinator: broker,
            };
            (group.group_id.to_string(), listed)
        });
        Ok(groups.collect())
    }
}
