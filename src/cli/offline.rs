//! Requests about offsets and dead letters while no daemon runs: the state is opened directly, under its own lock, and
//! closed again. What needs Kafka or the webhook is the daemon's alone.

use std::time::Duration;

use super::failure::Failure;
use super::runtime;
use crate::clock;
use crate::config::schema::Config;
use crate::control::{ControlRequest, ControlResponse};
use crate::logic::offset_tracker::Position;
use crate::logic::position::RequestedPosition;
use crate::logic::record::TopicPartition;
use crate::state::{self, OffsetsDocument, StateError, StateHandle};
use crate::state_documents;

/// For the state to be closed; what was answered is on disk by then.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Does what `request` asks for with the state in `config.state.dir`.
pub(super) fn answer(config: &Config, request: &ControlRequest) -> Result<ControlResponse, Failure> {
    let directory = &config.state.dir;
    if let ControlRequest::OffsetsImport { document } = request {
        let document = OffsetsDocument::parse(document.to_string().as_bytes()).map_err(Failure::failed)?;
        let imported = state::import_into(directory, document).map_err(Failure::failed)?;
        let aside = imported.moved_aside.map(|path| format!("; the file that was there is now {}", path.display()));
        let message = format!("offsets of {} forwards imported{}", imported.forwards, aside.unwrap_or_default());
        return Ok(ControlResponse::done(message));
    }
    // A command that only looks must not leave a new state behind.
    if !directory.exists() {
        return Err(Failure::failed(format!("there is no state in {} yet", directory.display())));
    }
    let runtime = runtime::start()?;
    let (state, thread) = state::open(directory).map_err(Failure::failed)?;
    let answered = runtime::wait(&runtime, async {
        match state_documents::answer(&state, request, clock::wall_clock()).await {
            Some(answered) => Ok(answered),
            None => change(config, &state, request).await,
        }
    });
    drop(state);
    thread.wait(CLOSE_LIMIT);
    answered
}

/// What may only be changed while no forward runs.
async fn change(config: &Config, state: &StateHandle, request: &ControlRequest) -> Result<ControlResponse, Failure> {
    let done = |result: Result<(), StateError>, message: String| match result {
        Ok(()) => Ok(ControlResponse::done(message)),
        Err(error) => Err(Failure::failed(error)),
    };
    match request {
        ControlRequest::PauseForward { name } => {
            done(state.set_paused(name, true).await, format!("{name} is paused, from the daemon's next start on"))
        }
        ControlRequest::ResumeForward { name } => {
            done(state.set_paused(name, false).await, format!("{name} goes on with the daemon's next start"))
        }
        ControlRequest::OffsetsRename { old, new } => {
            done(state.rename_forward(old, new).await, format!("the offsets of {old} are now those of {new}"))
        }
        ControlRequest::OffsetsSet { forward, topic, partition, position } => {
            let Ok(RequestedPosition::Offset(offset)) = position.parse() else {
                return Err(needs_the_daemon(config, &format!("to look up {position}")));
            };
            let partitions = match partition {
                Some(partition) => vec![*partition],
                None => stored_partitions(state, forward, topic).await.map_err(Failure::failed)?,
            };
            if partitions.is_empty() {
                return Err(Failure::failed(format!("{forward} never read {topic}: name a partition, {topic}:0")));
            }
            for partition in &partitions {
                let partition = TopicPartition::new(topic.as_str(), *partition);
                state.set_position(forward, partition, Position(offset)).await.map_err(Failure::failed)?;
            }
            Ok(ControlResponse::done(format!(
                "{forward} goes on at {offset} in {} partitions of {topic}",
                partitions.len()
            )))
        }
        _ => Err(needs_the_daemon(config, "for this")),
    }
}

async fn stored_partitions(state: &StateHandle, forward: &str, topic: &str) -> Result<Vec<i32>, StateError> {
    let stored = state.forward(forward).await?;
    let names = stored.partitions.into_iter().map(|partition| partition.topic_partition);
    Ok(names.filter(|name| &*name.topic == topic).map(|name| name.partition).collect())
}

fn needs_the_daemon(config: &Config, what: &str) -> Failure {
    Failure::failed(format!(
        "no daemon answers on {}, and it is needed {what}: start it with `barnabas run`",
        config.control_socket.display()
    ))
}
