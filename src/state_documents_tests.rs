use super::*;
use crate::logic::offset_tracker::{Position, Snapshot};
use crate::logic::record::{Header, Record, TopicPartition};
use crate::state::{Failure, NewDeadLetter, StoreOffsets, StoredPartition};
use serde_json::Value;
use std::sync::Arc;

fn letter(offset: i64, buried_at: i64, key: &[u8]) -> NewDeadLetter {
    let record = Record {
        offset,
        timestamp: 7,
        key: Some(key.to_vec()),
        value: Some(b"{}".to_vec()),
        headers: vec![Header { key: b"h".to_vec(), value: None }],
        truncated_from: None,
    };
    let failure = Failure {
        reason: "refused".into(),
        attempts: 2,
        status: Some(400),
        response: "no".into(),
        first_failed_at: Timestamp(1_795_244_400_000),
    };
    NewDeadLetter {
        forward: "a".into(),
        topic_partition: TopicPartition::new("t", 0),
        recreated: 0,
        record: Arc::new(record),
        failure,
        buried_at: Timestamp(buried_at),
        idempotency_key: format!("a/t/0/{offset}"),
        event_id: None,
    }
}

const DAY: i64 = 86_400_000;
const NOW: i64 = 1_795_244_400_000;

async fn document(state: &StateHandle, request: ControlRequest) -> Value {
    match answer(state, &request, Timestamp(NOW)).await {
        Some(ControlResponse::Document { json }) => serde_json::from_str(&json).expect("JSON"),
        other => panic!("{request:?}: {other:?}"),
    }
}

#[tokio::test]
async fn dead_letters_are_shown_with_the_names_of_the_contract_and_purged_by_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, _thread) = state::open(folder.path()).expect("a state");
    for (offset, age, key) in [(1, 40 * DAY, &b"\xff"[..]), (2, DAY, b"k"), (3, 0, b"k")] {
        state.bury(letter(offset, NOW - age, key), 1 << 20).await.expect("room");
    }
    let listed = document(&state, ControlRequest::DeadLettersList { filter: DeadLetterFilter::default() }).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(3));
    for name in
        "id forward topic partition offset timestamp reason attempts status response first_failed_at idempotency_key"
            .split(' ')
    {
        assert!(listed[0].get(name).is_some(), "{name}");
    }
    assert_eq!((&listed[0]["key_base64"], &listed[1]["key"]), (&json!("/w=="), &json!("k")));
    assert!(listed[0].get("value").is_none(), "a list has no values");

    let newest = DeadLetterFilter { forward: Some("a".into()), limit: Some(1) };
    let newest = document(&state, ControlRequest::DeadLettersList { filter: newest }).await;
    assert_eq!(newest[0]["offset"], 3);

    let id = listed[1]["id"].as_u64().expect("an id");
    let shown = document(&state, ControlRequest::DeadLetterShow { id }).await;
    assert_eq!((&shown["value"], &shown["headers"]), (&json!("{}"), &json!([{"key": "h", "value": null}])));
    let missing = answer(&state, &ControlRequest::DeadLetterShow { id: 999 }, Timestamp(NOW)).await;
    assert!(matches!(missing, Some(ControlResponse::Error { .. })));

    let selection = DeadLetterSelection::OlderThanSeconds(30 * 86_400);
    let purged = answer(&state, &ControlRequest::DeadLettersPurge { selection }, Timestamp(NOW)).await;
    assert_eq!(purged, Some(ControlResponse::done("1 dead letters deleted")));
    let exported = document(&state, ControlRequest::DeadLettersExport).await;
    let offsets: Vec<&Value> = exported.as_array().expect("an array").iter().map(|letter| &letter["offset"]).collect();
    assert_eq!(offsets, [2, 3]);
}

#[tokio::test]
async fn offsets_are_shown_with_what_is_unsettled() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, _thread) = state::open(folder.path()).expect("a state");
    let partition = StoredPartition {
        topic_partition: TopicPartition::new("t", 3),
        cluster_id: None,
        topic_id: None,
        leader_epoch: -1,
        recreated: 0,
        snapshot: Snapshot { fetched: Position(10), unsettled: [4, 7].into() },
    };
    state.store("a", StoreOffsets { partitions: vec![partition], ..Default::default() }).await.expect("stored");
    assert_eq!(
        document(&state, ControlRequest::OffsetsShow).await,
        json!([{"forward": "a", "topic": "t", "partition": 3, "stored": 4, "fetched": 10, "unsettled": [4, 7]}])
    );
    let exported = document(&state, ControlRequest::OffsetsExport).await;
    assert_eq!(exported["forwards"][0]["forward"], "a");
    assert_eq!(answer(&state, &ControlRequest::Status, Timestamp(NOW)).await, None, "not the state's to say");
}
