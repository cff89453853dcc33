//! Which broker is the controller: the one that creates and deletes topics where there is a ZooKeeper, and with KRaft
//! (DescribeQuorum, Kafka 3.3 and later) the leader of the quorum.

use std::time::Duration;

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{DescribeQuorumRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::kafka::metadata::{ClusterMetadata, TopicsWanted};
use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError};

const NAME: &str = "DescribeQuorum";

impl Client {
    /// The node that controls the cluster; none at the moment, perhaps. With KRaft it need not be a broker.
    ///
    /// # Errors
    /// When no broker of `metadata` answers; CLUSTER_AUTHORIZATION_FAILED where the user may not ask.
    pub async fn controller(&self, metadata: &ClusterMetadata) -> Result<Option<i32>, Error> {
        let mut failed = None;
        for broker in metadata.brokers.keys().copied() {
            match self.quorum_leader(broker).await {
                // A cluster with a ZooKeeper, whose metadata says who it is. KRaft's names any live broker instead.
                Err(Error { kind: ErrorKind::Unsupported(_), .. }) => return Ok(metadata.controller),
                // One that hangs passed the question on to a controller that hangs; the others would, too.
                Err(error) if matches!(error.kind, ErrorKind::Connect(_) | ErrorKind::Closed(_)) => {
                    failed = Some(error);
                }
                answered => return answered,
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The leader of the quorum, as `broker` learns it from there; none at the moment, perhaps.
    ///
    /// # Errors
    /// Unsupported where there is a ZooKeeper instead; CLUSTER_AUTHORIZATION_FAILED where the user may not ask.
    pub async fn quorum_leader(&self, broker: i32) -> Result<Option<i32>, Error> {
        let topic = TopicData::default()
            .with_topic_name(TopicName(StrBytes::from_static_str("__cluster_metadata")))
            .with_partitions(vec![PartitionData::default()]);
        let request = |_| DescribeQuorumRequest::default().with_topics(vec![topic.clone()]);
        let (_, answer) = self.ask(broker, i16::MAX, Duration::ZERO, &request).await?;
        let failed = |code, message| {
            let kind = ErrorKind::from_code(code, message)?;
            Some(self.error_at(broker, NAME, kind))
        };
        if let Some(error) = failed(answer.error_code, answer.error_message.as_deref()) {
            return Err(error);
        }
        let Some(partition) = answer.topics.first().and_then(|topic| topic.partitions.first()) else {
            let kind = ErrorKind::Protocol("it left the partition out of its answer".to_owned());
            return Err(self.error_at(broker, NAME, kind));
        };
        match failed(partition.error_code, partition.error_message.as_deref()) {
            Some(error) => Err(error),
            None => Ok((partition.leader_id.0 >= 0).then_some(partition.leader_id.0)),
        }
    }

    /// The broker that takes requests meant for the controller; with KRaft any broker passes them on.
    pub(super) async fn broker_for_controller(&self, request: &'static str) -> Result<i32, Error> {
        let metadata = self.metadata(TopicsWanted::NoTopics).await?;
        metadata.controller.ok_or_else(|| Error {
            broker: format!("cluster {}", self.settings().name),
            request,
            kind: ErrorKind::Kafka(KafkaError::NOT_CONTROLLER, None),
        })
    }
}
