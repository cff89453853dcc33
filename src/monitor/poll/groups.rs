//! The groups of one broker: which it coordinates, who is in them, what they committed.
//!
//! The broker that lists a group is its coordinator, so nobody is asked who that is. What fails is unknown, and what
//! came before stays.

use std::future::Future;
use std::sync::Arc;

use litemap::LiteMap;
use tokio::task::JoinSet;

use super::selection::Patterns;
use crate::clock;
use crate::kafka::survey::{GroupKind, GroupMembers, PerGroup, TopicNames};
use crate::kafka::wire::{Client, Error, ErrorKind};
use crate::logic::moment::Moment;
use crate::logic::watch::snapshot::{Committed, GroupSeen};

/// Groups in one request: as many as a coordinator answers without keeping others waiting.
const AT_ONCE: usize = 100;
/// Requests on their way to one broker. It answers one after the other; this hides the distance.
const UNDER_WAY: usize = 4;

const CLASSIC: &str = "classic";
const CONSUMER: &str = "consumer";
const SHARE: &str = "share";
/// Kafka's word for a group without members.
const EMPTY: &str = "Empty";

/// The groups of one broker.
#[derive(Debug, Default)]
pub(super) struct BrokerGroups {
    pub(super) broker: i32,
    pub(super) groups: LiteMap<Arc<str>, GroupSeen>,
    /// All that it coordinates are there.
    pub(super) complete: bool,
    /// What failed, in words and with its reason.
    pub(super) errors: Vec<(&'static str, Error)>,
}

/// What is asked of a coordinator, besides the groups.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) client: Client,
    pub(super) selection: Arc<Patterns>,
    pub(super) topics: Arc<TopicNames>,
    /// Nothing more is asked after this.
    pub(super) deadline: Moment,
}

impl Question {
    /// The watched groups that `broker` coordinates.
    pub(super) async fn ask(self, broker: i32) -> BrokerGroups {
        let mut found = BrokerGroups { broker, ..BrokerGroups::default() };
        let listed = match self.client.survey_groups(broker).await {
            Ok(listed) => listed,
            Err(error) => {
                found.errors.push(("the groups", error));
                return found;
            }
        };
        found.complete = listed.incomplete.is_none();
        found.errors.extend(listed.incomplete.map(|error| ("some groups", error)));
        let selected = listed.groups.into_iter().filter(|group| self.selection.matches(&group.name));
        let seen = selected.map(|group| {
            let seen = GroupSeen {
                // What a group without members has is known without asking.
                members: (group.state.as_deref() == Some(EMPTY)).then_some(0),
                state: group.state,
                group_type: group.group_type,
                coordinator: Some(broker),
                assigned: None,
                committed: None,
            };
            (group.name, seen)
        });
        found.groups = seen.collect();
        for (kind, name) in [(GroupKind::Classic, CLASSIC), (GroupKind::Consumer, CONSUMER), (GroupKind::Share, SHARE)]
        {
            let inhabited = found.names(|group| group.group_type == name && group.members.is_none());
            let ask = |groups: Vec<Arc<str>>| self.members(broker, kind, groups);
            found.learn_members(self.in_batches(inhabited, AT_ONCE, ask).await);
        }
        let at_once = if listed.several_groups { AT_ONCE } else { 1 };
        let committing = found.names(|group| group.group_type != SHARE);
        let ask = |groups: Vec<Arc<str>>| self.committed(broker, groups);
        found.learn_committed(self.in_batches(committing, at_once, ask).await);
        let sharing = found.names(|group| group.group_type == SHARE);
        let ask = |groups: Vec<Arc<str>>| self.share_offsets(broker, groups);
        found.learn_committed(self.in_batches(sharing, AT_ONCE, ask).await);
        // Deleted since they were listed.
        found.groups.retain(|_, group| {
            group.state.as_deref() != Some("Dead")
                || group.committed.as_ref().is_some_and(|offsets| !offsets.is_empty())
        });
        found
    }

