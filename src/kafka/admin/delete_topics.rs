//! DeleteTopics: topics and all their records are gone.

use std::time::Duration;

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{DeleteTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use litemap::LiteMap;

use super::milliseconds;
use crate::kafka::groups::passes;
use crate::kafka::wire::{Client, Error, ErrorKind};

const NAME: &str = "DeleteTopics";
/// From this version on topics can be named by their ids, too.
const STATES: i16 = 6;

/// What each topic came to.
pub type PerTopic<T> = LiteMap<String, Result<T, Error>>;

impl Client {
    /// Deletes `topics`. On brokers before 2.4 that do not allow it, REQUEST_TIMED_OUT or INVALID_REQUEST.
    ///
    /// # Errors
    /// When the request fails as a whole.
    pub async fn delete_topics(&self, topics: &[String]) -> Result<PerTopic<()>, Error> {
        let mut patience = self.patience();
        loop {
            match self.delete_topics_once(topics).await {
                // After a broken connection it may have been done: asking again would tell of an error that is none.
                Err(error) if error.kafka().is_some() => patience.again_after(error).await?,
                deleted => return deleted,
            }
        }
    }

    async fn delete_topics_once(&self, topics: &[String]) -> Result<PerTopic<()>, Error> {
        let controller = self.broker_for_controller(NAME).await?;
        let limit = self.settings().request_timeout;
        let (_, answer) = self.ask(controller, i16::MAX, limit, &|version| request(topics, version, limit)).await?;
        let mut deleted = LiteMap::new();
        for topic in &answer.responses {
            let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            let kind = ErrorKind::from_code(topic.error_code, topic.error_message.as_deref());
            let error = kind.map(|kind| self.error_at(controller, NAME, kind));
            match error {
                // It is not the controller any more, and did nothing.
                Some(error) if passes(&error.kind) => return Err(error),
                error => deleted.insert(name, error.map_or(Ok(()), Err)),
            };
        }
        for topic in topics {
            let left_out = ErrorKind::Protocol("it left the topic out of its answer".to_owned());
            deleted.entry(topic.clone()).or_insert_with(|| Err(self.error_at(controller, NAME, left_out)));
        }
        Ok(deleted)
    }
}

fn request(topics: &[String], version: i16, limit: Duration) -> DeleteTopicsRequest {
    let names = topics.iter().map(|topic| TopicName(StrBytes::from_string(topic.clone())));
    let request = DeleteTopicsRequest::default().with_timeout_ms(milliseconds(limit));
    if version >= STATES {
        request.with_topics(names.map(|name| DeleteTopicState::default().with_name(Some(name))).collect())
    } else {
        request.with_topic_names(names.collect())
    }
}
