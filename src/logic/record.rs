//! A Kafka record as it travels through the process, and the name of the partition that it came from.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A header of a record. Keys may repeat, and their order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The header's name; brokers do not check that it is text.
    pub key: Vec<u8>,
    /// Its value, or none: null is not empty.
    pub value: Option<Vec<u8>>,
}

/// A data record as a consumer may see it: no control record, none of an aborted transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's (CreateTime) or the broker's (LogAppendTime); −1 where there is none.
    pub timestamp: i64,
    /// The key, or null.
    pub key: Option<Vec<u8>>,
    /// The value; null for a tombstone. Only its beginning, where `truncated_from` is set.
    pub value: Option<Vec<u8>>,
    /// The headers in their order.
    pub headers: Vec<Header>,
    /// The record's whole size in bytes, where it exceeded the limit and was cut.
    pub truncated_from: Option<usize>,
}

impl Record {
    /// What holding this record costs, in bytes: its content and a fixed share for the structures around it.
    pub fn held_bytes(&self) -> usize {
        const STRUCTURES: usize = 256;
        let headers: usize = self
            .headers
            .iter()
            .map(|header| header.key.len() + header.value.as_ref().map_or(0, Vec::len) + size_of::<Header>())
            .sum();
        STRUCTURES + self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}
