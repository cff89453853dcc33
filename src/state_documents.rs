//! What is in the state, as the documents that commands print: the same whether a daemon answers or the state was opened
//! without one. Only reads, and deletes dead letters; both are safe while forwards run.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::control::{ControlRequest, ControlResponse, DeadLetterFilter, DeadLetterSelection};
use crate::logic::moment::Timestamp;
use crate::logic::rfc3339;
use crate::state::{self, DeadLetter, DeadLetterSummary, Purge, StateError, StateHandle};

/// Letters that are asked for at once.
const PAGE: usize = 500;

/// Answers what the state alone can answer at the time `now`. None: the request is about something else.
pub async fn answer(state: &StateHandle, request: &ControlRequest, now: Timestamp) -> Option<ControlResponse> {
    let answered = match request {
        ControlRequest::OffsetsShow => offsets(state).await,
        ControlRequest::OffsetsExport => export_offsets(state).await,
        ControlRequest::DeadLettersList { filter } => list(state, filter).await,
        ControlRequest::DeadLetterShow { id } => show(state, *id).await,
        ControlRequest::DeadLettersExport => export_letters(state).await,
        ControlRequest::DeadLettersPurge { selection } => purge(state, selection, now).await,
        _ => return None,
    };
    Some(answered.unwrap_or_else(|error| ControlResponse::error(error.to_string())))
}

async fn offsets(state: &StateHandle) -> Result<ControlResponse, StateError> {
    let mut rows = Vec::new();
    for (forward, stored) in state.forwards().await? {
        for partition in stored.partitions {
            rows.push(json!({
                "forward": forward,
                "topic": &*partition.topic_partition.topic,
                "partition": partition.topic_partition.partition,
                "stored": partition.snapshot.storable().0,
                "fetched": partition.snapshot.fetched.0,
                "unsettled": partition.snapshot.unsettled,
            }));
        }
    }
    Ok(ControlResponse::Document { document: Value::Array(rows) })
}

async fn export_offsets(state: &StateHandle) -> Result<ControlResponse, StateError> {
    Ok(ControlResponse::document(&state.export_offsets().await?))
}

async fn list(state: &StateHandle, filter: &DeadLetterFilter) -> Result<ControlResponse, StateError> {
    let letters = summaries(state, filter).await?;
    Ok(ControlResponse::Document { document: letters.iter().map(|letter| Value::Object(summary(letter))).collect() })
}

/// All letters that the filter lets through, in the order of their ids; where there is a limit, the newest.
pub(crate) async fn summaries(
    state: &StateHandle,
    filter: &DeadLetterFilter,
) -> Result<Vec<DeadLetterSummary>, StateError> {
    let mut letters = Vec::new();
    let mut next = Some(0);
    while let Some(after) = next {
        let page = state::DeadLetterFilter { forward: filter.forward.clone(), after, limit: PAGE };
        let page = state.dead_letters(page).await?;
        letters.extend(page.letters);
        if let Some(excess @ 1..) = filter.limit.and_then(|limit| letters.len().checked_sub(limit)) {
            letters.drain(..excess);
        }
        next = page.next;
    }
    Ok(letters)
}

async fn show(state: &StateHandle, id: u64) -> Result<ControlResponse, StateError> {
    Ok(match state.dead_letter(id).await? {
        Some(letter) => ControlResponse::Document { document: Value::Object(whole(&letter)) },
        None => {
            ControlResponse::error(format!("there is no dead letter {id}; `barnabas dead-letters list` has their ids"))
        }
    })
}

async fn export_letters(state: &StateHandle) -> Result<ControlResponse, StateError> {
    let mut letters = Vec::new();
    for letter in summaries(state, &DeadLetterFilter::default()).await? {
        // One that was replayed meanwhile is gone, and rightly so.
        if let Some(letter) = state.dead_letter(letter.id).await? {
            letters.push(Value::Object(whole(&letter)));
        }
    }
    Ok(ControlResponse::Document { document: Value::Array(letters) })
}

async fn purge(
    state: &StateHandle,
    selection: &DeadLetterSelection,
    now: Timestamp,
) -> Result<ControlResponse, StateError> {
    let purge = match selection {
        DeadLetterSelection::All => Purge::All { forward: None },
        DeadLetterSelection::Ids(ids) => Purge::Ids(ids.clone()),
        DeadLetterSelection::OlderThanSeconds(seconds) => {
            let age = i64::try_from(Duration::from_secs(*seconds).as_millis()).unwrap_or(i64::MAX);
            Purge::BuriedBefore { forward: None, time: Timestamp(now.0.saturating_sub(age)) }
        }
    };
    let deleted = state.purge(purge).await?;
    Ok(ControlResponse::done(format!("{deleted} dead letters deleted")))
}

fn summary(letter: &DeadLetterSummary) -> Map<String, Value> {
    let failure = &letter.failure;
    let mut object = Map::new();
    for (name, value) in [
        ("id", Value::from(letter.id)),
        ("forward", Value::from(letter.forward.as_str())),
        ("topic", Value::from(&*letter.topic_partition.topic)),
        ("partition", Value::from(letter.topic_partition.partition)),
        ("offset", Value::from(letter.offset)),
        ("timestamp", Value::from(letter.timestamp)),
        ("reason", Value::from(failure.reason.as_str())),
        ("attempts", Value::from(failure.attempts)),
        ("status", Value::from(failure.status)),
        ("response", Value::from(failure.response.as_str())),
        ("first_failed_at", Value::from(rfc3339::format(failure.first_failed_at))),
        ("idempotency_key", Value::from(letter.idempotency_key.as_str())),
        ("event_id", Value::from(letter.event_id.as_deref())),
    ] {
        object.insert(name.to_owned(), value);
    }
    if let Some(size) = letter.truncated_from {
        object.insert("truncated_from".to_owned(), Value::from(size));
    }
    put_bytes(&mut object, "key", letter.key.as_deref());
    object
}

fn whole(letter: &DeadLetter) -> Map<String, Value> {
    let mut object = summary(&letter.summary);
    put_bytes(&mut object, "value", letter.value.as_deref());
    let headers = letter.headers.iter().map(|header| {
        let mut object = Map::new();
        put_bytes(&mut object, "key", Some(&header.key));
        put_bytes(&mut object, "value", header.value.as_deref());
        Value::Object(object)
    });
    object.insert("headers".to_owned(), headers.collect());
    object
}

/// Text under `name`, null where there is nothing; bytes that are not UTF-8 as base64 under `name_base64`.
fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(std::str::from_utf8) {
        None => object.insert(name.to_owned(), Value::Null),
        Some(Ok(text)) => object.insert(name.to_owned(), Value::from(text)),
        Some(Err(_)) => {
            object.insert(format!("{name}_base64"), Value::from(STANDARD.encode(bytes.unwrap_or_default())))
        }
    };
}

#[cfg(test)]
#[path = "state_documents_tests.rs"]
mod tests;
