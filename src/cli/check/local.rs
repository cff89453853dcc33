//! What `check --connect` tries besides Kafka: that the state can be written, and that the webhook's host answers. Nothing
//! is created in the state, and nothing is posted.

use std::sync::Arc;

use super::connect::Finding;
use crate::config::schema::{Config, ForwardSettings};
use crate::control::{self, ControlRequest};
use crate::http_client::Endpoint;
use crate::state::{self, Outlook, StateError};
use crate::tls;

/// The folder of the state. That the daemon itself is using it is as it should be.
pub(super) fn state(config: &Config) -> Finding {
    let directory = &config.state.dir;
    let result = match state::look_at(directory) {
        Ok(Outlook::Free) => Ok("can be written, and nobody is using it".to_owned()),
        Ok(Outlook::Absent) => Ok("does not exist yet; the first run creates it".to_owned()),
        Err(StateError::InUse { .. }) if control::ask(&config.control_socket, &ControlRequest::Status).is_ok() => {
            Ok(format!("used by the daemon that answers on {}", config.control_socket.display()))
        }
        Err(error) => Err(error),
    };
    Finding::new(format!("state {}", directory.display()), result)
}

/// The webhook's host: name, TCP, TLS.
pub(super) async fn webhook(forward: ForwardSettings) -> Finding {
    let subject = format!("forward {}, webhook {}", forward.name, forward.webhook.display_url);
    // Connecting blocks, as it does in the senders' threads.
    let tried = tokio::task::spawn_blocking(move || try_webhook(&forward)).await;
    Finding::new(subject, tried.unwrap_or_else(|error| Err(error.to_string())))
}

fn try_webhook(forward: &ForwardSettings) -> Result<String, String> {
    let settings = &forward.webhook;
    let secure = settings.url.reveal().starts_with("https:");
    let tls = secure.then(|| tls::client_config(&settings.tls)).transpose().map_err(|error| error.to_string())?;
    let endpoint = Arc::new(Endpoint::new(settings, tls).map_err(|error| error.to_string())?);
    endpoint.try_connect().map_err(|error| error.to_string())?;
    let how = if secure { "with TLS" } else { "without TLS" };
    Ok(format!("accepts connections, {how}; nothing was posted"))
}
