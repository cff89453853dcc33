//! DescribeLogDirs: a broker's directories, and how large the logs are that it leads.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use litemap::LiteMap;

use super::OffsetsWanted;
use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError, printable};
use crate::logic::watch::snapshot::DirSeen;

/// What a broker has on its disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerDirs {
    /// Its directories, as it lists them.
    pub dirs: Vec<DirSeen>,
    /// The logs that it leads, by topic.
    pub led: LiteMap<Arc<str>, LedBytes>,
}

/// The logs of a topic that one broker leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedBytes {
    /// How many there are on its disks.
    pub partitions: usize,
    /// Their segments, in bytes.
    pub bytes: u64,
}

impl Client {
    /// The directories of `broker`, and the sizes of the partitions that it leads.
    ///
    /// # Errors
    /// When it does not answer; Unsupported before Kafka 2.0; CLUSTER_AUTHORIZATION_FAILED where the user may not ask.
    pub async fn survey_log_dirs(&self, broker: i32, leads: &OffsetsWanted) -> Result<BrokerDirs, Error> {
        let request = |_| DescribeLogDirsRequest::default().with_topics(None);
        let (_, answer) = self.ask(broker, i16::MAX, Duration::ZERO, &request).await?;
        let kind = match ErrorKind::from_code(answer.error_code, None) {
            // Brokers before 3.2 do not say so where the user may not ask.
            None if answer.results.is_empty() => Some(ErrorKind::Kafka(KafkaError::CLUSTER_AUTHORIZATION_FAILED, None)),
            kind => kind,
        };
        if let Some(kind) = kind {
            return Err(self.error_at(broker, "DescribeLogDirs", kind));
        }
        let mut led = vec![LedBytes::default(); leads.len()];
        let dirs = answer.results.iter().map(|dir| understand(dir, leads, &mut led)).collect();
        let led = leads.iter().map(|(name, _)| Arc::clone(name)).zip(led).filter(|(_, led)| led.partitions > 0);
        Ok(BrokerDirs { dirs, led: led.collect() })
    }
}

/// Adds what is in `dir` of each topic in `leads` to the same place of `led`.
fn understand(dir: &DescribeLogDirsResult, leads: &OffsetsWanted, led: &mut [LedBytes]) -> DirSeen {
    let mut used = 0_u64;
    for topic in &dir.topics {
        let place = leads.binary_search_by(|(name, _)| name.as_ref().cmp(topic.name.as_str())).ok();
        let mut led = place.and_then(|place| Some((&leads.get(place)?.1, led.get_mut(place)?)));
        for partition in &topic.partitions {
            let size = u64::try_from(partition.partition_size).unwrap_or_default();
            used = used.saturating_add(size);
            // A future replica is a copy on its way to this directory.
            if let Some((numbers, of_topic)) = &mut led
                && !partition.is_future_key
                && numbers.binary_search(&partition.partition_index).is_ok()
            {
                of_topic.partitions = of_topic.partitions.saturating_add(1);
                of_topic.bytes = of_topic.bytes.saturating_add(size);
            }
        }
    }
    DirSeen {
        path: Arc::from(printable(&dir.log_dir)),
        error: KafkaError::from_code(dir.error_code).map(|error| error.to_string()),
        used,
        volume: u64::try_from(dir.total_bytes).ok(),
        free: u64::try_from(dir.usable_bytes).ok(),
    }
}
