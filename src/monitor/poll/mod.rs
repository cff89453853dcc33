//! One look at a cluster: asks its brokers, all at once, and gives what they said as a [`Snapshot`].
//!
//! Computes nothing from it, keeps no history and logs nothing. What fails is unknown, with a sentence that says why;
//! it is asked again at the next poll, not before. A poll never joins a group, and changes nothing on a cluster.

mod brokers;
mod ends;
mod groups;
mod missing;
#[cfg(test)]
mod poller_tests;
mod selection;
mod slow;

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::task::JoinSet;

use crate::clock;
use crate::config::schema::Selection;
use crate::kafka::survey::{ClusterSeen, TopicNames};
use crate::kafka::wire::{Client, Error, KafkaError};
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;
use crate::logic::watch::snapshot::{BrokerSeen, GroupSeen, SlowSnapshot, Snapshot};
use brokers::RoundTrips;
use groups::{BrokerGroups, Question};
use missing::Missing;
use selection::Patterns;

/// No group is asked about any more after so many times the limit of one request.
const LIMIT_FOR_GROUPS: u32 = 2;
/// A group whose coordinator left the cluster is gone when nobody has listed it for so long, where we may not see who
/// coordinates what.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// Asks one cluster, again and again.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    topics: Patterns,
    groups: Arc<Patterns>,
    /// What the last poll saw, to be used again or compared with.
    names: Arc<TopicNames>,
    brokers: SortedSet<i32>,
    last_groups: LiteMap<Arc<str>, Coordinated>,
    coordinators: LiteMap<i32, Option<i32>>,
}

/// A group as it was last seen.
#[derive(Clone, Debug)]
struct Coordinated {
    coordinator: i32,
    group_type: String,
    last_listed: Moment,
}

impl Poller {
    /// One for the cluster of `client`, on connections that nobody else should use: each broker answers one request
    /// after the other, and is timed. Connects to nothing.
    ///
    /// # Errors
    /// A regular expression among the patterns is wrong: which, and why.
    pub fn new(client: Client, topics: &Selection, groups: &Selection) -> Result<Self, String> {
        Ok(Self {
            client,
            topics: Patterns::compile(topics)?,
            groups: Arc::new(Patterns::compile(groups)?),
            names: Arc::default(),
            brokers: SortedSet::new(),
            last_groups: LiteMap::new(),
            coordinators: LiteMap::new(),
        })
    }

    /// How many requests it asked so far; what opens a connection is not counted.
    pub fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// What there is to see now. `ages`: those that rules on the age of unread records ask about. `forwards`: what this
    /// process itself reads from the cluster, under the names that it is to have among the groups, with its places as
    /// they were before this call.
    ///
    /// Ends within a small multiple of the cluster's `request_timeout`, whatever hangs.
    pub async fn poll(&mut self, ages: &[Duration], forwards: LiteMap<Arc<str>, GroupSeen>) -> Snapshot {
        let mut missing = Missing::default();
        let mut trips = RoundTrips::start(&self.client, self.brokers.iter().copied());
        let mut cluster = match self.cluster(&mut trips).await {
            Ok(cluster) => cluster,
            Err(error) => return self.nothing(&error, forwards),
        };
        let coordinated = self.ask_coordinators(&mut trips, &cluster).await;
        for broker in cluster.brokers.keys() {
            if let Err(error) = trips.answer(*broker) {
                missing.say(format!("broker {broker}: {error}"));
            }
        }
        let mut answering: SortedSet<i32> = trips.answering().into_iter().collect();
        // One that froze meanwhile is not waited for again.
        for lost in coordinated.iter().filter(|groups| groups.is_lost()) {
            answering.remove(&lost.broker);
        }
        let (mut groups, groups_complete) = self.gather_groups(coordinated, &cluster, &mut missing);
        groups.extend(forwards);

        let (taken_at, wall_clock) = (clock::now(), clock::wall_clock());
        let topics = &mut cluster.topics;
        let mut refused = ends::read_ends(&self.client, &mut answering, topics, None, &mut missing).await;
        if refused.leaders_moved() && self.look_again(&mut cluster).await.is_ok() {
            let topics = &mut cluster.topics;
            let again = ends::read_ends(&self.client, &mut answering, topics, Some(&refused), &mut missing).await;
            refused.replace_moved(again);
        }
        refused.say(&mut missing);
        let topics = cluster.topics;
        let at = (ages, wall_clock);
        let offsets_at = ends::read_ages(&self.client, &answering, &topics, &groups, at, &mut missing).await;

        for (topic, error) in &cluster.errors {
            missing.say(format!("topic {topic}: {error}"));
        }
        let untold = untold(&cluster.errors, [&topics, &cluster.others]);
        self.expect_names(&topics, &untold, groups_complete.then_some(&groups), &mut missing);
        let brokers = cluster.brokers.into_iter().map(|(id, broker)| {
            let answer = trips.answer(id).map_err(|error| error.to_string());
            (id, BrokerSeen { host: broker.host, port: broker.port, rack: broker.rack, answer })
        });
        let brokers: LiteMap<i32, BrokerSeen> = brokers.collect();
        self.brokers = brokers.keys().copied().collect();
        self.coordinators = cluster.coordinators;
        Snapshot {
            cluster: Arc::from(self.client.settings().name.as_str()),
            cluster_id: cluster.cluster_id,
            taken_at,
            wall_clock,
            brokers: Some(brokers),
            controller: cluster.controller,
            topics,
            others: cluster.others,
            untold,
            groups,
            offsets_at,
            groups_complete,
            missing: missing.sentences(),
        }
    }

