//! How a command has the daemon do something, and what it shows of the answer.

use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::offline;
use super::output::{Output, remark};
use crate::config::schema::Config;
use crate::control::{self, AskError, ControlRequest, ControlResponse};

/// Where an answer may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Only a running daemon can do it.
    Daemon,
    /// Without a daemon the state is opened directly.
    DaemonOrState,
}

/// What was asked for.
pub(super) fn document(config: &Config, request: &ControlRequest, source: Source) -> Result<Value, Failure> {
    match answer(config, request, source)? {
        ControlResponse::Document { json } => serde_json::from_slice(json.as_bytes())
            .map_err(|error| Failure::failed(format!("the answer cannot be read: {error}"))),
        ControlResponse::Done { message } => Err(Failure::failed(format!("unexpected answer: {message}"))),
        ControlResponse::Error { message } => Err(Failure::Failed(message)),
    }
}

/// Has it done, and says what was done: on standard error, because it is no data.
pub(super) fn done(config: &Config, request: &ControlRequest, source: Source) -> Result<(), Failure> {
    match answer(config, request, source)? {
        ControlResponse::Done { message } => {
            remark(&crate::logic::printable::printable(&message));
            Ok(())
        }
        ControlResponse::Document { .. } => Ok(()),
        ControlResponse::Error { message } => Err(Failure::Failed(message)),
    }
}

fn answer(config: &Config, request: &ControlRequest, source: Source) -> Result<ControlResponse, Failure> {
    match control::ask(&config.control_socket, request) {
        Err(AskError::NotRunning(_)) if source == Source::DaemonOrState => offline::answer(config, request),
        answered => Ok(answered?),
    }
}

/// The objects of an array, for a table.
pub(super) fn rows(document: &Value) -> &[Value] {
    document.as_array().map_or(&[], Vec::as_slice)
}

/// `items` as JSON lines.
pub(super) fn lines(items: &[impl Serialize], output: &mut Output<'_>) -> Result<(), Failure> {
    for item in items {
        let mut line = serde_json::to_vec(item).map_err(Failure::failed)?;
        line.push(b'\n');
        output.bytes(&line)?;
    }
    Ok(())
}
