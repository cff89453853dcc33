//! Writes records to Kafka, with rskafka: always acknowledged by all in-sync replicas, every call under a time limit.
//!
//! rskafka brings along what the caller has to see to. It creates a topic that does not exist where the broker lets
//! it, and it retries a wrong password until the time limit: so the caller makes sure with our own client that the
//! topic exists and the credentials work. It hangs on a frozen broker for as long as that is frozen: so a client that
//! ran into the time limit is thrown away. It connects to what brokers advertise, with no way to change that. And where
//! a quota throttles it, it sends the batch again that was written already.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use rskafka::BackoffConfig;
use rskafka::client::error::ProtocolError;
use rskafka::client::partition::{Compression as WireCompression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use rustls::ClientConfig;

use super::wire::{KafkaError, printable};
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

/// Writes to the topics of one cluster.
#[derive(Debug)]
pub struct Producer {
    connector: Arc<Connector>,
    client: Arc<Client>,
}

/// How to get a client of the cluster.
#[derive(Debug)]
struct Connector {
    settings: ClusterSettings,
    tls: Option<Arc<ClientConfig>>,
}

/// Writes to one partition, over a connection of its own. One batch at a time, so that they keep their order.
#[derive(Debug)]
pub struct PartitionProducer {
    connector: Arc<Connector>,
    partition: TopicPartition,
    /// None: the last one ran into trouble, and a new one is sound again.
    client: Option<Arc<Client>>,
    open: Option<PartitionClient>,
}

impl Producer {
    /// Connects to the cluster, within one and a half times its `request_timeout`. `tls` is what `settings.tls` says,
    /// loaded.
    ///
    /// # Errors
    /// No broker answers in time, or refuses us; `settings.addresses` is given, which rskafka cannot follow.
    pub async fn connect(settings: &ClusterSettings, tls: Option<Arc<ClientConfig>>) -> Result<Self, ProduceError> {
        if !settings.addresses.is_empty() {
            return Err(ProduceError::AddressesNotSupported { cluster: settings.name.clone() });
        }
        let connector = Arc::new(Connector { settings: settings.clone(), tls });
        let client = Arc::new(connector.client().await?);
        Ok(Self { connector, client })
    }

    /// A way to write to `partition`, whose topic must be known to exist. Connects when it is first used.
    pub fn partition(&self, partition: TopicPartition) -> PartitionProducer {
        let (connector, client) = (Arc::clone(&self.connector), Some(Arc::clone(&self.client)));
        PartitionProducer { connector, partition, client, open: None }
    }
}

impl PartitionProducer {
    /// Which partition it writes to.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Writes `records` in one batch, and gives their offsets. Where the connection or the broker fails, once more on a
    /// new connection: records may then stand in the log twice. Takes at most four times `request_timeout`.
    ///
    /// # Errors
    /// What the broker or the connection said. Unless it [`is_about_the_records`](ProduceError::is_about_the_records),
    /// they may have been written.
    pub async fn produce<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a NewRecord>,
        compression: Compression,
    ) -> Result<Vec<i64>, ProduceError> {
        let records = records.into_iter().map(wire_record).collect::<Result<Vec<_>, _>>()?;
        match self.attempt(records.clone(), compression).await {
            Err(error) if !error.is_final() => self.attempt(records, compression).await,
            result => result,
        }
    }

    async fn attempt(&mut self, records: Vec<Record>, compression: Compression) -> Result<Vec<i64>, ProduceError> {
        let limit = self.connector.limit();
        let result = match tokio::time::timeout(limit, self.write(records, compression)).await {
            Ok(result) => result,
            Err(_) => Err(ProduceError::TimeLimit { what: writing_to(&self.partition), limit }),
        };
        if result.as_ref().is_err_and(|error| !error.is_final()) {
            self.client = None;
            self.open = None;
        }
        result
    }

    async fn write(&mut self, records: Vec<Record>, compression: Compression) -> Result<Vec<i64>, ProduceError> {
        let compression = match compression {
            Compression::None => WireCompression::NoCompression,
            Compression::Gzip => WireCompression::Gzip,
            Compression::Snappy => WireCompression::Snappy,
        };
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let written = self.open.insert(open).produce(records, compression).await;
        written.map_err(|source| ProduceError::new(writing_to(&self.partition), &source))
    }

    async fn open(&mut self) -> Result<PartitionClient, ProduceError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Arc::new(self.connector.client().await?),
        };
        let TopicPartition { topic, partition } = &self.partition;
        let opened = client.partition_client(&**topic, *partition, UnknownTopicHandling::Error).await;
        self.client = Some(client);
        opened.map_err(|source| ProduceError::new(writing_to(&self.partition), &source))
    }
}

