//! DescribeLogDirs (Kafka 2.0 and later): what each partition takes on the brokers' disks, and from 3.3 on how large the
//! disks are.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use kafka_protocol::messages::{DescribeLogDirsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use crate::kafka::at_once::all_at_once;
use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError};
use crate::logic::record::TopicPartition;

/// Which partitions' sizes a broker is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicasWanted {
    /// Of all that it has.
    All,
    /// Of these.
    These(Vec<TopicPartition>),
}

/// A directory of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// Where it is, on the broker.
    pub path: String,
    /// Why it cannot be used; KAFKA_STORAGE_ERROR where the disk failed.
    pub error: Option<KafkaError>,
    /// The size of its volume in bytes; none from brokers before 3.3.
    pub total: Option<i64>,
    /// How much of the volume Kafka could still use, in bytes; none from brokers before 3.3.
    pub usable: Option<i64>,
    /// The partitions in it.
    pub replicas: Vec<LogReplica>,
}

/// A partition on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReplica {
    /// Which.
    pub partition: TopicPartition,
    /// Its segments, in bytes.
    pub size: i64,
    /// How far it is behind the leader, in records.
    pub offset_lag: i64,
    /// It is being moved here from another directory of the same broker.
    pub future: bool,
}

/// What each broker came to.
pub type PerBroker<T> = LiteMap<i32, Result<T, Error>>;

impl Client {
    /// The directories of each broker in `wanted`, all asked at once.
    pub async fn log_dirs(&self, wanted: LiteMap<i32, ReplicasWanted>) -> PerBroker<Vec<LogDir>> {
        let ask = async |broker, replicas| (broker, self.log_dirs_at(broker, &replicas).await);
        all_at_once(wanted.into_iter().map(|(broker, replicas)| ask(broker, replicas))).await.into_iter().collect()
    }

    async fn log_dirs_at(&self, broker: i32, wanted: &ReplicasWanted) -> Result<Vec<LogDir>, Error> {
        let (_, answer) = self.ask(broker, i16::MAX, Duration::ZERO, &|_| request(wanted)).await?;
        match ErrorKind::from_code(answer.error_code, None) {
            Some(kind) => Err(self.error_at(broker, "DescribeLogDirs", kind)),
            // Brokers before 3.2 do not say so where the user may not ask.
            None if answer.results.is_empty() => {
                let kind = ErrorKind::Kafka(KafkaError::CLUSTER_AUTHORIZATION_FAILED, None);
                Err(self.error_at(broker, "DescribeLogDirs", kind))
            }
            None => Ok(answer.results.iter().map(log_dir).collect()),
        }
    }
}

fn request(wanted: &ReplicasWanted) -> DescribeLogDirsRequest {
    let ReplicasWanted::These(partitions) = wanted else {
        return DescribeLogDirsRequest::default().with_topics(None);
    };
    let mut topics: LiteMap<&Arc<str>, Vec<i32>> = LiteMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topic = |(name, partitions): (&Arc<str>, Vec<i32>)| {
        let name = TopicName(StrBytes::from_string(name.as_ref().to_owned()));
        DescribableLogDirTopic::default().with_topic(name).with_partitions(partitions)
    };
    DescribeLogDirsRequest::default().with_topics(Some(topics.into_iter().map(topic).collect()))
}

fn log_dir(dir: &DescribeLogDirsResult) -> LogDir {
    let replicas = dir.topics.iter().flat_map(|topic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        topic.partitions.iter().map(move |it| LogReplica {
            partition: TopicPartition { topic: Arc::clone(&name), partition: it.partition_index },
            size: it.partition_size,
            offset_lag: it.offset_lag,
            future: it.is_future_key,
        })
    });
    LogDir {
        path: dir.log_dir.to_string(),
        error: KafkaError::from_code(dir.error_code),
        total: (dir.total_bytes >= 0).then_some(dir.total_bytes),
        usable: (dir.usable_bytes >= 0).then_some(dir.usable_bytes),
        replicas: replicas.collect(),
    }
}
