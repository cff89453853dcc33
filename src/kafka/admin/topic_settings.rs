//! DescribeConfigs for topics (Kafka 1.1 and later): every setting with its value and where it comes from.

use std::sync::Arc;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use crate::kafka::wire::{Client, Error, ErrorKind};

/// Kafka's number for topics among the things that have settings.
const TOPIC: i8 = 2;
/// Some forty settings each: a request stays far below the size that an answer may have.
const AT_ONCE: usize = 500;

/// A setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Such as `retention.ms`.
    pub name: String,
    /// None where it is secret or has no value.
    pub value: Option<String>,
    /// Who set it.
    pub source: SettingSource,
}

/// Who gave a setting its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// Somebody, for this topic.
    Topic,
    /// Somebody, for the broker or the cluster.
    Broker,
    /// Nobody.
    Default,
}

/// What each topic came to.
pub type TopicSettings = LiteMap<Arc<str>, Result<Vec<Setting>, Error>>;

impl Client {
    /// The settings of `topics`, in the order of their names.
    pub async fn topic_settings(&self, topics: &[Arc<str>]) -> TopicSettings {
        let mut settings = LiteMap::new();
        for some in topics.chunks(AT_ONCE) {
            self.some_topic_settings(some, &mut settings).await;
        }
        settings
    }

    async fn some_topic_settings(&self, topics: &[Arc<str>], settings: &mut TopicSettings) {
        let answer = match self.ask_any(&|_| request(topics)).await {
            Ok((_, answer)) => answer,
            Err(error) => {
                settings.extend(topics.iter().map(|topic| (Arc::clone(topic), Err(error.clone()))));
                return;
            }
        };
        let failed =
            |kind| Error { broker: format!("cluster {}", self.settings().name), request: "DescribeConfigs", kind };
        for result in &answer.results {
            let described = match ErrorKind::from_code(result.error_code, result.error_message.as_deref()) {
                Some(kind) => Err(failed(kind)),
                None => {
                    let mut described: Vec<Setting> = result.configs.iter().map(setting).collect();
                    described.sort_by(|a, b| a.name.cmp(&b.name));
                    Ok(described)
                }
            };
            settings.insert(Arc::from(result.resource_name.as_str()), described);
        }
        for topic in topics {
            let left_out = || Err(failed(ErrorKind::Protocol("it left the topic out of its answer".to_owned())));
            settings.entry(Arc::clone(topic)).or_insert_with(left_out);
        }
    }
}

fn request(topics: &[Arc<str>]) -> DescribeConfigsRequest {
    let resource = |topic: &Arc<str>| {
        DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_string(topic.as_ref().to_owned()))
            .with_configuration_keys(None)
    };
    DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect())
}

fn setting(config: &DescribeConfigsResourceResult) -> Setting {
    let source = match config.config_source {
        1 => SettingSource::Topic,
        // 5, or −1: not told.
        5 | -1 => SettingSource::Default,
        _ => SettingSource::Broker,
    };
    let value = config.value.as_ref().filter(|_| !config.is_sensitive);
    Setting { name: config.name.to_string(), value: value.map(|value| value.to_string()), source }
}
