//! CreateTopics: a topic is made, or the cluster says whether it would be.

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::milliseconds;
use crate::kafka::wire::{Client, Error, ErrorKind};

const NAME: &str = "CreateTopics";
/// From this version on brokers fill in what is not given (KIP-464, Kafka 2.4).
const DEFAULTS: i16 = 4;

/// A topic as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; none: the cluster's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas of each; none: the cluster's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// What is to differ from the cluster's settings, such as `retention.ms`.
    pub settings: Vec<(String, String)>,
}

/// In earnest, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateMode {
    /// Make the topic.
    Create,
    /// Say whether it would be made, and change nothing.
    ValidateOnly,
}

/// A topic that was made, as far as the broker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Kafka's id of it, from brokers 2.8 on.
    pub id: Option<[u8; 16]>,
    /// Its partitions, from brokers 2.4 on.
    pub partitions: Option<i32>,
    /// Its replicas, from brokers 2.4 on.
    pub replication_factor: Option<i16>,
}

impl Client {
    /// Makes `topic`, and returns when its leaders are known.
    ///
    /// # Errors
    /// TOPIC_ALREADY_EXISTS, INVALID_CONFIG and the like with the broker's words; REQUEST_TIMED_OUT where it may come
    /// into being a little later.
    pub async fn create_topic(&self, topic: &NewTopic, mode: CreateMode) -> Result<CreatedTopic, Error> {
        let mut patience = self.patience();
        loop {
            match self.create_topic_once(topic, mode).await {
                // After a broken connection it may have been done: asking again would tell of an error that is none.
                Err(error) if error.kafka().is_some() => patience.again_after(error).await?,
                created => return created,
            }
        }
    }

    async fn create_topic_once(&self, topic: &NewTopic, mode: CreateMode) -> Result<CreatedTopic, Error> {
        let controller = self.broker_for_controller(NAME).await?;
        let limit = self.settings().request_timeout;
        // The broker waits for as long as a request may take; we wait longer, to hear what came of it.
        let (version, answer) = self.ask(controller, i16::MAX, limit, &|_| request(topic, mode, limit)).await?;
        if version < DEFAULTS && (topic.partitions.is_none() || topic.replication_factor.is_none()) {
            let kind = ErrorKind::Unsupported(
                "brokers before Kafka 2.4 need the number of partitions and the replication factor".to_owned(),
            );
            return Err(self.error_at(controller, NAME, kind));
        }
        let Some(created) = answer.topics.first() else {
            let kind = ErrorKind::Protocol("it left the topic out of its answer".to_owned());
            return Err(self.error_at(controller, NAME, kind));
        };
        if let Some(kind) = ErrorKind::from_code(created.error_code, created.error_message.as_deref()) {
            return Err(self.error_at(controller, NAME, kind));
        }
        Ok(CreatedTopic {
            id: (!created.topic_id.is_nil()).then(|| *created.topic_id.as_bytes()),
            partitions: Some(created.num_partitions).filter(|count| *count > 0),
            replication_factor: Some(created.replication_factor).filter(|count| *count > 0),
        })
    }
}

fn request(topic: &NewTopic, mode: CreateMode, limit: Duration) -> CreateTopicsRequest {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let settings = topic
        .settings
        .iter()
        .map(|(name, value)| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value))));
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
        .with_configs(settings.collect());
    CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(milliseconds(limit))
        .with_validate_only(mode == CreateMode::ValidateOnly)
}