    /// What is large or costs the brokers something: for every few minutes.
    pub async fn poll_slow(&mut self) -> SlowSnapshot {
        let mut missing = Missing::default();
        let taken_at = clock::now();
        let mut trips = RoundTrips::start(&self.client, self.brokers.iter().copied());
        let cluster = match self.cluster(&mut trips).await {
            Ok(cluster) => cluster,
            Err(error) => {
                missing.say(format!("the cluster: {error}"));
                ClusterSeen::default()
            }
        };
        cluster.brokers.keys().for_each(|broker| trips.ask(*broker));
        while trips.next().await.is_some() {}
        for broker in cluster.brokers.keys() {
            if let Err(error) = trips.answer(*broker) {
                missing.say(format!("broker {broker}: {error}"));
            }
        }
        let answering = trips.answering().into_iter().filter(|broker| cluster.brokers.contains_key(broker)).collect();
        let mut slow = slow::ask(&self.client, &cluster, &answering, taken_at, &mut missing).await;
        slow.controller = slow::controller(&self.client, &answering, &mut missing).await;
        slow.missing = missing.sentences();
        slow
    }

    async fn cluster(&mut self, trips: &mut RoundTrips) -> Result<ClusterSeen, Error> {
        let cluster = trips.cluster(&self.names, |name, internal| self.topics.matches_topic(name, internal)).await?;
        // What groups committed for a topic counts, too, while nobody can tell more of it.
        let watched = |name: &&Arc<str>| self.topics.matches(name);
        let untold = cluster.errors.iter().map(|(name, _)| name).filter(watched);
        self.names = Arc::new(cluster.topics.keys().chain(untold).cloned().collect());
        Ok(cluster)
    }

    /// Asks each broker for its groups as soon as it is known to answer.
    async fn ask_coordinators(&self, trips: &mut RoundTrips, cluster: &ClusterSeen) -> Vec<BrokerGroups> {
        let limit = self.client.settings().request_timeout.saturating_mul(LIMIT_FOR_GROUPS);
        let question = Question {
            client: self.client.clone(),
            selection: Arc::clone(&self.groups),
            topics: Arc::clone(&self.names),
            deadline: clock::now() + limit,
        };
        let mut tasks = JoinSet::new();
        for broker in trips.answering().into_iter().filter(|broker| cluster.brokers.contains_key(broker)) {
            tasks.spawn(question.clone().ask(broker));
        }
        cluster.brokers.keys().for_each(|broker| trips.ask(*broker));
        while let Some((broker, answers)) = trips.next().await {
            if answers && cluster.brokers.contains_key(&broker) {
                tasks.spawn(question.clone().ask(broker));
            }
        }
        let mut coordinated = Vec::new();
        while let Some(groups) = tasks.join_next().await {
            // A task of ours neither panics nor is cancelled while this one lives.
            coordinated.extend(groups.ok());
        }
        coordinated
    }

