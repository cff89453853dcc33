//! ListGroups: the groups that a broker coordinates. Groups that the user may not see are left out without an error.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::ListGroupsRequest;

use crate::kafka::groups::SEVERAL_GROUPS;
use crate::kafka::wire::{Client, Error, ErrorKind, printable};

/// OffsetFetch's key.
const OFFSET_FETCH: i16 = 9;

/// The groups of one broker.
#[derive(Clone, Debug, Default)]
pub struct GroupsListed {
    /// In the broker's order.
    pub groups: Vec<ListedGroup>,
    /// Why some may be missing: it is still reading what was committed.
    pub incomplete: Option<Error>,
    /// It takes several groups in one request about offsets (Kafka 3.0 and later).
    pub several_groups: bool,
}

/// A group as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub name: Arc<str>,
    /// Kafka's word; none from brokers before 2.6.
    pub state: Option<String>,
    /// classic, consumer, share or streams.
    pub group_type: String,
}

impl Client {
    /// The groups that `broker` coordinates.
    ///
    /// # Errors
    /// When it does not answer, or with an error and no groups at all.
    pub async fn survey_groups(&self, broker: i32) -> Result<GroupsListed, Error> {
        let (_, answer) = self.ask(broker, i16::MAX, Duration::ZERO, &|_| ListGroupsRequest::default()).await?;
        let incomplete =
            ErrorKind::from_code(answer.error_code, None).map(|kind| self.error_at(broker, "ListGroups", kind));
        if let Some(error) = &incomplete
            && answer.groups.is_empty()
        {
            return Err(error.clone());
        }
        let groups = answer.groups.iter().map(|group| ListedGroup {
            name: Arc::from(group.group_id.as_str()),
            state: (!group.group_state.is_empty()).then(|| printable(&group.group_state)),
            // Brokers before 3.8 do not say, and have classic groups alone.
            group_type: match group.group_type.as_str() {
                "" => "classic".to_owned(),
                other => printable(other).to_lowercase(),
            },
        });
        let several_groups =
            self.api_versions(broker).await?.used(OFFSET_FETCH).is_some_and(|version| version >= SEVERAL_GROUPS);
        Ok(GroupsListed { groups: groups.collect(), incomplete, several_groups })
    }
}
