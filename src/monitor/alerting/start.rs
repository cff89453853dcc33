//! How the alert loop begins and ends: rules and channels out of the configuration, what was stored or decided before, a
//! courier for each channel. What can be wrong with a configuration shows before a loop that runs is ended.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{
    Alerting, ClusterFigures, Command, Courier, EVALUATE_EVERY, FINISH_WITHIN, ForwardHistory, Memory, POLLS_MISSED,
    STORE_WITHIN, Saves, Seat, now,
};
use crate::config::schema::{Config, HeartbeatSettings, NotifySettings};
use crate::logic::alert::engine::Engine;
use crate::logic::alert::{ChannelSettings, DocumentKind, Metric, Rule, built_in};
use crate::logic::sorted_set::SortedSet;
use crate::monitor::Watchers;
use crate::monitor::heartbeat::{self, Heartbeat};
use crate::notify::Channel;
use crate::state::StateHandle;
use crate::status::{StatusBoard, StatusPublisher};

/// Commands and deliveries that may wait.
const QUEUE: usize = 16;
/// How long the loop may take to hear of the last attempts and to store its last decisions.
const END_WITHIN: Duration = Duration::from_secs(FINISH_WITHIN.as_secs() + 2 * STORE_WITHIN.as_secs());

/// How long the state may take to say what is stored.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The task that evaluates rules.
#[derive(Debug)]
pub(in crate::monitor) struct Alerts {
    settings: AlertSettings,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<Memory>,
    _heartbeat: Option<Heartbeat>,
}

impl Drop for Alerts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a change of which starts the loop anew.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::monitor) struct AlertSettings {
    rules: Vec<Rule>,
    channels: Vec<NotifySettings>,
    heartbeat: Option<HeartbeatSettings>,
    clusters: SortedSet<String>,
    interval: Duration,
}

impl AlertSettings {
    /// None: nobody could be told of anything, and no rule is given.
    pub(in crate::monitor) fn of(config: &Config) -> Option<Self> {
        if config.alerts.is_empty() && config.channels.is_empty() && config.monitor.is_none() {
            return None;
        }
        let channels: Vec<String> = config.channels.iter().map(|channel| channel.channel.name.clone()).collect();
        let mut rules = built_in(&config.alerts, &channels);
        rules.extend(config.alerts.iter().cloned());
        let monitor = config.monitor.as_ref();
        Some(Self {
            rules,
            channels: config.channels.clone(),
            heartbeat: monitor.and_then(|monitor| monitor.heartbeat.clone()),
            clusters: monitor.iter().flat_map(|monitor| monitor.clusters.iter().cloned()).collect(),
            interval: monitor.map_or(EVALUATE_EVERY, |monitor| monitor.interval),
        })
    }

    fn groupings(&self) -> Vec<ChannelSettings> {
        self.channels.iter().map(|settings| settings.channel.clone()).collect()
    }
}

/// Alerts that nothing can keep from starting any more.
#[derive(Debug)]
pub(in crate::monitor) struct Prepared {
    settings: AlertSettings,
    channels: Vec<(String, Arc<Channel>)>,
    heartbeat: Option<heartbeat::Prepared>,
}

impl Prepared {
    /// Reads the files that channels and heartbeat need, and compiles their programs.
    ///
    /// # Errors
    /// The first of them that cannot be used.
    pub(in crate::monitor) fn new(settings: AlertSettings) -> Result<Self, String> {
        let mut channels = Vec::new();
        for channel in &settings.channels {
            let name = channel.channel.name.clone();
            let opened = Channel::new(channel).map_err(|error| format!("channel {name}: {error}"))?;
            channels.push((name, Arc::new(opened)));
        }
        let heartbeat = settings.heartbeat.as_ref().map(heartbeat::prepare).transpose();
        let heartbeat = heartbeat.map_err(|error| format!("heartbeat: {error}"))?;
        Ok(Self { settings, channels, heartbeat })
    }

