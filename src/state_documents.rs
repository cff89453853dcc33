//! What is in the state, as the documents that commands print: the same whether a daemon answers or the state was opened
//! without one. Only reads, and deletes dead letters; both are safe while forwards run.

use std::time::Duration;

use serde_json::json;

use crate::control::{ControlRequest, ControlResponse, DeadLetterFilter, DeadLetterSelection};
use crate::logic::moment::Timestamp;
use crate::state::{self, DeadLetterSummary, Purge, StateError, StateHandle};

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
    Ok(ControlResponse::document(&rows))
}

async fn export_offsets(state: &StateHandle) -> Result<ControlResponse, StateError> {
    Ok(ControlResponse::document(&state.export_offsets().await?))
}

async fn list(state: &StateHandle, filter: &DeadLetterFilter) -> Result<ControlResponse, StateError> {
    Ok(ControlResponse::document(&summaries(state, filter).await?))
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
        Some(letter) => ControlResponse::document(&letter),
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
            letters.push(letter);
        }
    }
    Ok(ControlResponse::document(&letters))
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

#[cfg(test)]
#[path = "state_documents_tests.rs"]
mod tests;
