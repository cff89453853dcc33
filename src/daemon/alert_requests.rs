//! Answers what the control socket asks about alerts: a test, a silence and its end. The task that owns the alerts does
//! what is asked; this only carries it there and back.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::control::{ControlRequest, ControlResponse};
use crate::monitor::Command;

/// The longest silence: what should never be told is better taken out of the configuration.
const LONGEST_SILENCE: Duration = Duration::from_secs(366 * 24 * 3600);

type Commands = mpsc::Sender<Command>;

/// The answer; none: the request is not about alerts.
pub(super) async fn answer(
    request: &ControlRequest,
    commands: Option<&Commands>,
    limit: Duration,
) -> Option<Result<ControlResponse, String>> {
    let (answer, answered) = oneshot::channel();
    let command = match request {
        ControlRequest::AlertsTest { channel } => Command::Test { channel: channel.clone(), answer },
        ControlRequest::AlertsSilence { name, for_seconds } => {
            let length = Duration::from_secs(*for_seconds).min(LONGEST_SILENCE);
            Command::Silence { name: name.clone(), length, answer }
        }
        ControlRequest::AlertsUnsilence { name } => Command::Unsilence { name: name.clone(), answer },
        _ => return None,
    };
    let Some(commands) = commands else {
        let advice = "no alerts are configured: add [[alert]] and [notify.NAME] to the configuration";
        return Some(Err(advice.to_owned()));
    };
    let asked = async {
        let ended = || "the alerts have ended: the daemon is stopping".to_owned();
        commands.send(command).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    };
    Some(match timeout(limit, asked).await {
        Ok(said) => said.map(ControlResponse::done),
        Err(_) => Err(format!("no answer within {} s: see the log of the daemon", limit.as_secs())),
    })
}