    /// Starts it with what was decided before.
    pub(in crate::monitor) fn start(
        self,
        memory: Memory,
        watchers: &Watchers,
        state: &StateHandle,
        publisher: &StatusPublisher,
        board: &StatusBoard,
    ) -> Alerts {
        let Memory { mut engine, unsaved } = memory;
        engine.keep_clusters(&self.settings.clusters, now());
        watchers.ages.send_replace(engine.ages_wanted());
        let (deliver, deliveries) = mpsc::channel(QUEUE);
        let seat = |(name, channel): (String, Arc<Channel>)| {
            let courier = Courier::start(name.clone(), channel, deliver.clone());
            (name, Seat { courier, waiting: false, error: None, last_taken: None })
        };
        let (published, publication) = watch::channel(Arc::default());
        publisher.set_alerts(Some(publication));
        let (well_until, wellness) = watch::channel(now().moment);
        let (commands, command_queue) = mpsc::channel(QUEUE);
        let figures = |published| ClusterFigures { published, polled_at: None };
        let metrics: SortedSet<Metric> = self.settings.rules.iter().map(|rule| rule.metric).collect();
        let alerting = Alerting {
            engine,
            metrics: metrics.into_iter().collect(),
            clusters: watchers.publications().into_iter().map(figures).collect(),
            polled: Arc::clone(&watchers.polled),
            board: board.clone(),
            state: state.clone(),
            seats: self.channels.into_iter().map(seat).collect(),
            deliveries,
            commands: command_queue,
            published,
            well_until,
            stale_after: self.settings.interval * POLLS_MISSED,
            forwards: ForwardHistory::default(),
            unsaved,
            saves: Saves::Succeed,
        };
        Alerts {
            settings: self.settings,
            commands,
            task: tokio::spawn(alerting.run()),
            _heartbeat: self.heartbeat.map(|heartbeat| heartbeat.start(wellness)),
        }
    }

    /// What an earlier life of the process stored.
    ///
    /// # Errors
    /// The state cannot be read, or not in time.
    pub(in crate::monitor) async fn restore(&self, state: &StateHandle) -> Result<Memory, String> {
        let mut memory = self.without_memory();
        let mut documents = Vec::new();
        for kind in DocumentKind::ALL {
            let stored = match timeout(READ_WITHIN, state.documents(super::stored_kind(kind))).await {
                Ok(stored) => stored.map_err(|error| error.to_string())?,
                Err(_) => return Err(format!("the state was not read within {} s", READ_WITHIN.as_secs())),
            };
            documents.extend(stored.into_iter().map(|(key, json)| (kind, key, json)));
        }
        memory.engine.restore(documents, now());
        Ok(memory)
    }

    /// Nothing fires, nothing was told.
    pub(in crate::monitor) fn without_memory(&self) -> Memory {
        let engine = Engine::new(self.settings.rules.clone(), self.settings.groupings());
        Memory { engine, unsaved: LiteMap::new() }
    }

    /// What the loop before this one decided, for other rules and channels.
    pub(in crate::monitor) fn take_over(&self, mut memory: Memory) -> Memory {
        memory.engine.reconfigure(self.settings.rules.clone(), self.settings.groupings(), now());
        memory
    }
}

impl Alerts {
    pub(in crate::monitor) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    pub(in crate::monitor) fn settings(&self) -> &AlertSettings {
        &self.settings
    }

    /// Ends it, and returns when what it decided is stored, with what it knows. None: it did not end in time.
    pub(in crate::monitor) async fn end(mut self) -> Option<Memory> {
        self.commands.send(Command::End).await.ok()?;
        match timeout(END_WITHIN, &mut self.task).await {
            Ok(memory) => memory.ok(),
            Err(_) => {
                tracing::warn!("the alerts were not stored in time: some may be told again");
                None
            }
        }
    }
}
