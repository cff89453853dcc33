//! The watched clusters' part of the status document: the figures of a `ClusterView` under the names of the contract,
//! bounded, the worst first. Adds nothing to what was computed.

use std::sync::Arc;

use serde::Serialize;

use crate::logic::from_json::{from_json, from_json_word};
use crate::logic::moment::Timestamp;
use crate::logic::rfc3339;
use crate::logic::watch::ClusterView;
use crate::logic::watch::snapshot::GroupSeen;
use crate::logic::watch::view::{BrokerView, GroupView, Restart, TopicView};

/// Topics, groups and disks that the document lists at most for a cluster; the rest is counted.
const MAX_LISTED: usize = 1000;
/// Topics that it lists for a group.
const MAX_TOPICS_OF_GROUP: usize = 50;
/// Sentences about what is unknown.
const MAX_MISSING: usize = 100;

/// A watched cluster, as its poll loop publishes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterPublication {
    /// Its name in the configuration.
    pub name: String,
    /// What the last poll that got an answer means; none: there was none.
    pub view: Option<Arc<ClusterView>>,
    /// When the last poll ended, also one that failed; none: it was not polled yet.
    pub polled_at: Option<Timestamp>,
    /// Why the last poll failed as a whole.
    pub error: Option<String>,
    /// How long the last poll took.
    pub poll_seconds: Option<f64>,
    /// Requests that the last poll needed.
    pub requests: Option<u64>,
}

impl ClusterPublication {
    /// Whether a broker answered the last poll; none: it was not polled yet.
    pub fn reachable(&self) -> Option<bool> {
        let answered = self.view.as_ref().is_some_and(|view| view.seen.brokers.is_some());
        let polled = self.polled_at.is_some() || self.error.is_some() || self.view.is_some();
        polled.then_some(self.error.is_none() && answered)
    }

    /// Why it keeps the daemon from being ready.
    pub(super) fn reason(&self) -> Option<String> {
        if self.reachable() != Some(false) {
            return None;
        }
        let error = self.error.as_deref().unwrap_or("no broker answers");
        Some(format!("cluster {} cannot be reached: {error}", self.name))
    }
}

/// `monitor` of the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MonitorStatus {
    /// In the order of the configuration.
    pub clusters: Vec<ClusterStatus>,
}

from_json!(MonitorStatus { ; clusters });

/// A watched cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClusterStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Kafka's id of it.
    pub cluster_id: Option<String>,
    /// Whether a broker answered the last poll; none: it was not polled yet.
    pub reachable: Option<bool>,
    /// Why not.
    pub error: Option<String>,
    /// When the last poll ended: RFC 3339, in UTC.
    pub polled_at: Option<String>,
    /// How long it took.
    pub poll_seconds: Option<f64>,
    /// The requests it needed.
    pub requests: Option<u64>,
    /// The node that controls the cluster.
    pub controller: Option<i32>,
    /// Partitions of all topics.
    pub partitions: usize,
    /// Partitions without a leader, of all topics.
    pub offline: u32,
    /// Partitions with fewer in-sync replicas than replicas.
    pub under_replicated: u32,
    /// Partitions with fewer in-sync replicas than min.insync.replicas; none: of no topic is that known.
    pub under_min_isr: Option<u32>,
    /// Partitions that their preferred leader does not lead.
    pub not_preferred: u32,
    /// Every broker, by its id.
    pub brokers: Vec<BrokerStatus>,
    /// Every rack, by its name.
    pub racks: Vec<RackStatus>,
    /// The worst first, then the busiest.
    pub topics: Vec<TopicStatus>,
    /// Topics beyond the limit.
    pub topics_left_out: usize,
    /// The worst first, then by lag.
    pub groups: Vec<GroupStatus>,
    /// Groups beyond the limit.
    pub groups_left_out: usize,
    /// Log directories.
    pub disks: Vec<DiskStatus>,
    /// What is unknown and why, a sentence each.
    pub missing: Vec<String>,
}

from_json!(ClusterStatus {
   name, cluster_id, reachable, error, polled_at, poll_seconds, requests, controller, brokers, racks, topics, groups,
   disks, missing; partitions, offline, under_replicated, under_min_isr, not_preferred, topics_left_out, groups_left_out
});

