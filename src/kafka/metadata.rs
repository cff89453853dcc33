//! Metadata: which brokers there are, and which topics with which partitions, led by whom.
//!
//! Asking never creates a topic. Topics that the user may not see are left out by the broker without an error, so a
//! caller that named some must compare.

use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::wire::{Client, Error, ErrorKind, KafkaError};
use crate::config::schema::HostPort;
use crate::logic::record::TopicPartition;
use crate::logic::sorted_set::SortedSet;

/// Which topics to ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicsWanted {
    /// All that the user may see.
    All,
    /// These.
    Named(Vec<Arc<str>>),
    /// Brokers only.
    NoTopics,
}

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// Kafka's id of the cluster.
    pub cluster_id: Option<String>,
    /// The controller; with KRaft any live broker (ask DescribeQuorum instead).
    pub controller: Option<i32>,
    /// The live brokers, by id.
    pub brokers: LiteMap<i32, Broker>,
    /// The topics, by name.
    pub topics: LiteMap<Arc<str>, Topic>,
}

/// A live broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// The host it advertises.
    pub host: String,
    /// The port it advertises.
    pub port: u16,
    /// Its rack, where it has one.
    pub rack: Option<String>,
}

/// A topic, or why there is nothing to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Kafka's id of it, from brokers 2.8 on: a topic that is deleted and made again has another.
    pub id: Option<[u8; 16]>,
    /// Kafka's own, such as `__consumer_offsets`.
    pub internal: bool,
    /// Why the broker cannot tell more.
    pub error: Option<KafkaError>,
    /// Its partitions, by number.
    pub partitions: LiteMap<i32, Partition>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The broker that leads it; none at the moment, perhaps.
    pub leader: Option<i32>,
    /// Counts changes of leadership; −1 from old brokers.
    pub leader_epoch: i32,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The in-sync replicas.
    pub isr: Vec<i32>,
    /// Those that are down.
    pub offline: Vec<i32>,
    /// Why it cannot be used.
    pub error: Option<KafkaError>,
}

impl Client {
    /// Asks any broker that answers; those known first, then the bootstrap servers. Remembers brokers and leaders.
    ///
    /// # Errors
    /// When none answers; the text has every broker's reason.
    pub async fn metadata(&self, topics: TopicsWanted) -> Result<Arc<ClusterMetadata>, Error> {
        let (_, answer) = self.ask_any(&|version| request(&topics, version)).await?;
        if let Some(kind) = ErrorKind::from_code(answer.error_code, None) {
            let broker = format!("cluster {}", self.settings().name);
            return Err(Error { broker, request: "Metadata", kind });
        }
        let metadata = Arc::new(understand(answer));
        self.learn(&metadata, &topics);
        Ok(metadata)
    }

    fn learn(&self, metadata: &ClusterMetadata, wanted: &TopicsWanted) {
        // A broker that has just started may not know anyone yet.
        if !metadata.brokers.is_empty() {
            let address = |broker: &Broker| HostPort { host: broker.host.clone(), port: broker.port };
            self.learn_brokers(metadata.brokers.iter().map(|(id, broker)| (*id, address(broker))).collect());
        }
        let mut known = self.known();
        match wanted {
            TopicsWanted::All => known.leaders.clear(),
            TopicsWanted::Named(topics) => {
                let topics: SortedSet<&Arc<str>> = topics.iter().collect();
                known.leaders.retain(|partition, _| !topics.contains(&partition.topic));
            }
            TopicsWanted::NoTopics => {}
        }
        for (topic, description) in &metadata.topics {
            for (number, partition) in &description.partitions {
                if let Some(leader) = partition.leader {
                    let key = TopicPartition { topic: Arc::clone(topic), partition: *number };
                    known.leaders.insert(key, (leader, partition.leader_epoch));
                }
            }
        }
    }
}

fn request(topics: &TopicsWanted, _version: i16) -> MetadataRequest {
    let named = match topics {
        TopicsWanted::All => None,
        TopicsWanted::NoTopics => Some(Vec::new()),
        TopicsWanted::Named(names) => {
            let names: SortedSet<&Arc<str>> = names.iter().collect();
            let topic = |name: &Arc<str>| {
                MetadataRequestTopic::default()
                    .with_name(Some(TopicName(StrBytes::from_string(name.as_ref().to_owned()))))
            };
            Some(names.into_iter().map(topic).collect())
        }
    };
    // The default is true, and would create every topic that somebody mistyped.
    MetadataRequest::default().with_topics(named).with_allow_auto_topic_creation(false)
}

fn understand(answer: MetadataResponse) -> ClusterMetadata {
    let brokers = answer.brokers.iter().filter_map(|broker| {
        let id = broker.node_id.0;
        let port = u16::try_from(broker.port).ok()?;
        let rack = broker.rack.as_ref().map(|rack| rack.to_string());
        Some((id, Broker { id, host: broker.host.to_string(), port, rack }))
    });
    ClusterMetadata {
        cluster_id: answer.cluster_id.as_ref().map(|id| id.to_string()),
        controller: present(answer.controller_id.0),
        brokers: brokers.collect(),
        topics: answer.topics.iter().filter_map(topic).collect(),
    }
}

fn topic(topic: &MetadataResponseTopic) -> Option<(Arc<str>, Topic)> {
    let name: Arc<str> = Arc::from(topic.name.as_ref()?.as_str());
    let id = (!topic.topic_id.is_nil()).then(|| *topic.topic_id.as_bytes());
    let partitions = topic.partitions.iter().map(|it| (it.partition_index, partition(it))).collect();
    let error = KafkaError::from_code(topic.error_code);
    Some((name, Topic { id, internal: topic.is_internal, error, partitions }))
}

fn partition(partition: &MetadataResponsePartition) -> Partition {
    let ids = |brokers: &[kafka_protocol::messages::BrokerId]| brokers.iter().map(|broker| broker.0).collect();
    Partition {
        leader: present(partition.leader_id.0),
        leader_epoch: partition.leader_epoch,
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
        offline: ids(&partition.offline_replicas),
        error: KafkaError::from_code(partition.error_code),
    }
}

/// Kafka says "none" with −1.
fn present(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}
