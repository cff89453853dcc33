//! Metadata of everything: brokers, topics, who leads what. And one small request, to see how long a broker takes.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{ApiVersionsRequest, BrokerId, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::TopicNames;
use crate::clock;
use crate::config::schema::HostPort;
use crate::kafka::metadata::Broker;
use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError};
use crate::logic::watch::snapshot::{PartitionSeen, TopicSeen};

/// Kafka's topic of committed offsets: the leader of one of its partitions coordinates the groups of that partition.
const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// From this version on, ApiVersions says who asks.
const SOFTWARE_NAME: i16 = 3;

/// A cluster as one broker knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSeen {
    /// Kafka's id of the cluster.
    pub cluster_id: Option<String>,
    /// The controller where there is a ZooKeeper; with KRaft any live broker.
    pub controller: Option<i32>,
    /// The live brokers, by id.
    pub brokers: LiteMap<i32, Broker>,
    /// The topics that were wanted, by name; their offsets are not known yet.
    pub topics: LiteMap<Arc<str>, TopicSeen>,
    /// All others, which have leaders and replicas like any.
    pub others: LiteMap<Arc<str>, TopicSeen>,
    /// Topics about which the broker has an error to tell; those of which it tells nothing else are in neither.
    pub errors: Vec<(Arc<str>, KafkaError)>,
    /// Who leads the partitions of `__consumer_offsets`, by number; empty where it does not exist or cannot be seen.
    pub coordinators: LiteMap<i32, Option<i32>>,
}

impl Client {
    /// What `broker` knows of the cluster; none: whoever answers first, the connected ones before the bootstrap servers.
    /// `wanted` is told each topic's name, and whether it is Kafka's own, and tells `topics` from `others`. Remembers where the brokers are.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn survey_cluster(
        &self,
        broker: Option<i32>,
        names: &TopicNames,
        wanted: impl Fn(&str, bool) -> bool,
    ) -> Result<ClusterSeen, Error> {
        // No list means all topics. The default of the flag is true, and would create topics.
        let request = |_| MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let (_, answer) = match broker {
            Some(broker) => self.ask(broker, i16::MAX, Duration::ZERO, &request).await?,
            None => self.ask_any(&request).await?,
        };
        if let Some(kind) = ErrorKind::from_code(answer.error_code, None) {
            return Err(Error { broker: format!("cluster {}", self.settings().name), request: "Metadata", kind });
        }
        let seen = understand(&answer, names, wanted);
        // A broker that has just started may not know anyone yet.
        if !seen.brokers.is_empty() {
            let address = |broker: &Broker| HostPort { host: broker.host.clone(), port: broker.port };
            self.learn_brokers(seen.brokers.iter().map(|(id, broker)| (*id, address(broker))).collect());
        }
        Ok(seen)
    }

    /// How long `broker` takes for a request that costs it nothing, on a connection that is open and idle: whoever asks
    /// sees to the latter.
    ///
    /// # Errors
    /// When it cannot be connected to, or does not answer.
    pub async fn round_trip(&self, broker: i32) -> Result<Duration, Error> {
        // Opens the connection, which is not what is measured.
        self.api_versions(broker).await?;
        let request = |version| match version {
            SOFTWARE_NAME.. => ApiVersionsRequest::default()
                .with_client_software_name(StrBytes::from_static_str("barnabas"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION"))),
            _ => ApiVersionsRequest::default(),
        };
        let began = clock::now();
        self.ask(broker, i16::MAX, Duration::ZERO, &request).await?;
        Ok(clock::now().since(began))
    }
}

fn understand(answer: &MetadataResponse, names: &TopicNames, wanted: impl Fn(&str, bool) -> bool) -> ClusterSeen {
    let mut seen = ClusterSeen {
        cluster_id: answer.cluster_id.as_ref().map(ToString::to_string),
        controller: present(answer.controller_id.0),
        ..ClusterSeen::default()
    };
    for broker in &answer.brokers {
        let id = broker.node_id.0;
        if let Ok(port) = u16::try_from(broker.port) {
            let rack = broker.rack.as_ref().map(ToString::to_string);
            seen.brokers.insert(id, Broker { id, host: broker.host.to_string(), port, rack });
        }
    }
    let (mut topics, mut others) = (Vec::new(), Vec::new());
    for topic in &answer.topics {
        let Some(name) = topic.name.as_ref().map(|name| name.as_str()) else { continue };
        if name == OFFSETS_TOPIC {
            let leader = |it: &MetadataResponsePartition| (it.partition_index, present(it.leader_id.0));
            seen.coordinators = topic.partitions.iter().map(leader).collect();
        }
        let is_wanted = wanted(name, topic.is_internal);
        let name = names.get(name).map_or_else(|| Arc::from(name), Arc::clone);
        let error = KafkaError::from_code(topic.error_code);
        if error == Some(KafkaError::UNKNOWN_TOPIC_OR_PARTITION) {
            // It is being deleted, or was.
            continue;
        }
        if error.is_none() || !topic.partitions.is_empty() {
            let topics = if is_wanted { &mut topics } else { &mut others };
            topics.push((Arc::clone(&name), understand_topic(topic)));
        }
        seen.errors.extend(error.map(|error| (name, error)));
    }
    seen.topics = topics.into_iter().collect();
    seen.others = others.into_iter().collect();
    seen
}

fn understand_topic(topic: &MetadataResponseTopic) -> TopicSeen {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect();
    let partition = |it: &MetadataResponsePartition| PartitionSeen {
        number: it.partition_index,
        leader: present(it.leader_id.0),
        replicas: ids(&it.replica_nodes),
        isr: ids(&it.isr_nodes),
        earliest: None,
        latest: None,
    };
    let mut partitions: Vec<PartitionSeen> = topic.partitions.iter().map(partition).collect();
    partitions.sort_unstable_by_key(|partition| partition.number);
    partitions.dedup_by_key(|partition| partition.number);
    let id = (!topic.topic_id.is_nil()).then(|| *topic.topic_id.as_bytes());
    TopicSeen { id, internal: topic.is_internal, partitions }
}

/// Kafka says "none" with −1.
fn present(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}