/// A broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BrokerStatus {
    /// Its id.
    pub broker: i32,
    /// Whether it answers.
    pub up: Option<bool>,
    /// The host it advertises.
    pub host: Option<String>,
    /// The port it advertises.
    pub port: Option<u16>,
    /// Its rack.
    pub rack: Option<String>,
    /// Partitions that it leads.
    pub leaders: u32,
    /// Replicas that it has.
    pub replicas: u32,
    /// Partitions whose preferred leader it is, and which another leads.
    pub preferred_not_leading: u32,
    /// Distance of `leaders` from the mean.
    pub leader_skew_percent: Option<f64>,
    /// Distance of `replicas` from the mean.
    pub replica_skew_percent: Option<f64>,
    /// One request on an idle connection.
    pub latency_seconds: Option<f64>,
    /// Messages from producers: as it says itself where it has a source of load, else as its logs grow.
    pub messages_in_per_second: Option<f64>,
    /// Bytes from producers, likewise.
    pub bytes_in_per_second: Option<f64>,
    /// Its share of the cluster's traffic.
    pub traffic_share_percent: Option<f64>,
    /// How busy its request handlers are, as it says itself.
    pub load_percent: Option<f64>,
    /// How it says so: jmx, jolokia or exporter; none: it has no source.
    pub load_source: Option<String>,
    /// Why its own figures could not be read the last time, or what is to be said about its load.
    pub load_note: Option<String>,
    /// Requests of all kinds.
    pub requests_per_second: Option<f64>,
    /// Bytes to consumers.
    pub bytes_out_per_second: Option<f64>,
    /// How idle its network threads are.
    pub network_idle_percent: Option<f64>,
    /// Its share of all processors of its machine.
    pub process_cpu_percent: Option<f64>,
    /// Bytes of its Java heap in use.
    pub heap_used_bytes: Option<u64>,
    /// Bytes that it may grow to.
    pub heap_max_bytes: Option<u64>,
    /// Whether it can be stopped now: safe, hurts or unknown.
    pub restart: RestartStatus,
    /// How many partitions would suffer.
    pub restart_hurts_partitions: Option<u32>,
    /// One of them.
    pub restart_hurts_example: Option<String>,
    /// Why it does not answer.
    pub error: Option<String>,
}

from_json!(BrokerStatus {
   broker, up, host, port, rack, leaders, replicas, leader_skew_percent, replica_skew_percent, latency_seconds,
   messages_in_per_second, bytes_in_per_second, traffic_share_percent, restart, restart_hurts_partitions, error;
   preferred_not_leading, load_percent, load_source, load_note, requests_per_second, bytes_out_per_second,
   network_idle_percent, process_cpu_percent, heap_used_bytes, heap_max_bytes, restart_hurts_example
});

/// Whether a broker can be stopped now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartStatus {
    /// Not known.
    #[default]
    Unknown,
    /// No partition suffers.
    Safe,
    /// Some do.
    Hurts,
}

impl RestartStatus {
    /// The word for it; where partitions would suffer, how many, and one of them.
    pub(crate) fn of(restart: &Restart) -> (Self, Option<(u32, String)>) {
        match restart {
            Restart::Unknown => (Self::Unknown, None),
            Restart::Safe => (Self::Safe, None),
            Restart::Hurts { partitions, example } => (Self::Hurts, Some((*partitions, example.clone()))),
        }
    }
}

from_json_word!(RestartStatus, "unknown, safe or hurts", {
    "unknown" => Self::Unknown,
    "safe" => Self::Safe,
    "hurts" => Self::Hurts,
});

/// A rack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RackStatus {
    /// Its name.
    pub rack: String,
    /// Its live brokers.
    pub brokers: u32,
    /// Partitions led there.
    pub leaders: u32,
    /// Replicas there.
    pub replicas: u32,
}

from_json!(RackStatus { rack, brokers, leaders, replicas });

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TopicStatus {
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: usize,
    /// Messages that the log keeps.
    pub messages: Option<i64>,
    /// Messages appended.
    pub messages_in_per_second: Option<f64>,
    /// Bytes of the leaders' logs.
    pub bytes: Option<u64>,
    /// Partitions without a leader.
    pub offline: u32,
    /// Partitions with fewer in-sync replicas than replicas.
    pub under_replicated: u32,
    /// Partitions with fewer in-sync replicas than min.insync.replicas.
    pub under_min_isr: Option<u32>,
    /// Partitions that their preferred leader does not lead.
    pub not_preferred: u32,
}

from_json!(TopicStatus {
    topic,
    partitions,
    messages,
    messages_in_per_second,
    bytes,
    offline,
    under_replicated,
    under_min_isr,
    not_preferred
});

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupStatus {
    /// Its name.
    pub group: String,
    /// Kafka's word.
    pub state: Option<String>,
    /// classic, consumer, share, streams, or forward for a forward of this process.
    #[serde(rename = "type")]
    pub group_type: String,
    /// How many live members it has.
    pub members: Option<u32>,
    /// ok, warning, stall, rewind or stop.
    pub status: String,
    /// Over all topics whose lag is known.
    pub lag: Option<i64>,
    /// The worst first.
    pub topics: Vec<GroupTopicStatus>,
    /// Topics beyond the limit.
    pub topics_left_out: usize,
}

