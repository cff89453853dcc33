//! A record as JSON: one form for everything that shows records, with names that are a contract (docs/commands.md).
//! Bytes that are no text stand in base64 under another name. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jaq_json::{Map, Num, Val};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::record::{Header, Record, TopicPartition};

/// A record with where it came from, to be written as JSON: topic, partition, offset, timestamp, key, value, headers;
/// and truncated_from, where it was cut.
#[derive(Clone, Copy, Debug)]
pub struct RecordJson<'a>(pub &'a TopicPartition, pub &'a Record);

impl Serialize for RecordJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(source, record) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("topic", source.topic.as_ref())?;
        map.serialize_entry("partition", &source.partition)?;
        map.serialize_entry("offset", &record.offset)?;
        map.serialize_entry("timestamp", &record.timestamp)?;
        bytes(&mut map, "key", "key_base64", record.key.as_deref())?;
        bytes(&mut map, "value", "value_base64", record.value.as_deref())?;
        map.serialize_entry("headers", &Headers(&record.headers))?;
        if let Some(size) = record.truncated_from {
            map.serialize_entry("truncated_from", &size)?;
        }
        map.end()
    }
}

/// Text under its name; bytes that are not UTF-8 in base64 under the other.
///
/// # Errors
/// What the serializer refuses.
pub fn bytes<M: SerializeMap>(
    map: &mut M,
    name: &str,
    name_of_base64: &str,
    value: Option<&[u8]>,
) -> Result<(), M::Error> {
    match value.map(|value| (value, std::str::from_utf8(value))) {
        None => map.serialize_entry(name, &None::<&str>),
        Some((_, Ok(text))) => map.serialize_entry(name, text),
        Some((value, Err(_))) => map.serialize_entry(name_of_base64, &STANDARD.encode(value)),
    }
}

/// Headers as an array of { key, value }, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(pub &'a [Header]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut headers = serializer.serialize_seq(Some(self.0.len()))?;
        for header in self.0 {
            headers.serialize_element(&HeaderJson(header))?;
        }
        headers.end()
    }
}

struct HeaderJson<'a>(&'a Header);

impl Serialize for HeaderJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        bytes(&mut map, "key", "key_base64", Some(&self.0.key))?;
        bytes(&mut map, "value", "value_base64", self.0.value.as_deref())?;
        map.end()
    }
}

/// A record without its value, for jq: what the steps of a forward have as `$record`.
pub fn jq_without_value(source: &TopicPartition, record: &Record) -> Val {
    jq(source, record, |_| {})
}

/// The whole record, for jq: the same members as [`RecordJson`] has.
pub fn jq_whole(source: &TopicPartition, record: &Record) -> Val {
    jq(source, record, |set| {
        set_bytes(set, "value", record.value.as_deref());
        if let Some(size) = record.truncated_from {
            set("truncated_from", Val::Num(Num::from_integral(size)));
        }
    })
}

fn jq(source: &TopicPartition, record: &Record, more: impl FnOnce(&mut dyn FnMut(&str, Val))) -> Val {
    let mut members = Map::default();
    let mut set = |name: &str, value: Val| drop(members.insert(Val::from(name.to_owned()), value));
    set("topic", Val::from(source.topic.to_string()));
    set("partition", Val::Num(Num::from_integral(source.partition)));
    set("offset", Val::Num(Num::from_integral(record.offset)));
    set("timestamp", Val::Num(Num::from_integral(record.timestamp)));
    set_bytes(&mut set, "key", record.key.as_deref());
    set("headers", record.headers.iter().map(jq_header).collect());
    more(&mut set);
    Val::obj(members)
}

fn jq_header(header: &Header) -> Val {
    let mut members = Map::default();
    let mut set = |name: &str, value: Val| drop(members.insert(Val::from(name.to_owned()), value));
    set_bytes(&mut set, "key", Some(&header.key));
    set_bytes(&mut set, "value", header.value.as_deref());
    Val::obj(members)
}

/// Text under `name`; bytes that are not UTF-8 in base64 under the name with _base64.
fn set_bytes(set: &mut dyn FnMut(&str, Val), name: &str, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return set(name, Val::Null) };
    match std::str::from_utf8(bytes) {
        Ok(text) => set(name, Val::from(text.to_owned())),
        Err(_) => set(&format!("{name}_base64"), Val::from(STANDARD.encode(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::jq::json;

    fn record(value: Option<&[u8]>) -> Record {
        Record {
            offset: 17,
            timestamp: 1_732_160_000_123,
            key: Some(b"\xff\x00".to_vec()),
            value: value.map(<[u8]>::to_vec),
            headers: vec![
                Header { key: b"a".to_vec(), value: None },
                Header { key: b"a".to_vec(), value: Some(b"\xfe".to_vec()) },
            ],
            truncated_from: None,
        }
    }

    fn both(record: &Record) -> (serde_json::Value, serde_json::Value) {
        let source = TopicPartition::new("event", 2);
        let written = serde_json::to_value(RecordJson(&source, record)).unwrap();
        let jq = json::write(&jq_whole(&source, record), 1 << 20).unwrap();
        (written, serde_json::from_slice(&jq).unwrap())
    }

    #[test]
    fn a_record_has_the_names_of_the_contract_in_their_order() {
        let source = TopicPartition::new("event", 2);
        assert_eq!(
            serde_json::to_string(&RecordJson(&source, &record(Some("{\"ä\":1}".as_bytes())))).unwrap(),
            r#"{"topic":"event","partition":2,"offset":17,"timestamp":1732160000123,"key_base64":"/wA=","value":"{\"ä\":1}","headers":[{"key":"a","value":null},{"key":"a","value_base64":"/g=="}]}"#
        );
    }

    #[test]
    fn jq_sees_what_is_written() {
        for value in [None, Some(&b""[..]), Some(b"text"), Some(b"\xc3\x28")] {
            let (written, jq) = both(&record(value));
            assert_eq!(written, jq);
        }
        let (written, jq) = both(&Record { truncated_from: Some(100), ..record(Some(b"t")) });
        assert_eq!((&written["truncated_from"], &written), (&100.into(), &jq));
    }
}
