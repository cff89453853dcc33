//! Answers the control socket. What takes longer than a look is done in a task of its own, so that the daemon goes on
//! listening.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Daemon, alert_requests};
use crate::clock;
use crate::control::{ControlRequest, ControlResponse, DeadLetterFilter, DeadLetterSelection};
use crate::forward::{self, Command};
use crate::monitor::Monitor;
use crate::state::StateHandle;
use crate::state_documents;

/// A forward that does not answer within this is said to be busy.
const FORWARD_ANSWERS: Duration = Duration::from_secs(20);

/// A channel takes longer: a mail server may think for half a minute.
const CHANNEL_ANSWERS: Duration = Duration::from_secs(45);

type Forwards = LiteMap<String, mpsc::Sender<Command>>;

impl Daemon {
    pub(super) fn answer(&self, request: ControlRequest, answer: oneshot::Sender<ControlResponse>) {
        if request == ControlRequest::Status {
            // Nobody may be waiting any more.
            let _ = answer.send(ControlResponse::document(&self.board.status()));
            return;
        }
        let forwards: Forwards =
            self.forwards.iter().map(|forward| (forward.settings.name.clone(), forward.commands.clone())).collect();
        let state = self.state.clone();
        let alerts = self.monitor.as_ref().and_then(Monitor::commands);
        tokio::spawn(async move {
            let response = match alert_requests::answer(&request, alerts.as_ref(), CHANNEL_ANSWERS).await {
                Some(response) => response,
                None => respond(&request, &forwards, &state).await,
            };
            let _ = answer.send(response.unwrap_or_else(ControlResponse::error));
        });
    }
}

async fn respond(
    request: &ControlRequest,
    forwards: &Forwards,
    state: &StateHandle,
) -> Result<ControlResponse, String> {
    match request {
        ControlRequest::PauseForward { name } => tell(forwards, name, Command::Pause).await,
        ControlRequest::ResumeForward { name } => tell(forwards, name, Command::Resume).await,
        ControlRequest::OffsetsSet { forward, topic, partition, position } if forwards.contains_key(forward) => {
            let position = position.parse().map_err(|error| format!("{error}"))?;
            let (topic, partition) = (Arc::from(topic.as_str()), *partition);
            tell(forwards, forward, |answer| Command::SetPosition { topic, partition, position, answer }).await
        }
        ControlRequest::OffsetsSet { forward, .. } => Err(no_such_forward(forwards, forward)),
        ControlRequest::OffsetsRename { old, new } => {
            refuse_running(forwards, [old, new])?;
            state.rename_forward(old, new).await.map_err(|error| error.to_string())?;
            Ok(ControlResponse::done(format!("the offsets of {old} are now those of {new}")))
        }
        ControlRequest::OffsetsImport { .. } => {
            refuse_running(forwards, forwards.keys())?;
            Err("offsets are imported while the daemon is stopped: stop it, import, start it".to_owned())
        }
        ControlRequest::DeadLettersReplay { selection } => replay(selection, forwards, state).await,
        _ => state_documents::answer(state, request, clock::wall_clock())
            .await
            .ok_or_else(|| "this daemon cannot do that".to_owned()),
    }
}

/// A running forward would store its own offsets over those that are brought in.
fn refuse_running<'a>(forwards: &Forwards, names: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
    match names.into_iter().find(|name| forwards.contains_key(*name)) {
        Some(name) => Err(format!("forward {name} is running: stop the daemon first, then try again")),
        None => Ok(()),
    }
}

fn no_such_forward(forwards: &Forwards, name: &str) -> String {
    let known: Vec<&str> = forwards.keys().map(String::as_str).collect();
    format!("there is no forward {name:?}; there are: {}", known.join(", "))
}

async fn tell(
    forwards: &Forwards,
    name: &str,
    command: impl FnOnce(forward::Answer) -> Command,
) -> Result<ControlResponse, String> {
    let Some(commands) = forwards.get(name) else {
        return Err(no_such_forward(forwards, name));
    };
    let (answer, answered) = oneshot::channel();
    let asked = async {
        commands.send(command(answer)).await.map_err(|_| format!("forward {name} has ended"))?;
        answered.await.map_err(|_| format!("forward {name} has ended"))?
    };
    match timeout(FORWARD_ANSWERS, asked).await {
        Ok(said) => said.map(ControlResponse::done),
        Err(_) => Err(format!("forward {name} does not answer: see its log")),
    }
}

async fn replay(
    selection: &DeadLetterSelection,
    forwards: &Forwards,
    state: &StateHandle,
) -> Result<ControlResponse, String> {
    let wanted = match selection {
        DeadLetterSelection::All => None,
        DeadLetterSelection::Ids(ids) => Some(ids),
        DeadLetterSelection::OlderThanSeconds(_) => return Err("replay takes numbers, or all".to_owned()),
    };
    let letters =
        state_documents::summaries(state, &DeadLetterFilter::default()).await.map_err(|error| error.to_string())?;
    let mut by_forward: LiteMap<String, Vec<u64>> = LiteMap::new();
    for letter in letters {
        if wanted.is_none_or(|ids| ids.contains(&letter.id)) {
            by_forward.entry(letter.forward).or_default().push(letter.id);
        }
    }
    if by_forward.is_empty() {
        return Err("there is no such dead letter: see `barnabas dead-letters list`".to_owned());
    }
    let mut said = Vec::new();
    for (name, ids) in by_forward {
        match tell(forwards, &name, |answer| Command::Replay { ids, answer }).await? {
            ControlResponse::Done { message } => said.push(message),
            other => return Ok(other),
        }
    }
    Ok(ControlResponse::done(said.join("; ")))
}