from_json!(GroupStatus { group, state, group_type as "type", members, status, lag, topics; topics_left_out });

/// A group's place in a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupTopicStatus {
    /// The topic.
    pub topic: String,
    /// ok, warning, stall, rewind or stop.
    pub status: String,
    /// Records between the committed offsets and the ends.
    pub lag: Option<i64>,
    /// The age of the oldest unread record.
    pub lag_seconds: Option<f64>,
    /// By how much that may be wrong; none: without limit, so that it is a lower bound.
    pub lag_seconds_error: Option<f64>,
}

from_json!(GroupTopicStatus { topic, status, lag, lag_seconds, lag_seconds_error });

/// A log directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DiskStatus {
    /// The broker that has it.
    pub broker: i32,
    /// Where it is, on the broker.
    pub dir: String,
    /// Bytes of Kafka's logs in it.
    pub used_bytes: u64,
    /// Of its volume, by whomever.
    pub used_percent: Option<f64>,
    /// At its growth.
    pub full_in_seconds: Option<f64>,
    /// Why it cannot be used.
    pub error: Option<String>,
}

from_json!(DiskStatus { broker, dir, used_bytes, used_percent, full_in_seconds, error });

impl ClusterStatus {
    /// The document of a cluster.
    pub(super) fn of(published: &ClusterPublication) -> Self {
        let mut status = Self {
            name: published.name.clone(),
            reachable: published.reachable(),
            error: published.error.clone(),
            polled_at: published.polled_at.map(rfc3339::format),
            poll_seconds: published.poll_seconds,
            requests: published.requests,
            ..Self::default()
        };
        if let Some(view) = &published.view {
            status.fill(view);
        }
        status
    }

    fn fill(&mut self, view: &ClusterView) {
        self.cluster_id = view.seen.cluster_id.clone();
        self.controller = view.controller;
        let sum = |count: fn(&TopicView) -> u32| view.topics.values().map(count).fold(0, u32::saturating_add);
        self.partitions = view.seen.topics.values().map(|topic| topic.partitions.len()).sum();
        self.offline = sum(|topic| topic.offline);
        self.under_replicated = sum(|topic| topic.under_replicated);
        self.under_min_isr = view.topics.values().filter_map(|topic| topic.under_min_isr).reduce(u32::saturating_add);
        self.not_preferred = sum(|topic| topic.not_preferred);
        self.brokers = view.brokers.iter().map(|(id, broker)| broker_status(view, *id, broker)).collect();
        self.racks = view
            .racks
            .iter()
            .map(|(name, rack)| RackStatus {
                rack: name.clone(),
                brokers: rack.brokers,
                leaders: rack.leaders,
                replicas: rack.replicas,
            })
            .collect();
        let topics = topics_worst_first(view);
        self.topics_left_out = topics.len().saturating_sub(MAX_LISTED);
        self.topics =
            topics.into_iter().take(MAX_LISTED).map(|(name, topic)| topic_status(view, name, topic)).collect();
        let groups = groups_worst_first(view);
        self.groups_left_out = groups.len().saturating_sub(MAX_LISTED);
        self.groups = groups
            .into_iter()
            .take(MAX_LISTED)
            .map(|(name, group)| group_status(name, group, view.seen.groups.get(name)))
            .collect();
        self.disks = view
            .dirs
            .iter()
            .take(MAX_LISTED)
            .map(|dir| DiskStatus {
                broker: dir.broker,
                dir: dir.path.to_string(),
                used_bytes: dir.used_bytes,
                used_percent: dir.used_percent,
                full_in_seconds: dir.full_in_seconds,
                error: dir.error.clone(),
            })
            .collect();
        self.missing = view.missing.iter().take(MAX_MISSING).cloned().collect();
        if let Some(more @ 1..) = view.missing.len().checked_sub(MAX_MISSING) {
            self.missing.push(format!("and {more} more"));
        }
    }
}

/// Topics, those with the worst partitions first, then the busiest, then by name.
pub fn topics_worst_first(view: &ClusterView) -> Vec<(&Arc<str>, &TopicView)> {
    let mut topics: Vec<_> = view.topics.iter().collect();
    let trouble = |topic: &TopicView| {
        (topic.offline, topic.under_min_isr.unwrap_or(0), topic.under_replicated, topic.not_preferred)
    };
    topics.sort_by(|(one_name, one), (other_name, other)| {
        trouble(other)
            .cmp(&trouble(one))
            .then_with(|| {
                let rate = |topic: &TopicView| topic.messages_in_per_second.unwrap_or(0.0);
                rate(other).total_cmp(&rate(one))
            })
            .then_with(|| one_name.cmp(other_name))
    });
    topics
}

