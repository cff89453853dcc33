//! Commands: a program is started with its arguments, never by a shell, and reads Alertmanager's document from its
//! standard input. Taken means that it ended with 0. It is killed at its time limit.

use std::fs;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin};
use tokio::time::timeout;

use crate::config::schema::CommandSettings;
use crate::logic::alert::Notice;
use crate::logic::alert::document::Document;
use crate::logic::jq::short_line;

use super::{DETAIL_LENGTH, SendError};

/// Bytes of standard error that are kept: its end says most.
const STDERR_SIZE: usize = 4096;

/// How long standard error may stay open after the program ended: a process that it left behind may hold it.
const STDERR_LIMIT: Duration = Duration::from_millis(200);

/// A channel's program.
#[derive(Debug)]
pub(super) struct Command {
    program: String,
    arguments: Vec<String>,
    timeout: Duration,
}

impl Command {
    pub(super) fn new(settings: &CommandSettings) -> Result<Self, String> {
        let Some((program, arguments)) = settings.run.split_first().filter(|(program, _)| !program.is_empty()) else {
            return Err("run: a program is needed, as in run = [\"/usr/local/bin/sms\", \"+49…\"]".to_owned());
        };
        if settings.run.iter().any(|part| part.contains('\0')) {
            return Err("run: no argument can hold a zero character".to_owned());
        }
        Ok(Self { program: program.clone(), arguments: arguments.to_vec(), timeout: settings.timeout })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let document = Document::new(notice).to_json();
        let child = tokio::process::Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| self.not_started(&error))?;
        let mut said = Vec::new();
        // On time out the child is dropped, and killed by that.
        let ended = timeout(self.timeout, run(&mut child, &document, &mut said)).await;
        let said = short_line(&String::from_utf8_lossy(&said).trim(), DETAIL_LENGTH);
        let failed = |what: String| {
            let colon = if said.is_empty() { "" } else { ": " };
            Err(SendError::temporary(format!("{} {what}{colon}{said}", self.program)).saying(said.clone()))
        };
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            // It says "exit status: 1" or "signal: 9 (SIGKILL)".
            Ok(Ok(status)) => failed(format!("ended with {status}")),
            Ok(Err(error)) => failed(format!("could not be waited for ({error})")),
            Err(_) => failed(format!("was killed, since it was not done within {:?}", self.timeout)),
        }
    }

    /// Looks whether the program is there.
    pub(super) fn check(&self) -> Result<String, SendError> {
        if !self.program.contains('/') {
            return Ok(format!("{} would be looked for in PATH; it was not run", self.program));
        }
        match fs::metadata(&self.program) {
            Ok(found) if found.is_file() => Ok(format!("{} is there; it was not run", self.program)),
            Ok(_) => Err(SendError::permanent(format!("{} is no file", self.program))),
            Err(error) => Err(self.not_started(&error)),
        }
    }

    fn not_started(&self, error: &io::Error) -> SendError {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "; give its whole path in `run`",
            io::ErrorKind::PermissionDenied => "; the daemon's user must be allowed to run it",
            _ => "",
        };
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
        SendError::permanent(format!("cannot start {}: {reason}{hint}", self.program))
    }
}

/// Feeds the program and listens to it until it ends.
async fn run(child: &mut Child, document: &[u8], said: &mut Vec<u8>) -> io::Result<ExitStatus> {
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let talk = async { tokio::join!(feed(input, document), listen(errors, said)) };
    tokio::pin!(talk);
    tokio::select! {
        status = child.wait() => {
            // What it said last may still be in the pipe.
            let _ = timeout(STDERR_LIMIT, &mut talk).await;
            return status;
        }
        _ = &mut talk => {}
    }
    child.wait().await
}

/// A program need not read what it is given.
async fn feed(input: Option<ChildStdin>, document: &[u8]) {
    if let Some(mut input) = input {
        let _ = input.write_all(document).await;
        let _ = input.shutdown().await;
    }
}

/// Reads to the end, so that the program is not held up, and keeps the last part.
async fn listen(errors: Option<ChildStderr>, said: &mut Vec<u8>) {
    let Some(mut errors) = errors else { return };
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = errors.read(&mut buffer).await {
        said.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = said.len().saturating_sub(STDERR_SIZE);
        said.drain(..surplus);
    }
}
