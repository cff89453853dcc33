//! A request at regular intervals while the monitor works, so that something else can tell when it does not: when
//! this process is gone, hangs, or cannot tell anybody.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::config::schema::HeartbeatSettings;
use crate::http_client::{Client, Endpoint};
use crate::logic::moment::Moment;
use crate::tls;

/// The task; ends with this.
#[derive(Debug)]
pub(super) struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Everything that could be wrong with a heartbeat was right.
#[derive(Debug)]
pub(super) struct Prepared {
    endpoint: Arc<Endpoint>,
    every: Duration,
}

/// Prepares the requests of `settings`.
///
/// # Errors
/// A URL or TLS files that cannot be used.
pub(super) fn prepare(settings: &HeartbeatSettings) -> Result<Prepared, String> {
    let webhook = &settings.webhook;
    let tls = if webhook.url.reveal().starts_with("https:") {
        Some(tls::client_config(&webhook.tls).map_err(|error| error.to_string())?)
    } else {
        None
    };
    let endpoint = Endpoint::new(webhook, tls).map_err(|error| error.to_string())?;
    Ok(Prepared { endpoint: Arc::new(endpoint), every: settings.interval })
}

impl Prepared {
    /// Starts to ask, until `well_until`, which whoever watches puts off again and again.
    pub(super) fn start(self, well_until: watch::Receiver<Moment>) -> Heartbeat {
        Heartbeat(tokio::spawn(beat(self.endpoint, self.every, well_until)))
    }
}

async fn beat(endpoint: Arc<Endpoint>, every: Duration, well_until: watch::Receiver<Moment>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        if *well_until.borrow() < clock::now() {
            continue;
        }
        let endpoint = Arc::clone(&endpoint);
        let key = clock::wall_clock().0.to_string();
        let asked = tokio::task::spawn_blocking(move || Client::new(endpoint).send(&[], &key)).await;
        let failure = match asked {
            Ok(Ok(response)) if (200..300).contains(&response.status) => None,
            Ok(Ok(response)) => Some(format!("status {}", response.status)),
            Ok(Err(error)) => Some(error.to_string()),
            // The runtime is going down.
            Err(_) => return,
        };
        match &failure {
            None if failing => tracing::info!("the heartbeat is taken again"),
            Some(error) if !failing => tracing::warn!("the heartbeat was not taken: {error}"),
            None | Some(_) => {}
        }
        failing = failure.is_some();
    }
}
