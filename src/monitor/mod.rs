//! Watching: a task for each cluster that polls it, one that evaluates the rules, one for each channel that takes
//! notices away, and the heartbeat.
//!
//! Only carries: what a poll means is `logic::watch`'s, what is told to whom is `logic::alert`'s, how it is told is
//! `notify`'s. Changes nothing on any cluster.

pub mod poll;

mod alerting;
mod courier;
mod forwards;
mod heartbeat;
mod observe;
mod watcher;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use self::alerting::Alerts;
use self::forwards::ForwardGroups;
use self::watcher::Watching;
use crate::config::schema::{ClusterSettings, Config, ForwardSettings, MonitorSettings};
use crate::state::StateHandle;
use crate::status::{ClusterPublication, StatusBoard, StatusPublisher};

pub use self::alerting::Command;

/// Everything that watches and tells. Ends when it is dropped; what was not told yet is in the state.
#[derive(Debug)]
pub struct Monitor {
    watchers: Watchers,
    alerts: Option<Alerts>,
}

/// The tasks that poll, and what they were started with.
#[derive(Debug)]
struct Watchers {
    settings: WatchSettings,
    watching: Vec<Watching>,
    ages: watch::Sender<BTreeSet<Duration>>,
    polled: Arc<Notify>,
}

/// What a change of which starts the polls anew, with empty charts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WatchSettings {
    monitor: Option<MonitorSettings>,
    clusters: Vec<ClusterSettings>,
    forwards: Vec<ForwardSettings>,
}

impl Monitor {
    /// Starts what `config` asks for. Without `[monitor]` no cluster is watched, without `[[alert]]` and `[notify]`
    /// there are no alerts.
    ///
    /// # Errors
    /// What cannot be started, by name: a cluster's TLS files, a channel, the state.
    pub async fn start(
        config: &Config,
        state: &StateHandle,
        publisher: &StatusPublisher,
        board: &StatusBoard,
    ) -> Result<Self, String> {
        let watchers = Watchers::start(config, board)?;
        watchers.publish(publisher);
        let alerts = Alerts::start(config, &watchers, state, publisher, board).await?;
        Ok(Self { watchers, alerts })
    }

    /// Takes a changed configuration over. Where nothing has changed that polls depend on, they and their charts go on.
    ///
    /// # Errors
    /// As `start`. What could not be started does not run then; the rest does.
    pub async fn change_to(
        &mut self,
        config: &Config,
        state: &StateHandle,
        publisher: &StatusPublisher,
        board: &StatusBoard,
    ) -> Result<(), String> {
        // The old one must have stored what it decided before the new one reads it.
        if let Some(alerts) = self.alerts.take() {
            alerts.end().await;
        }
        if WatchSettings::of(config) != self.watchers.settings {
            self.watchers = Watchers::start(config, board)?;
            self.watchers.publish(publisher);
        }
        self.alerts = Alerts::start(config, &self.watchers, state, publisher, board).await?;
        Ok(())
    }

    /// Where commands go; none where no alert is configured.
    pub fn commands(&self) -> Option<mpsc::Sender<Command>> {
        self.alerts.as_ref().map(Alerts::commands)
    }

    /// Ends everything, and returns when what was decided is stored.
    pub async fn end(self) {
        if let Some(alerts) = self.alerts {
            alerts.end().await;
        }
    }
}

impl WatchSettings {
    fn of(config: &Config) -> Self {
        let watched = |name: &String| config.clusters.get(name).cloned();
        Self {
            clusters: config.monitor.iter().flat_map(|monitor| &monitor.clusters).filter_map(watched).collect(),
            forwards: config.forwards.clone(),
            monitor: config.monitor.clone(),
        }
    }
}

impl Watchers {
    fn start(config: &Config, board: &StatusBoard) -> Result<Self, String> {
        let settings = WatchSettings::of(config);
        let (ages, wanted_ages) = watch::channel(BTreeSet::new());
        let polled = Arc::new(Notify::new());
        let mut watching = Vec::new();
        if let Some(monitor) = &settings.monitor {
            for cluster in &settings.clusters {
                let forwards = ForwardGroups::of_cluster(&cluster.name, &config.forwards, board.clone());
                watching.push(
                    watcher::start(monitor, cluster, forwards, wanted_ages.clone(), Arc::clone(&polled))
                        .map_err(|error| format!("cluster {} cannot be watched: {error}", cluster.name))?,
                );
            }
        }
        Ok(Self { settings, watching, ages, polled })
    }

    fn publish(&self, publisher: &StatusPublisher) {
        publisher.set_clusters(self.publications());
        if let Some(monitor) = &self.settings.monitor {
            publisher.set_max_series(monitor.max_series);
        }
    }

    fn publications(&self) -> Vec<watch::Receiver<ClusterPublication>> {
        self.watching.iter().map(|watching| watching.published.clone()).collect()
    }
}
