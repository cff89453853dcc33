//! Writes records to Kafka, with rskafka: always acknowledged by all in-sync replicas, every call under a time limit.
//!
//! rskafka brings along what the caller has to see to. It creates a topic that does not exist where the broker lets
//! it, and it retries a wrong password until the time limit: so the caller makes sure with our own client that the
//! topic exists and the credentials work. It hangs on a frozen broker for as long as that is frozen: so a client that
//! ran into the time limit is thrown away. And it connects to what brokers advertise, with no way to change that.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use rskafka::BackoffConfig;
use rskafka::client::partition::{Compression as WireCompression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use rustls::ClientConfig;

use crate::config::schema::{ClusterSettings, SaslMechanism, SaslSettings};
use crate::logic::moment::Timestamp;
use crate::logic::record::TopicPartition;

/// A record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// None: no key.
    pub key: Option<Vec<u8>>,
    /// None: a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names must differ: rskafka cannot write one twice, nor keep their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// CreateTime.
    pub timestamp: Timestamp,
}

/// How a batch of records is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
}

/// Writes to the topics of one cluster. Partitions that were written to keep their connection.
#[derive(Debug)]
pub struct Producer {
    settings: ClusterSettings,
    tls: Option<Arc<ClientConfig>>,
    client: Option<Client>,
    partitions: HashMap<TopicPartition, PartitionClient>,
}

impl Producer {
    /// Connects to the cluster, within twice its `request_timeout`. `tls` is what `settings.tls` says, loaded.
    ///
    /// # Errors
    /// No broker answers in time, or refuses us; `settings.addresses` is given, which rskafka cannot follow.
    pub async fn connect(settings: &ClusterSettings, tls: Option<Arc<ClientConfig>>) -> Result<Self, ProduceError> {
        if !settings.addresses.is_empty() {
            return Err(ProduceError::AddressesNotSupported { cluster: settings.name.clone() });
        }
        let mut producer = Self { settings: settings.clone(), tls, client: None, partitions: HashMap::new() };
        producer.client().await?;
        Ok(producer)
    }

    /// Writes `records` to one partition in one batch, and gives their offsets. The topic must be known to exist.
    ///
    /// # Errors
    /// What the broker or the connection said. Unless the broker refused, the records may have been written.
    pub async fn produce(
        &mut self,
        partition: &TopicPartition,
        records: Vec<NewRecord>,
        compression: Compression,
    ) -> Result<Vec<i64>, ProduceError> {
        let records = records.into_iter().map(wire_record).collect::<Result<Vec<_>, _>>()?;
        let limit = self.limit();
        let result = match tokio::time::timeout(limit, self.write(partition, records, compression)).await {
            Ok(Ok(offsets)) => return Ok(offsets),
            Ok(Err(error)) => error,
            Err(_) => ProduceError::TimeLimit { what: writing_to(partition), limit },
        };
        // Whatever it was, a new client is sound again, and this one may not be.
        self.client = None;
        self.partitions.clear();
        Err(result)
    }

    async fn write(
        &mut self,
        partition: &TopicPartition,
        records: Vec<Record>,
        compression: Compression,
    ) -> Result<Vec<i64>, ProduceError> {
        let failed = |source: rskafka::client::error::Error| ProduceError::Refused {
            what: writing_to(partition),
            reason: source.to_string(),
        };
        let compression = match compression {
            Compression::None => WireCompression::NoCompression,
            Compression::Gzip => WireCompression::Gzip,
            Compression::Snappy => WireCompression::Snappy,
        };
        if let Some(open) = self.partitions.get(partition) {
            return open.produce(records, compression).await.map_err(failed);
        }
        let client = self.client().await?;
        let opened = client
            .partition_client(&*partition.topic, partition.partition, UnknownTopicHandling::Error)
            .await
            .map_err(failed)?;
        let opened = self.partitions.entry(partition.clone()).or_insert(opened);
        opened.produce(records, compression).await.map_err(failed)
    }