    fn members(
        &self,
        broker: i32,
        kind: GroupKind,
        groups: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<PerGroup<GroupMembers>, Error>> + Send + 'static {
        let (client, topics) = (self.client.clone(), Arc::clone(&self.topics));
        async move { client.survey_members(broker, kind, &groups, &topics).await }
    }

    fn committed(
        &self,
        broker: i32,
        groups: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<PerGroup<Vec<Committed>>, Error>> + Send + 'static {
        let (client, topics) = (self.client.clone(), Arc::clone(&self.topics));
        async move { client.survey_committed(broker, &groups, &topics).await }
    }

    fn share_offsets(
        &self,
        broker: i32,
        groups: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<PerGroup<Vec<Committed>>, Error>> + Send + 'static {
        let (client, topics) = (self.client.clone(), Arc::clone(&self.topics));
        async move { client.survey_share_offsets(broker, &groups, &topics).await }
    }

    /// Asks about `at_once` groups a request, some requests ahead. After the first that fails as a whole no more are
    /// sent: what ended it would end the others, too.
    async fn in_batches<T, F>(
        &self,
        groups: Vec<Arc<str>>,
        at_once: usize,
        ask: impl Fn(Vec<Arc<str>>) -> F,
    ) -> (PerGroup<T>, Option<Error>)
    where
        T: Send + 'static,
        F: Future<Output = Result<PerGroup<T>, Error>> + Send + 'static,
    {
        let mut results = Vec::with_capacity(groups.len());
        let mut failed = None;
        let mut batches = groups.chunks(at_once);
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < UNDER_WAY
                && failed.is_none()
                && clock::now() < self.deadline
                && let Some(batch) = batches.next()
            {
                under_way.spawn(ask(batch.to_vec()));
            }
            // A task of ours neither panics nor is cancelled while this one lives.
            match under_way.join_next().await {
                Some(Ok(Ok(answers))) => results.extend(answers),
                Some(Ok(Err(error))) => failed = failed.or(Some(error)),
                Some(Err(_)) => {}
                None => return (results, failed),
            }
        }
    }
}

impl BrokerGroups {
    /// The connection to the broker ended on the way.
    pub(super) fn is_lost(&self) -> bool {
        let lost =
            |kind: &ErrorKind| matches!(kind, ErrorKind::Connect(_) | ErrorKind::Closed(_) | ErrorKind::Timeout(_));
        self.errors.iter().any(|(_, error)| lost(&error.kind))
    }

    fn names(&self, wanted: impl Fn(&GroupSeen) -> bool) -> Vec<Arc<str>> {
        self.groups.iter().filter(|(_, group)| wanted(group)).map(|(name, _)| Arc::clone(name)).collect()
    }

    fn learn_members(&mut self, (answers, failed): (PerGroup<GroupMembers>, Option<Error>)) {
        const WHAT: &str = "members of groups";
        for (name, members) in answers {
            match (self.groups.get_mut(&name), members) {
                (Some(group), Ok(members)) => {
                    group.members = Some(members.members);
                    group.assigned = members.assigned;
                    group.state = Some(members.state);
                }
                (Some(_), Err(error)) => self.failed(WHAT, error),
                (None, _) => {}
            }
        }
        self.errors.extend(failed.map(|error| (WHAT, error)));
    }

    fn learn_committed(&mut self, (answers, failed): (PerGroup<Vec<Committed>>, Option<Error>)) {
        const WHAT: &str = "committed offsets";
        for (name, committed) in answers {
            match (self.groups.get_mut(&name), committed) {
                (Some(group), Ok(committed)) => group.committed = Some(committed),
                (Some(_), Err(error)) => self.failed(WHAT, error),
                (None, _) => {}
            }
        }
        self.errors.extend(failed.map(|error| (WHAT, error)));
    }

    /// A thousand groups can have the same error.
    fn failed(&mut self, what: &'static str, error: Error) {
        if !self.errors.iter().any(|(_, known)| *known == error) {
            self.errors.push((what, error));
        }
    }
}
