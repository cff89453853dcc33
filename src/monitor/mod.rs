//! Watching: a task for each cluster that polls it, one for each broker that tells its own load, one that evaluates the rules, one for each channel that takes
//! notices away, and the heartbeat.
//!
//! Only carries: what a poll means is `logic::watch`'s, what is told to whom is `logic::alert`'s, how it is told is
//! `notify`'s. Changes nothing on any cluster.

pub mod poll;

mod alerting;
mod courier;
mod forwards;
mod heartbeat;
pub(crate) mod load;
mod observe;
mod watcher;

use crate::logic::sorted_set::SortedSet;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use self::alerting::{AlertSettings, Alerts, Prepared};
use self::forwards::ForwardGroups;
use self::watcher::Watching;
use crate::config::schema::{ClusterSettings, Config, MonitorSettings};
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
    ages: watch::Sender<SortedSet<Duration>>,
    polled: Arc<Notify>,
}

/// What a change of which starts the polls anew, with empty charts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WatchSettings {
    monitor: Option<MonitorSettings>,
    clusters: Vec<ClusterSettings>,
    /// Those that no consumer group shows, each with its cluster.
    forwards: Vec<(String, String)>,
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
        let prepared = AlertSettings::of(config).map(Prepared::new).transpose()?;
        let watchers = Watchers::start(WatchSettings::of(config), board)?;
        let alerts = match prepared {
            Some(prepared) => {
                let memory = prepared.restore(state).await?;
                Some(prepared.start(memory, &watchers, state, publisher, board))
            }
            None => None,
        };
        watchers.publish(publisher);
        Ok(Self { watchers, alerts })
    }

    /// Takes a changed configuration over. What it does not change goes on: polls with their charts, and alerts.
    ///
    /// # Errors
    /// As `start`; then all goes on as it was.
    pub async fn change_to(
        &mut self,
        config: &Config,
        state: &StateHandle,
        publisher: &StatusPublisher,
        board: &StatusBoard,
    ) -> Result<(), String> {
        let (watch_settings, alert_settings) = (WatchSettings::of(config), AlertSettings::of(config));
        let watches_as_before = watch_settings == self.watchers.settings;
        let is_as_before = watches_as_before && alert_settings.as_ref() == self.alerts.as_ref().map(Alerts::settings);
        if is_as_before {
            return Ok(());
        }
        // What can fail comes first: a mistake must not leave anybody without alerts.
        let prepared = alert_settings.map(Prepared::new).transpose()?;
        if !watches_as_before {
            self.watchers = Watchers::start(watch_settings, board)?;
        }
        let memory = match self.alerts.take() {
            Some(alerts) => alerts.end().await,
            None => None,
        };
        self.alerts = match prepared {
            Some(prepared) => {
                let memory = match memory {
                    Some(memory) => prepared.take_over(memory),
                    // Whoever is told twice is better off than who is told nothing.
                    None => prepared.restore(state).await.unwrap_or_else(|error| {
                        tracing::error!("what was told is not known, so that it may be told again: {error}");
                        prepared.without_memory()
                    }),
                };
                Some(prepared.start(memory, &self.watchers, state, publisher, board))
            }
            None => {
                publisher.set_alerts(None);
                None
            }
        };
        self.watchers.publish(publisher);
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
            forwards: forwards::alone(&config.forwards),
            // Polls do not depend on these.
            monitor: config.monitor.clone().map(|monitor| MonitorSettings { heartbeat: None, ..monitor }),
        }
    }
}

impl Watchers {
    fn start(settings: WatchSettings, board: &StatusBoard) -> Result<Self, String> {
        let (ages, wanted_ages) = watch::channel(SortedSet::new());
        let polled = Arc::new(Notify::new());
        let mut watching = Vec::new();
        if let Some(monitor) = &settings.monitor {
            for cluster in &settings.clusters {
                let forwards = ForwardGroups::of_cluster(&cluster.name, &settings.forwards, board.clone());
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
