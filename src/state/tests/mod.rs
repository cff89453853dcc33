//! The state as others see it, on real files; and what becomes of it when a disk fails.

mod api;
mod crash;
mod damage;
mod documents;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::logic::counters::Counters;
use crate::logic::moment::Timestamp;
use crate::logic::offset_tracker::{Position, Snapshot};
use crate::logic::record::{Header, Record, TopicPartition};

/// An hour in 2026, as letters need one that is later than 2020.
const NOW: Timestamp = Timestamp(1_790_000_000_000);
const PLENTY: u64 = 1 << 40;

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await.expect("an answer in time") })
}

/// Opens the state, does something, closes it.
#[track_caller]
fn with_state<T>(directory: &Path, work: impl AsyncFnOnce(&StateHandle) -> T) -> T {
    let (handle, thread) = open(directory).unwrap();
    let result = block_on(work(&handle));
    drop(handle);
    assert!(thread.wait(Duration::from_secs(60)), "the state must close");
    result
}

pub(super) fn partition(number: i32, fetched: i64, unsettled: &[i64]) -> StoredPartition {
    StoredPartition {
        topic_partition: TopicPartition::new("event", number),
        cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qk".to_owned()),
        topic_id: Some([3; 16]),
        leader_epoch: 5,
        recreated: 0,
        snapshot: Snapshot {
            fetched: Position(fetched),
            unsettled: unsettled.iter().copied().collect::<BTreeSet<_>>(),
        },
    }
}

pub(super) fn offsets(partitions: Vec<StoredPartition>) -> StoreOffsets {
    let consumed = partitions.iter().map(|partition| partition.snapshot.fetched.0 as u64).sum();
    StoreOffsets { partitions, counters: Counters { consumed, ..Counters::default() }, patterns: None }
}

pub(super) fn letter(forward: &str, offset: i64, value_bytes: usize) -> NewDeadLetter {
    NewDeadLetter {
        forward: forward.to_owned(),
        topic_partition: TopicPartition::new("event", 0),
        recreated: 0,
        record: Arc::new(Record {
            offset,
            timestamp: NOW.0,
            key: Some(b"k".to_vec()),
            value: Some(vec![offset as u8; value_bytes]),
            headers: vec![Header { key: b"h".to_vec(), value: None }],
            truncated_from: None,
        }),
        failure: Failure {
            reason: "the endpoint answered 400".to_owned(),
            attempts: 1,
            status: Some(400),
            response: "no".to_owned(),
            first_failed_at: NOW,
        },
        buried_at: NOW,
        idempotency_key: format!("{forward}/event/0/{offset}"),
        event_id: None,
    }
}