impl Connector {
    async fn client(&self) -> Result<Client, ProduceError> {
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
            Ok(Err(source)) => Err(ProduceError::new(what, &source)),
            Err(_) => Err(ProduceError::TimeLimit { what, limit }),
        }
    }

    /// rskafka ends its retries after `request_timeout` and has the better reason then; ours is for when it hangs.
    fn limit(&self) -> Duration {
        self.settings.request_timeout.saturating_mul(3) / 2
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

fn wire_record(record: &NewRecord) -> Result<Record, ProduceError> {
    let Timestamp(ms) = record.timestamp;
    let timestamp = DateTime::from_timestamp_millis(ms).ok_or(ProduceError::Timestamp(record.timestamp))?;
    let mut headers = BTreeMap::new();
    for (name, value) in &record.headers {
        if headers.insert(name.clone(), value.clone()).is_some() {
            return Err(ProduceError::RepeatedHeader(name.clone()));
        }
    }
    Ok(Record { key: record.key.clone(), value: record.value.clone(), headers, timestamp })
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
    /// The broker answered with an error.
    Refused {
        /// What was being done, and where.
        what: String,
        /// In Kafka's words.
        error: KafkaError,
        /// The broker's own, where it had any.
        message: Option<String>,
    },
    /// There is no connection, or it ended.
    Connection {
        /// What was being done, and where.
        what: String,
        /// In rskafka's words.
        reason: String,
    },
}

impl ProduceError {
    fn new(what: String, source: &rskafka::client::error::Error) -> Self {
        use rskafka::client::error::Error;
        match source {
            Error::ServerError { protocol_error, error_message, .. } => match code(protocol_error) {
                Some(error) => Self::Refused { what, error, message: error_message.as_deref().map(printable) },
                None => Self::Connection { what, reason: format!("the broker answered {protocol_error:?}") },
            },
            other => {
                // What comes before is about its attempts, of which ours says enough.
                let text = other.to_string();
                let reason = text.rsplit_once("Source: ").map_or(text.as_str(), |(_, source)| source);
                Self::Connection { what, reason: printable(reason) }
            }
        }
    }

    /// The broker did not take the batch because of what is in it: nothing of it was written, and other records fare
    /// better.
    pub fn is_about_the_records(&self) -> bool {
        match self {
            Self::RepeatedHeader(_) | Self::Timestamp(_) => true,
            Self::Refused { error, .. } => matches!(error.0, 2 | 10 | 18 | 32 | 44 | 87),
            _ => false,
        }
    }

    /// Another attempt would end alike.
    fn is_final(&self) -> bool {
        match self {
            // Opening a partition of a topic that was deleted would bring the topic back where brokers create topics.
            Self::Refused { error: KafkaError::UNKNOWN_TOPIC_OR_PARTITION, .. } => true,
            Self::Refused { error, .. } => self.is_about_the_records() || error.is_refusal(),
            Self::AddressesNotSupported { .. } => true,
            _ => self.is_about_the_records(),
        }
    }
}

/// The code of an error that rskafka knows by name only. Those that have no place here are not answers to Produce.
fn code(error: &ProtocolError) -> Option<KafkaError> {
    let code = match error {
        ProtocolError::CorruptMessage => 2,
        ProtocolError::UnknownTopicOrPartition => 3,
        ProtocolError::LeaderNotAvailable => 5,
        ProtocolError::NotLeaderOrFollower => 6,
        ProtocolError::RequestTimedOut => 7,
        ProtocolError::MessageTooLarge => 10,
        ProtocolError::NetworkException => 13,
        ProtocolError::InvalidTopicException => 17,
        ProtocolError::RecordListTooLarge => 18,
        ProtocolError::NotEnoughReplicas => 19,
        ProtocolError::NotEnoughReplicasAfterAppend => 20,
        ProtocolError::TopicAuthorizationFailed => 29,
        ProtocolError::ClusterAuthorizationFailed => 31,
        ProtocolError::InvalidTimestamp => 32,
        ProtocolError::UnsupportedForMessageFormat => 43,
        ProtocolError::PolicyViolation => 44,
        ProtocolError::KafkaStorageError => 56,
        ProtocolError::UnsupportedCompressionType => 76,
        ProtocolError::InvalidRecord => 87,
        ProtocolError::Unknown(code) => *code,
        _ => return None,
    };
    KafkaError::from_code(code)
}

/// What to do about it, where the error's own words are about reading.
fn advice(error: KafkaError) -> Option<&'static str> {
    match error.0 {
        10 | 18 => Some("it is larger than the topic's max.message.bytes"),
        19 | 20 => Some("fewer replicas are in sync than the topic's min.insync.replicas"),
        29 => Some("give this user WRITE and DESCRIBE on the topic"),
        31 => Some("give this user IDEMPOTENT_WRITE on the cluster"),
        32 => Some("the topic does not take records of the present time: look at its message.timestamp settings"),
        87 => Some("the broker checks the topic's records: a compacted topic takes none without a key"),
        _ => None,
    }
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
            Self::Refused { what, error, message } => {
                write!(f, "{what}: {} (error {})", error.name(), error.0)?;
                if let Some(message) = message.as_ref().filter(|message| !message.is_empty()) {
                    write!(f, ": {message}")?;
                }
                advice(*error).map_or(Ok(()), |advice| write!(f, "; {advice}"))
            }
            Self::Connection { what, reason } => write!(f, "{what}: {reason}"),
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
        assert!(wire_record(&record(&["a", "b"], 1_732_160_000_000)).is_ok());
        assert_eq!(wire_record(&record(&["a", "a"], 0)), Err(ProduceError::RepeatedHeader("a".to_owned())));
        assert_eq!(wire_record(&record(&[], i64::MAX)), Err(ProduceError::Timestamp(Timestamp(i64::MAX))));
    }
}