    /// All groups, and whether they are all. One that is not listed, by a coordinator that may not have told all, is
    /// still there as far as anybody knows: nothing of it is known.
    fn gather_groups(
        &mut self,
        coordinated: Vec<BrokerGroups>,
        cluster: &ClusterSeen,
        missing: &mut Missing,
    ) -> (LiteMap<Arc<str>, GroupSeen>, bool) {
        let mut groups = Vec::new();
        let mut told_all = SortedSet::new();
        for of_broker in coordinated {
            for (what, error) in &of_broker.errors {
                missing.of_broker(of_broker.broker, what, error);
            }
            told_all.extend(of_broker.complete.then_some(of_broker.broker));
            groups.extend(of_broker.groups);
        }
        let mut groups: LiteMap<Arc<str>, GroupSeen> = groups.into_iter().collect();
        let now = clock::now();
        let moving = self.are_coordinators_moving(cluster);
        let listed = |broker: &i32| cluster.brokers.contains_key(broker);
        // A broker that has just started may not know anyone yet.
        let complete = !moving && !cluster.brokers.is_empty() && cluster.brokers.keys().all(|id| told_all.contains(id));
        let mut last_groups = Vec::new();
        let mut unlisted = Vec::new();
        for (name, group) in &groups {
            let Some(coordinator) = group.coordinator else { continue };
            let group_type = group.group_type.clone();
            last_groups.push((Arc::clone(name), Coordinated { coordinator, group_type, last_listed: now }));
        }
        for (name, last) in std::mem::take(&mut self.last_groups) {
            let is_gone = match listed(&last.coordinator) {
                true => !moving && told_all.contains(&last.coordinator),
                // Whoever coordinates in its place has told all.
                false if !cluster.coordinators.is_empty() => complete,
                false => complete && now.since(last.last_listed) >= FORGOTTEN_AFTER,
            };
            if is_gone || groups.contains_key(&name) {
                continue;
            }
            let (group_type, coordinator) = (last.group_type.clone(), Some(last.coordinator));
            unlisted.push((Arc::clone(&name), GroupSeen { group_type, coordinator, ..GroupSeen::default() }));
            last_groups.push((name, last));
        }
        groups.extend(unlisted);
        self.last_groups = last_groups.into_iter().collect();
        (groups, complete)
    }

    /// A group whose coordinator moves just now may be listed by neither the old one nor the new one.
    fn are_coordinators_moving(&self, cluster: &ClusterSeen) -> bool {
        let absent = |leader: &Option<i32>| leader.is_none_or(|leader| !cluster.brokers.contains_key(&leader));
        let changed = !self.coordinators.is_empty() && self.coordinators != cluster.coordinators;
        let left = self.brokers.iter().any(|broker| !cluster.brokers.contains_key(broker));
        changed || left || cluster.coordinators.values().any(absent)
    }

    /// Asks for metadata anew and takes over who leads what; a topic that is gone, goes.
    async fn look_again(&mut self, cluster: &mut ClusterSeen) -> Result<(), Error> {
        let limit = self.client.settings().request_timeout;
        let wanted = |name: &str, internal| self.topics.matches_topic(name, internal);
        let asked = self.client.survey_cluster(None, &self.names, wanted);
        let Ok(fresh) = tokio::time::timeout(limit, asked).await else { return Ok(()) };
        let mut fresh = fresh?;
        for (name, topic) in &mut fresh.topics {
            let Some(known) = cluster.topics.get(name).filter(|known| known.id == topic.id) else { continue };
            for partition in &mut topic.partitions {
                let place = known.partitions.binary_search_by_key(&partition.number, |known| known.number);
                if let Some(known) = place.ok().and_then(|place| known.partitions.get(place)) {
                    (partition.earliest, partition.latest) = (known.earliest, known.latest);
                }
            }
        }
        (cluster.topics, cluster.others, cluster.errors) = (fresh.topics, fresh.others, fresh.errors);
        Ok(())
    }

    /// Brokers leave out without an error what the user may not see.
    fn expect_names(
        &self,
        topics: &ends::Topics,
        untold: &[Arc<str>],
        groups: Option<&LiteMap<Arc<str>, GroupSeen>>,
        missing: &mut Missing,
    ) {
        let is_there = |name: &str| topics.contains_key(name) || untold.iter().any(|untold| **untold == *name);
        for name in self.topics.expected().filter(|name| !is_there(name)) {
            missing.say(format!("topic {name}: there is none, or this user may not see it"));
        }
        let Some(groups) = groups else { return };
        for name in self.groups.expected().filter(|name| !groups.contains_key(*name)) {
            missing.say(format!("group {name}: there is none, or this user may not see it"));
        }
    }

    /// Nobody answered.
    fn nothing(&self, error: &Error, forwards: LiteMap<Arc<str>, GroupSeen>) -> Snapshot {
        Snapshot {
            cluster: Arc::from(self.client.settings().name.as_str()),
            cluster_id: None,
            taken_at: clock::now(),
            wall_clock: clock::wall_clock(),
            brokers: None,
            controller: None,
            topics: LiteMap::new(),
            others: LiteMap::new(),
            untold: Vec::new(),
            groups: forwards,
            offsets_at: Vec::new(),
            groups_complete: false,
            missing: vec![format!("the cluster: {error}")],
        }
    }
}

/// Those of which nothing but an error is known.
fn untold(errors: &[(Arc<str>, KafkaError)], told: [&ends::Topics; 2]) -> Vec<Arc<str>> {
    let is_told = |name: &Arc<str>| told.iter().any(|topics| topics.contains_key(name));
    errors.iter().map(|(name, _)| name).filter(|name| !is_told(name)).cloned().collect()
}
