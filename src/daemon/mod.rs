//! The daemon: starts everything, and from then on only listens: to signals, to the control socket, and to the clock
//! for the few things that are done hourly. Forwards run in tasks of their own and need nothing of it.

mod alert_requests;
mod requests;

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock;
use crate::config::schema::{Config, ForwardSettings};
use crate::control::{self, ControlServer};
use crate::forward::{self, Command, Forward};
use crate::http::HttpServer;
use crate::logging::Log;
use crate::monitor::Monitor;
use crate::service::{self, Notice, Signal, Signals};
use crate::state::{self, StateHandle};
use crate::status::{StatusBoard, StatusPublisher, board};

/// Requests from the control socket that may wait.
const REQUESTS: usize = 16;
/// How often offsets.json is written and old dead letters are deleted.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);
/// How long the state may take to close its files.
const CLOSE_STATE: Duration = Duration::from_secs(10);
/// A watchdog that nobody set.
const NO_WATCHDOG: Duration = Duration::from_secs(3600);

/// Why the daemon did not start. What happens later is logged, and shown by `status`.
#[derive(Debug)]
pub struct DaemonError(String);

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DaemonError {}

impl DaemonError {
    fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Reads the configuration again, after a SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Config, String>>;

/// The daemon. Owned by `run`.
struct Daemon {
    config: Config,
    reload: Reload,
    log: Log,
    state: StateHandle,
    forwards: Vec<Forward>,
    /// None: not started yet, or it could not be started after a reload.
    monitor: Option<Monitor>,
    publisher: StatusPublisher,
    board: StatusBoard,
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What keeps it from starting: a state in use or damaged, a socket or port that cannot be had, a forward whose
/// configuration cannot be used.
pub async fn run(config: Config, reload: Reload, log: Log) -> Result<(), DaemonError> {
    let mut signals = Signals::new().map_err(DaemonError::new)?;
    let (state, state_thread) = state::open(&config.state.dir).map_err(DaemonError::new)?;
    let (requests, mut request_queue) = mpsc::channel(REQUESTS);
    let control = ControlServer::bind(&config.control_socket).map_err(DaemonError::new)?;
    let (publisher, status_board) = board(clock::wall_clock());
    if let Some(settings) = &config.http {
        let server = HttpServer::bind(settings)
            .await
            .map_err(|error| DaemonError(format!("cannot listen on {}: {error}", settings.listen)))?;
        tracing::info!(address = %settings.listen, "status page, metrics and health");
        tokio::spawn(server.serve(status_board.clone()));
    }
    let control_server = tokio::spawn(control.serve(requests));
    let mut daemon =
        Daemon { config, reload, log, state, forwards: Vec::new(), monitor: None, publisher, board: status_board };
    for settings in daemon.config.forwards.clone() {
        let forward = daemon.start(&settings).await.map_err(DaemonError)?;
        daemon.forwards.push(forward);
    }
    daemon.publish();
    let Daemon { config, state, publisher, board, .. } = &daemon;
    daemon.monitor = Some(Monitor::start(config, state, publisher, board).await.map_err(DaemonError)?);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), forwards = daemon.forwards.len(), "started");
    service::notify(Notice::Ready);
    daemon.listen(&mut signals, &mut request_queue).await;
    service::notify(Notice::Stopping);
    control_server.abort();
    daemon.stop(&mut signals).await;
    drop(daemon);
    if !state_thread.wait(CLOSE_STATE) {
        tracing::warn!("the state is still being written: its files are verified at the next start");
    }
    tracing::info!("stopped");
    Ok(())
}