/// Groups, the worst status first, then by lag, then by name.
pub fn groups_worst_first(view: &ClusterView) -> Vec<(&Arc<str>, &GroupView)> {
    let mut groups: Vec<_> = view.groups.iter().collect();
    groups.sort_by(|(one_name, one), (other_name, other)| {
        (other.status, other.lag).cmp(&(one.status, one.lag)).then_with(|| one_name.cmp(other_name))
    });
    groups
}

fn broker_status(view: &ClusterView, id: i32, broker: &BrokerView) -> BrokerStatus {
    let seen = view.seen.brokers.as_ref().and_then(|brokers| brokers.get(&id));
    let own = broker.own_figures();
    let note = broker
        .load
        .as_ref()
        .and_then(|load| load.error.clone().or_else(|| Some(load.figures.as_ref()?.load_note?.to_owned())));
    let (restart, hurts) = RestartStatus::of(&broker.restart);
    BrokerStatus {
        broker: id,
        up: broker.up,
        host: seen.map(|seen| seen.host.clone()),
        port: seen.map(|seen| seen.port),
        rack: broker.rack.clone(),
        leaders: broker.leaders,
        replicas: broker.replicas,
        preferred_not_leading: broker.preferred_not_leading,
        leader_skew_percent: broker.leader_skew_percent,
        replica_skew_percent: broker.replica_skew_percent,
        latency_seconds: broker.latency_seconds,
        messages_in_per_second: broker.best_messages_in_per_second(),
        bytes_in_per_second: broker.best_bytes_in_per_second(),
        traffic_share_percent: broker.traffic_share_percent,
        load_percent: own.and_then(|own| own.load_percent),
        load_source: broker.load.as_ref().map(|load| load.source.to_owned()),
        load_note: note,
        requests_per_second: own.and_then(|own| own.requests_per_second),
        bytes_out_per_second: own.and_then(|own| own.bytes_out_per_second),
        network_idle_percent: own.and_then(|own| own.network_idle_percent),
        process_cpu_percent: own.and_then(|own| own.process_cpu_percent),
        heap_used_bytes: own.and_then(|own| own.heap_used_bytes),
        heap_max_bytes: own.and_then(|own| own.heap_max_bytes),
        restart,
        restart_hurts_partitions: hurts.as_ref().map(|(partitions, _)| *partitions),
        restart_hurts_example: hurts.map(|(_, example)| example),
        error: broker.error.clone(),
    }
}

fn topic_status(view: &ClusterView, name: &Arc<str>, topic: &TopicView) -> TopicStatus {
    TopicStatus {
        topic: name.to_string(),
        partitions: view.seen.topics.get(name).map_or(0, |seen| seen.partitions.len()),
        messages: topic.messages,
        messages_in_per_second: topic.messages_in_per_second,
        bytes: topic.bytes,
        offline: topic.offline,
        under_replicated: topic.under_replicated,
        under_min_isr: topic.under_min_isr,
        not_preferred: topic.not_preferred,
    }
}

fn group_status(name: &Arc<str>, group: &GroupView, seen: Option<&GroupSeen>) -> GroupStatus {
    let mut topics: Vec<_> = group.topics.iter().collect();
    topics.sort_by(|(one_name, one), (other_name, other)| {
        (other.status, other.lag).cmp(&(one.status, one.lag)).then_with(|| one_name.cmp(other_name))
    });
    GroupStatus {
        group: name.to_string(),
        state: seen.and_then(|seen| seen.state.clone()),
        group_type: seen.map(|seen| seen.group_type.clone()).unwrap_or_default(),
        members: seen.and_then(|seen| seen.members),
        status: group.status.name().to_owned(),
        lag: group.lag,
        topics_left_out: topics.len().saturating_sub(MAX_TOPICS_OF_GROUP),
        topics: topics
            .into_iter()
            .take(MAX_TOPICS_OF_GROUP)
            .map(|(topic, place)| GroupTopicStatus {
                topic: topic.to_string(),
                status: place.status.name().to_owned(),
                lag: place.lag,
                lag_seconds: place.lag_seconds.map(|seconds| seconds.value),
                lag_seconds_error: place.lag_seconds.map(|seconds| seconds.error).filter(|error| error.is_finite()),
            })
            .collect(),
    }
}
