//! offsets.json: all offsets in a form that a person can read and change, and the way out when offsets.redb is
//! damaged. Written beside the state from time to time, and read only by an import.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use super::error::StateError;
use super::file::sync_directory_of;
use super::offsets::{StoredForward, StoredPartition};
use crate::logic::counters::Counters;
use crate::logic::from_json::{self, FromJson, Members, Unreadable, from_json};
use crate::logic::indented_json::indented;
use crate::logic::moment::Timestamp;
use crate::logic::offset_tracker::{Position, Snapshot};
use crate::logic::record::TopicPartition;
use crate::logic::rfc3339;

/// The version of the document that this program writes, and the latest that it reads.
const VERSION: u32 = 1;

/// What offsets.json holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OffsetsDocument {
    /// 1.
    pub barnabas_offsets: u32,
    /// RFC 3339; for people.
    pub written_at: Option<String>,
    /// Every forward that ever stored anything.
    pub forwards: Vec<ForwardDocument>,
}

/// A forward in offsets.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForwardDocument {
    /// Its name.
    pub forward: String,
    /// Paused by a person.
    pub paused: bool,
    /// Its topics as the configuration named them.
    pub topics: Vec<String>,
    /// Its counters.
    pub counters: Counters,
    /// Its partitions.
    pub partitions: Vec<PartitionDocument>,
}

/// A partition in offsets.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionDocument {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Everything at or above has not been read.
    pub fetched: i64,
    /// Offsets below `fetched` that still have to be delivered.
    pub unsettled: Vec<i64>,
    /// As Kafka's tools print it: URL-safe base64.
    pub topic_id: Option<String>,
    /// −1 where it is not known.
    pub leader_epoch: i32,
    /// How many times the topic was created again.
    pub recreated: u32,
    /// The cluster that the offsets belong to.
    pub cluster_id: Option<String>,
}

struct Version(u32);

impl FromJson for Version {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        let version = members.take("barnabas_offsets");
        members.end(Self(version))
    }
}

// A person may have written it: what is misspelt must not be passed over.
from_json!(only OffsetsDocument { barnabas_offsets, written_at, forwards });
from_json!(only ForwardDocument { forward, partitions; paused, topics, counters });

impl FromJson for PartitionDocument {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        let read = Self {
            topic: members.take("topic"),
            partition: members.take("partition"),
            fetched: members.take("fetched"),
            unsettled: members.take_or_default("unsettled"),
            topic_id: members.take("topic_id"),
            leader_epoch: members.take_or("leader_epoch", -1),
            recreated: members.take_or_default("recreated"),
            cluster_id: members.take("cluster_id"),
        };
        members.end_of_all(read)
    }
}

impl OffsetsDocument {
    /// Reads a document. The error says where in it and why not.
    pub fn parse(json: &[u8]) -> Result<Self, StateError> {
        let not_one = |error| StateError::Refused(format!("this is not an offsets.json of barnabas: {error}"));
        // The version first: of a later one we know nothing else.
        let Version(version) = from_json::read(json).map_err(not_one)?;
        if version != VERSION {
            return Err(StateError::Refused(format!(
                "the offsets are in version {version}, and this barnabas reads version {VERSION}"
            )));
        }
        from_json::read(json).map_err(not_one)
    }

    pub(super) fn new(forwards: Vec<(String, StoredForward)>, written_at: Timestamp) -> Self {
        let forwards = forwards.into_iter().map(|(name, forward)| ForwardDocument::new(name, forward)).collect();
        Self { barnabas_offsets: VERSION, written_at: Some(rfc3339::format(written_at)), forwards }
    }

    /// What is to be stored; refused as a whole where a part of it cannot be right.
    pub(super) fn into_forwards(self) -> Result<Vec<(String, StoredForward)>, StateError> {
        let mut names = BTreeSet::new();
        let mut forwards = Vec::new();
        for document in self.forwards {
            if !names.insert(document.forward.clone()) {
                return Err(StateError::Refused(format!("the forward {} is there twice", document.forward)));
            }
            forwards.push((document.forward.clone(), document.into_stored()?));
        }
        Ok(forwards)
    }
}

impl ForwardDocument {
    fn new(name: String, stored: StoredForward) -> Self {
        let partitions = stored.partitions.into_iter().map(PartitionDocument::new).collect();
        Self { forward: name, paused: stored.paused, topics: stored.patterns, counters: stored.counters, partitions }
    }

    fn into_stored(self) -> Result<StoredForward, StateError> {
        let mut seen = BTreeSet::new();
        let mut partitions = Vec::new();
        for document in self.partitions {
            let place = format!("forward {}, topic {}, partition {}", self.forward, document.topic, document.partition);
            let stored = document.into_stored().map_err(|wrong| StateError::Refused(format!("{place}: {wrong}")))?;
            if !seen.insert(stored.topic_partition.clone()) {
                return Err(StateError::Refused(format!("{place}: it is there twice")));
            }
            partitions.push(stored);
        }
        partitions.sort_by(|one, other| one.topic_partition.cmp(&other.topic_partition));
        Ok(StoredForward { patterns: self.topics, paused: self.paused, counters: self.counters, partitions })
    }
}

impl PartitionDocument {
    fn new(stored: StoredPartition) -> Self {
        Self {
            topic: stored.topic_partition.topic.to_string(),
            partition: stored.topic_partition.partition,
            fetched: stored.snapshot.fetched.0,
            unsettled: stored.snapshot.unsettled.into_iter().collect(),
            topic_id: stored.topic_id.map(|id| URL_SAFE_NO_PAD.encode(id)),
            leader_epoch: stored.leader_epoch,
            recreated: stored.recreated,
            cluster_id: stored.cluster_id,
        }
    }

    fn into_stored(self) -> Result<StoredPartition, &'static str> {
        if self.partition < 0 {
            return Err("the partition is negative");
        }
        if self.fetched < 0 {
            return Err("fetched is negative");
        }
        if self.unsettled.iter().any(|offset| !(0..self.fetched).contains(offset)) {
            return Err("an unsettled offset does not lie between 0 and fetched");
        }
        let topic_id = self.topic_id.map(|id| {
            let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
            <[u8; 16]>::try_from(bytes).ok()
        });
        if topic_id == Some(None) {
            return Err("topic_id is not a topic's id");
        }
        Ok(StoredPartition {
            topic_partition: TopicPartition::new(self.topic, self.partition),
            cluster_id: self.cluster_id,
            topic_id: topic_id.flatten(),
            leader_epoch: self.leader_epoch,
            recreated: self.recreated,
            snapshot: Snapshot { fetched: Position(self.fetched), unsettled: self.unsettled.into_iter().collect() },
        })
    }
}

/// Puts the document in the place of the one at `path`: at any moment, and after a power loss, one of them is there.
pub(super) fn replace_file(path: &Path, document: &OffsetsDocument) -> Result<(), StateError> {
    let unfinished = path.with_extension("json.new");
    let failed = |error: std::io::Error| StateError::from_io(&unfinished, &error);
    let json = serde_json::to_string(document).map_err(|error| failed(error.into()))?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(failed)?;
    file.write_all(indented(&json).as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)?;
    sync_directory_of(path)
}
