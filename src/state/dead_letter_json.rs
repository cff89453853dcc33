//! Dead letters as people and scripts see them: the JSON of `dead-letters list`, `show` and `export`.
//!
//! The names are a contract (docs/commands.md). What the state stores has another form, and is not known here.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::dead_letter::{DeadLetter, DeadLetterSummary};
use crate::logic::record_json::{Headers, bytes};
use crate::logic::rfc3339;

impl Serialize for DeadLetterSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        summary(&mut map, self)?;
        map.end()
    }
}

/// The summary's members, then `value` and `headers`.
impl Serialize for DeadLetter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        summary(&mut map, &self.summary)?;
        bytes(&mut map, "value", "value_base64", self.value.as_deref())?;
        map.serialize_entry("headers", &Headers(&self.headers))?;
        map.end()
    }
}

fn summary<M: SerializeMap>(map: &mut M, letter: &DeadLetterSummary) -> Result<(), M::Error> {
    map.serialize_entry("id", &letter.id)?;
    map.serialize_entry("forward", &letter.forward)?;
    map.serialize_entry("topic", letter.topic_partition.topic.as_ref())?;
    map.serialize_entry("partition", &letter.topic_partition.partition)?;
    map.serialize_entry("offset", &letter.offset)?;
    map.serialize_entry("timestamp", &letter.timestamp)?;
    bytes(map, "key", "key_base64", letter.key.as_deref())?;
    map.serialize_entry("reason", &letter.failure.reason)?;
    map.serialize_entry("attempts", &letter.failure.attempts)?;
    map.serialize_entry("status", &letter.failure.status)?;
    map.serialize_entry("response", &letter.failure.response)?;
    map.serialize_entry("first_failed_at", &rfc3339::format(letter.failure.first_failed_at))?;
    map.serialize_entry("buried_at", &rfc3339::format(letter.buried_at))?;
    map.serialize_entry("idempotency_key", &letter.idempotency_key)?;
    map.serialize_entry("event_id", &letter.event_id)?;
    map.serialize_entry("recreated", &letter.recreated)?;
    map.serialize_entry("truncated_from", &letter.truncated_from)
}

#[cfg(test)]
mod tests {
    use super::super::dead_letter::Failure;
    use super::*;
    use crate::logic::moment::Timestamp;
    use crate::logic::record::{Header, TopicPartition};

    fn letter() -> DeadLetter {
        let summary = DeadLetterSummary {
            id: 4,
            forward: "guance-to-omp".to_owned(),
            topic_partition: TopicPartition::new("event", 2),
            recreated: 0,
            offset: 17,
            timestamp: 1_732_160_000_123,
            key: Some(b"k".to_vec()),
            truncated_from: None,
            failure: Failure {
                reason: "the endpoint answered 400".to_owned(),
                attempts: 1,
                status: Some(400),
                response: "not match any cmdb instance".to_owned(),
                first_failed_at: Timestamp(1_732_160_001_000),
            },
            buried_at: Timestamp(1_732_160_001_005),
            idempotency_key: "guance-to-omp/event/2/17".to_owned(),
            event_id: Some("e-1".to_owned()),
        };
        DeadLetter { summary, value: Some("{\"ä\":1}".into()), headers: Vec::new() }
    }

    #[test]
    fn the_list_has_the_names_of_the_contract_in_its_order() {
        assert_eq!(
            serde_json::to_string(&letter().summary).unwrap(),
            r#"{"id":4,"forward":"guance-to-omp","topic":"event","partition":2,"offset":17,"timestamp":1732160000123,"key":"k","reason":"the endpoint answered 400","attempts":1,"status":400,"response":"not match any cmdb instance","first_failed_at":"2024-11-21T03:33:21.000Z","buried_at":"2024-11-21T03:33:21.005Z","idempotency_key":"guance-to-omp/event/2/17","event_id":"e-1","recreated":0,"truncated_from":null}"#
        );
    }

    #[test]
    fn bytes_that_are_not_text_stand_in_base64_under_another_name() {
        let mut letter = letter();
        letter.summary.key = Some(vec![0xff, 0]);
        letter.value = Some(vec![0xfe]);
        letter.headers = vec![
            Header { key: b"a".to_vec(), value: None },
            Header { key: b"a".to_vec(), value: Some(b"1".to_vec()) },
            Header { key: vec![0xff], value: Some(vec![0xff]) },
        ];
        let json = serde_json::to_value(&letter).unwrap();
        assert_eq!(json["key_base64"], "/wA=");
        assert!(json.get("key").is_none());
        assert_eq!(json["value_base64"], "/g==");
        assert!(json.get("value").is_none());
        let headers = serde_json::json!([
            { "key": "a", "value": null },
            { "key": "a", "value": "1" },
            { "key_base64": "/w==", "value_base64": "/w==" },
        ]);
        assert_eq!(json["headers"], headers);
    }

    #[test]
    fn what_is_not_there_is_null() {
        let mut letter = letter();
        letter.summary.key = None;
        letter.summary.failure.status = None;
        letter.value = None;
        let json = serde_json::to_value(&letter).unwrap();
        for name in ["key", "status", "value"] {
            assert_eq!(json.get(name), Some(&serde_json::Value::Null), "{name}");
        }
    }
}
