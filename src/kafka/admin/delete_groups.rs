//! DeleteGroups (Kafka 1.1 and later): groups without members, and their committed offsets, are forgotten.

use std::time::Duration;

use kafka_protocol::messages::{DeleteGroupsRequest, GroupId};
use kafka_protocol::protocol::StrBytes;

use super::coordinators::{PerGroup, all_failed};
use crate::kafka::wire::{Client, ErrorKind};

impl Client {
    /// Deletes `groups`. One with members answers NON_EMPTY_GROUP, one that is not there GROUP_ID_NOT_FOUND.
    pub async fn delete_groups(&self, groups: &[String]) -> PerGroup<()> {
        self.each_group("DeleteGroups", groups, |client, coordinator, groups| {
            Box::pin(client.delete_groups_at(coordinator, groups))
        })
        .await
    }

    async fn delete_groups_at(&self, coordinator: i32, groups: &[String]) -> PerGroup<()> {
        let ids: Vec<GroupId> = groups.iter().map(|group| GroupId(StrBytes::from_string(group.clone()))).collect();
        let request = |_| DeleteGroupsRequest::default().with_groups_names(ids.clone());
        let answer = match self.ask(coordinator, i16::MAX, Duration::ZERO, &request).await {
            Ok((_, answer)) => answer,
            Err(error) => return all_failed(groups, &error),
        };
        let results = answer.results.iter().map(|result| {
            let kind = ErrorKind::from_code(result.error_code, None);
            let error = kind.map(|kind| self.error_at(coordinator, "DeleteGroups", kind));
            (result.group_id.to_string(), error.map_or(Ok(()), Err))
        });
        results.collect()
    }
}