    async fn client(&mut self) -> Result<&Client, ProduceError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.new_client().await?,
        };
        Ok(self.client.insert(client))
    }

    async fn new_client(&self) -> Result<Client, ProduceError> {
        let servers: Vec<String> = self.settings.bootstrap_servers.iter().map(ToString::to_string).collect();
        let what = format!("connecting to {}", servers.join(", "));
        let mut builder =
            ClientBuilder::new(servers).client_id(self.settings.client_id.as_str()).backoff_config(BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
                deadline: Some(self.settings.request_timeout),
            });
        if let Some(tls) = &self.tls {
            builder = builder.tls_config(Arc::clone(tls));
        }
        if let Some(sasl) = &self.settings.sasl {
            builder = builder.sasl_config(sasl_config(sasl));
        }
        let limit = self.limit();
        match tokio::time::timeout(limit, builder.build()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(source)) => Err(ProduceError::Refused { what, reason: source.to_string() }),
            Err(_) => Err(ProduceError::TimeLimit { what, limit }),
        }
    }

    /// rskafka ends its retries after `request_timeout` and has the better reason then; ours is for when it hangs.
    fn limit(&self) -> Duration {
        self.settings.request_timeout.saturating_mul(2)
    }
}

fn writing_to(partition: &TopicPartition) -> String {
    format!("writing to topic {}, partition {}", partition.topic, partition.partition)
}

fn sasl_config(sasl: &SaslSettings) -> SaslConfig {
    let credentials = Credentials::new(sasl.username.clone(), sasl.password.reveal().to_owned());
    match sasl.mechanism {
        SaslMechanism::Plain => SaslConfig::Plain(credentials),
        SaslMechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
        SaslMechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
    }
}

fn wire_record(record: NewRecord) -> Result<Record, ProduceError> {
    let Timestamp(ms) = record.timestamp;
    let timestamp = DateTime::from_timestamp_millis(ms).ok_or(ProduceError::Timestamp(record.timestamp))?;
    let mut headers = BTreeMap::new();
    for (name, value) in record.headers {
        if headers.contains_key(&name) {
            return Err(ProduceError::RepeatedHeader(name));
        }
        headers.insert(name, value);
    }
    Ok(Record { key: record.key, value: record.value, headers, timestamp })
}

/// Why records were not written, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProduceError {
    /// The cluster has `addresses`, which rskafka cannot follow.
    AddressesNotSupported {
        /// The cluster's name in the configuration.
        cluster: String,
    },
    /// Two headers of a record have this name.
    RepeatedHeader(String),
    /// No date that rskafka can express.
    Timestamp(Timestamp),
    /// No end within the limit; records may have been written.
    TimeLimit {
        /// What was being done, and where.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// The broker or the connection said no.
    Refused {
        /// What was being done, and where.
        what: String,
        /// In rskafka's words.
        reason: String,
    },
}

impl fmt::Display for ProduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressesNotSupported { cluster } => write!(
                f,
                "cluster {cluster:?} has `addresses`, and the producer can only connect to what the brokers advertise: \
                 produce from a host that reaches them there"
            ),
            Self::RepeatedHeader(name) => {
                write!(f, "the header {name:?} appears twice in a record, which is not supported")
            }
            Self::Timestamp(Timestamp(ms)) => write!(f, "{ms} is no timestamp in milliseconds"),
            Self::TimeLimit { what, limit } => write!(f, "{what}: no end within {limit:?}"),
            Self::Refused { what, reason } => write!(f, "{what}: {reason}"),
        }
    }
}

impl std::error::Error for ProduceError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[&str], timestamp: i64) -> NewRecord {
        NewRecord {
            key: None,
            value: Some(b"value".to_vec()),
            headers: headers.iter().map(|name| ((*name).to_owned(), vec![])).collect(),
            timestamp: Timestamp(timestamp),
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused_before_anything_is_sent() {
        assert!(wire_record(record(&["a", "b"], 1_732_160_000_000)).is_ok());
        assert_eq!(wire_record(record(&["a", "a"], 0)), Err(ProduceError::RepeatedHeader("a".to_owned())));
        assert_eq!(wire_record(record(&[], i64::MAX)), Err(ProduceError::Timestamp(Timestamp(i64::MAX))));
    }
}
