//! How the alert loop begins and ends: rules and channels out of the configuration, what was stored, a courier for each
//! channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{
    Alerting, ClusterFigures, Command, Courier, EVALUATE_EVERY, Engine, FINISH_WITHIN, Heartbeat, POLLS_MISSED,
    STORE_WITHIN, Saves, Seat, now,
};
use crate::config::schema::{Config, NotifySettings};
use crate::logic::alert::{DocumentKind, Rule, built_in};
use crate::monitor::{Watchers, heartbeat};
use crate::notify::Channel;
use crate::state::StateHandle;
use crate::status::{StatusBoard, StatusPublisher};

/// Commands and deliveries that may wait.
const QUEUE: usize = 16;
/// How long the loop may take to hear of the last attempts and to store its last decisions.
const END_WITHIN: Duration = Duration::from_secs(FINISH_WITHIN.as_secs() + 2 * STORE_WITHIN.as_secs());

/// The task that evaluates rules.
#[derive(Debug)]
pub(in crate::monitor) struct Alerts {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
    _heartbeat: Option<Heartbeat>,
}

impl Drop for Alerts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Alerts {
    /// Starts it; none where nobody could be told of anything and no rule is given.
    pub(in crate::monitor) async fn start(
        config: &Config,
        watchers: &Watchers,
        state: &StateHandle,
        publisher: &StatusPublisher,
        board: &StatusBoard,
    ) -> Result<Option<Self>, String> {
        if config.alerts.is_empty() && config.channels.is_empty() && config.monitor.is_none() {
            return Ok(None);
        }
        let engine = engine(config, state).await?;
        watchers.ages.send_replace(engine.ages_wanted());
        let (deliver, deliveries) = mpsc::channel(QUEUE);
        let mut seats = Vec::new();
        for settings in &config.channels {
            let name = settings.channel.name.clone();
            let channel = Channel::new(settings).map_err(|error| format!("channel {name}: {error}"))?;
            let courier = Courier::start(name.clone(), Arc::new(channel), deliver.clone());
            seats.push((name, Seat { courier, waiting: false, error: None, last_taken: None }));
        }
        let (published, publication) = watch::channel(Arc::default());
        publisher.set_alerts(publication);
        let (well_until, wellness) = watch::channel(now().moment);
        let settings = config.monitor.as_ref();
        let heartbeat = match settings.and_then(|monitor| monitor.heartbeat.as_ref()) {
            Some(settings) => {
                Some(heartbeat::start(settings, wellness).map_err(|error| format!("heartbeat: {error}"))?)
            }
            None => None,
        };
        let (commands, command_queue) = mpsc::channel(QUEUE);
        let figures = |published| ClusterFigures { published, polled_at: None };
        let rules = rules(config);
        let alerting = Alerting {
            engine,
            metrics: rules.iter().map(|rule| rule.metric).collect::<BTreeSet<_>>().into_iter().collect(),
            clusters: watchers.publications().into_iter().map(figures).collect(),
            polled: Arc::clone(&watchers.polled),
            board: board.clone(),
            state: state.clone(),
            seats,
            deliveries,
            commands: command_queue,
            published,
            well_until,
            stale_after: settings.map_or(EVALUATE_EVERY, |monitor| monitor.interval) * POLLS_MISSED,
            unsaved: BTreeMap::new(),
            saves: Saves::Succeed,
        };
        let task = tokio::spawn(alerting.run());
        Ok(Some(Self { commands, task, _heartbeat: heartbeat }))
    }

    pub(in crate::monitor) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// Ends it, and returns when what it decided is stored.
    pub(in crate::monitor) async fn end(mut self) {
        if self.commands.send(Command::End).await.is_ok() && timeout(END_WITHIN, &mut self.task).await.is_err() {
            tracing::warn!("the alerts were not stored in time: some may be told again");
        }
    }
}

/// The rules of the configuration, and those that are built in.
fn rules(config: &Config) -> Vec<Rule> {
    let channels: Vec<String> = config.channels.iter().map(|channel| channel.channel.name.clone()).collect();
    let mut rules = built_in(&config.alerts, &channels);
    rules.extend(config.alerts.iter().cloned());
    rules
}

/// An engine that knows what an earlier life decided.
async fn engine(config: &Config, state: &StateHandle) -> Result<Engine, String> {
    let channels = |settings: &NotifySettings| settings.channel.clone();
    let mut engine = Engine::new(rules(config), config.channels.iter().map(channels).collect());
    let mut documents = Vec::new();
    for kind in DocumentKind::ALL {
        let stored = state.documents(super::stored_kind(kind)).await.map_err(|error| error.to_string())?;
        documents.extend(stored.into_iter().map(|(key, json)| (kind, key, json)));
    }
    engine.restore(documents, now());
    let watched = config.monitor.iter().flat_map(|monitor| monitor.clusters.iter().cloned()).collect();
    engine.keep_clusters(&watched, now());
    Ok(engine)
}