impl Daemon {
    /// Serves until somebody wants it to stop.
    async fn listen(&mut self, signals: &mut Signals, requests: &mut mpsc::Receiver<control::Command>) {
        let mut watchdog = interval(service::watchdog_interval().unwrap_or(NO_WATCHDOG));
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut housekeeping = interval(HOUSEKEEPING);
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => {
                        // It may take as long as a forward needs to end: meanwhile the service manager must hear from us.
                        let mut reload = std::pin::pin!(self.reload());
                        loop {
                            tokio::select! {
                                () = &mut reload => break,
                                _ = watchdog.tick() => service::notify(Notice::Alive),
                            }
                        }
                    }
                    Signal::Stop | Signal::StopNow => return,
                },
                Some((request, answer)) = requests.recv() => self.answer(request, answer),
                _ = watchdog.tick() => service::notify(Notice::Alive),
                _ = housekeeping.tick() => self.keep_house(),
            }
        }
    }

    async fn start(&self, settings: &ForwardSettings) -> Result<Forward, String> {
        let name = &settings.name;
        let cluster = self
            .config
            .clusters
            .get(&settings.cluster)
            .ok_or_else(|| format!("forward {name}: there is no cluster {}", settings.cluster))?;
        let stored = self.state.forward(name).await.map_err(|error| error.to_string())?;
        let commit_interval = self.config.state.commit_interval;
        forward::start(settings, cluster, commit_interval, self.state.clone(), stored)
            .map_err(|error| error.to_string())
    }

    fn publish(&self) {
        self.publisher.set_forwards(self.forwards.iter().map(|forward| forward.status.clone()).collect());
    }

    /// SIGHUP. A file that is wrong changes nothing and says why; of a right one, what differs is stopped and started.
    async fn reload(&mut self) {
        service::notify(Notice::Reloading);
        match (self.reload)() {
            Err(error) => tracing::error!("the configuration was not changed: {error}"),
            Ok(config) => self.change_to(config).await,
        }
        service::notify(Notice::Ready);
    }

    async fn change_to(&mut self, config: Config) {
        for (what, differs) in [
            ("[state] dir", config.state.dir != self.config.state.dir),
            ("[control] socket", config.control_socket != self.config.control_socket),
            ("[http]", config.http != self.config.http),
        ] {
            if differs {
                tracing::warn!("{what} changes with a restart only");
            }
        }
        self.log.reconfigure(&config.log);
        let before = std::mem::replace(&mut self.config, config);
        let (kept, ended): (Vec<Forward>, Vec<Forward>) = std::mem::take(&mut self.forwards)
            .into_iter()
            .partition(|forward| self.is_unchanged(&forward.settings, &before));
        drain(ended, before.shutdown_timeout).await;
        self.forwards = kept;
        let mut reasons = Vec::new();
        for settings in self.config.forwards.clone() {
            if self.forwards.iter().any(|forward| forward.settings.name == settings.name) {
                continue;
            }
            match self.start(&settings).await {
                Ok(forward) => self.forwards.push(forward),
                Err(error) => {
                    tracing::error!("{error}");
                    reasons.push(error);
                }
            }
        }
        let order =
            |forward: &Forward| self.config.forwards.iter().position(|settings| settings.name == forward.settings.name);
        self.forwards.sort_by_key(order);
        self.publish();
        if let Err(error) = self.change_monitor().await {
            tracing::error!("{error}");
            reasons.push(error);
        }
        self.publisher.set_reasons(reasons);
        tracing::info!(forwards = self.forwards.len(), "the configuration was read again");
    }

    async fn change_monitor(&mut self) -> Result<(), String> {
        let Self { config, state, publisher, board, monitor, .. } = self;
        match monitor {
            Some(monitor) => monitor.change_to(config, state, publisher, board).await,
            None => {
                *monitor = Some(Monitor::start(config, state, publisher, board).await?);
                Ok(())
            }
        }
    }

    fn is_unchanged(&self, settings: &ForwardSettings, before: &Config) -> bool {
        self.config.forwards.contains(settings)
            && self.config.clusters.get(&settings.cluster) == before.clusters.get(&settings.cluster)
            && self.config.state.commit_interval == before.state.commit_interval
    }

    fn keep_house(&self) {
        let state = self.state.clone();
        let limits: Vec<(String, Duration)> = self
            .config
            .forwards
            .iter()
            .filter_map(|forward| forward.dead_letters.max_age.map(|max_age| (forward.name.clone(), max_age)))
            .collect();
        tokio::spawn(async move {
            if let Err(error) = state.write_offsets_json().await {
                tracing::warn!(%error, "offsets.json was not written");
            }
            for (forward, max_age) in limits {
                match state.expire(&forward, max_age, clock::wall_clock()).await {
                    Ok(0) => {}
                    Ok(deleted) => tracing::warn!(forward, deleted, "dead letters older than max_age were deleted"),
                    Err(error) => tracing::warn!(forward, %error, "old dead letters were not deleted"),
                }
            }
        });
    }

    /// Stops fetching, finishes what is in flight, stores. A second signal does not wait for the endpoint.
    async fn stop(&mut self, signals: &mut Signals) {
        self.publisher.set_reasons(vec!["stopping".to_owned()]);
        let forwards = std::mem::take(&mut self.forwards);
        let monitor = self.monitor.take();
        let ended = async {
            let alerts = async {
                if let Some(monitor) = monitor {
                    monitor.end().await;
                }
            };
            tokio::join!(drain(forwards, self.config.shutdown_timeout), alerts);
        };
        tokio::select! {
            () = ended => {}
            _ = signals.next() => tracing::warn!("told to stop at once: what is in flight is sent again by the next run"),
        }
        match timeout(CLOSE_STATE, self.state.write_offsets_json()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "offsets.json was not written"),
            Err(_) => tracing::warn!("offsets.json was not written in time"),
        }
    }
}

/// Ends forwards, all at once, each within `limit`; what is in flight after that is sent again by the next run.
async fn drain(forwards: Vec<Forward>, limit: Duration) {
    for forward in &forwards {
        // It may have ended already, or be too busy to listen: then the limit ends it.
        let _ = forward.commands.try_send(Command::Drain);
    }
    let deadline = clock::instant(clock::now() + limit);
    for mut forward in forwards {
        if tokio::time::timeout_at(deadline, &mut forward.task).await.is_err() {
            tracing::warn!(
                forward = forward.settings.name,
                "not done within shutdown_timeout: what is in flight is sent again"
            );
            forward.task.abort();
            // An aborted task is gone at its next await; its last snapshot is in the state's queue.
            let _ = timeout(CLOSE_STATE, &mut forward.task).await;
        }
    }
}
