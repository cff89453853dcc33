//! DescribeConfigs for one setting of many topics: min.insync.replicas.

use std::sync::Arc;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use crate::kafka::wire::{Client, Error, ErrorKind, KafkaError};

const SETTING: StrBytes = StrBytes::from_static_str("min.insync.replicas");
/// Kafka's number for topics among the things that have settings.
const TOPIC: i8 = 2;
/// One setting each: an answer stays far below its limit, and no broker is busy with it for long.
const AT_ONCE: usize = 500;

/// min.insync.replicas of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinInsync {
    /// By topic.
    pub of: LiteMap<Arc<str>, u32>,
    /// Why a topic is not among them, with one of those topics; each reason once.
    pub errors: Vec<(Arc<str>, Error)>,
}

impl Client {
    /// min.insync.replicas of `topics`, which are sorted, from whichever broker answers.
    pub async fn survey_min_insync(&self, topics: &[Arc<str>]) -> MinInsync {
        let (mut of, mut errors) = (Vec::new(), Vec::new());
        for some in topics.chunks(AT_ONCE) {
            let answer = match self.ask_any(&|_| request(some)).await {
                Ok((_, answer)) => answer,
                Err(error) => {
                    errors.extend(some.first().map(|topic| (Arc::clone(topic), error)));
                    break;
                }
            };
            for result in &answer.results {
                let place = some.binary_search_by(|topic| topic.as_ref().cmp(result.resource_name.as_str()));
                let Some(topic) = place.ok().and_then(|place| some.get(place)) else { continue };
                match ErrorKind::from_code(result.error_code, None) {
                    // It was deleted meanwhile.
                    Some(ErrorKind::Kafka(KafkaError::UNKNOWN_TOPIC_OR_PARTITION, _)) => {}
                    Some(kind) => {
                        let broker = format!("cluster {}", self.settings().name);
                        let error = Error { broker, request: "DescribeConfigs", kind };
                        if !errors.iter().any(|(_, known)| *known == error) {
                            errors.push((Arc::clone(topic), error));
                        }
                    }
                    None => {
                        let setting = result.configs.iter().find(|config| config.name == SETTING);
                        let value = setting.and_then(|config| config.value.as_ref()?.parse().ok());
                        of.extend(value.map(|value| (Arc::clone(topic), value)));
                    }
                }
            }
        }
        MinInsync { of: of.into_iter().collect(), errors }
    }
}

fn request(topics: &[Arc<str>]) -> DescribeConfigsRequest {
    let resource = |topic: &Arc<str>| {
        DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_string(topic.as_ref().to_owned()))
            .with_configuration_keys(Some(vec![SETTING]))
    };
    DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect())
}
