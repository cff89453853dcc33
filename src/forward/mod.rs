//! A forward: one task that reads topics, and threads that prepare and send. `run` is its loop; `logic::route` decides.

mod begin;
mod command;
mod describe;
mod mirror;
pub mod prepare_threads;
mod report;
mod run;
pub mod senders;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use command::{Answer, Command};

use self::begin::Beginnings;
use self::mirror::Mirror;
use self::prepare_threads::{DEADLINE, PrepareThreads};
use self::run::{Counted, GroupCheck, Running};
use self::senders::Senders;
use crate::clock;
use crate::config::schema::{ClusterSettings, ForwardSettings, OffsetsMode, OnInvalid};
use crate::http_client;
use crate::kafka::reader::Reader;
use crate::kafka::wire::Client;
use crate::logic::jq::Limits;
use crate::logic::outcome::{self, OutcomeRules};
use crate::logic::prepare::Steps;
use crate::logic::route::{Identity, Invalid, Route, RouteSettings};
use crate::logic::start_position::Start;
use crate::logic::topic_pattern::TopicPattern;
use crate::state::{StateHandle, StoredForward};
use crate::status::ForwardStatus;
use crate::tls;

/// Commands that may wait; more wait outside.
const COMMANDS: usize = 16;
/// More threads than this do not make jq faster on the machines that this runs on.
const MOST_PREPARE_THREADS: usize = 4;

/// A forward that runs, as its daemon sees it.
#[derive(Debug)]
pub struct Forward {
    /// What it was started with.
    pub settings: ForwardSettings,
    /// What can be asked of it.
    pub commands: mpsc::Sender<Command>,
    /// How it is doing.
    pub status: watch::Receiver<ForwardStatus>,
    /// Its task; it ends after a drain.
    pub task: JoinHandle<()>,
}

/// Why a forward cannot be started: something in its configuration that only a change of it mends.
#[derive(Debug)]
pub struct StartError {
    forward: String,
    reason: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward {}: {}", self.forward, self.reason)
    }
}

impl std::error::Error for StartError {}

/// Starts a forward where `stored` says that the last run ended. Nothing is asked of any broker before this returns.
///
/// # Errors
/// Programs that do not compile, certificates that cannot be read: what `barnabas check` finds too.
pub fn start(
    settings: &ForwardSettings,
    cluster: &ClusterSettings,
    commit_interval: Duration,
    state: StateHandle,
    stored: StoredForward,
) -> Result<Forward, StartError> {
    let failed = |reason: String| StartError { forward: settings.name.clone(), reason };
    let client = Client::new(Arc::new(cluster.clone())).map_err(|error| failed(error.to_string()))?;
    let patterns = settings
        .topics
        .iter()
        .map(|topic| TopicPattern::parse(topic))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    let limits = Limits::for_records_of(settings.max_record_size);
    let steps = Steps::compile(&settings.steps, limits).map_err(|error| failed(error.to_string()))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_PREPARE_THREADS);
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let (published, status) = watch::channel(ForwardStatus { name: settings.name.clone(), ..ForwardStatus::default() });
    let watches_group = settings.offsets == OffsetsMode::Mirrored || settings.start == Start::Group;
    let mirrored_group = settings.group.clone().filter(|_| settings.offsets == OffsetsMode::Mirrored);
    let running = Running {
        route: Route::new(route_settings(settings, commit_interval), stored.counters, stored.paused, fastrand::u64(..)),
        reader: Reader::new(client.clone(), patterns.clone(), settings.max_record_size),
        client,
        waiting_jobs: VecDeque::new(),
        steps: PrepareThreads::start(Arc::new(steps), threads, DEADLINE)
            .map_err(|error| failed(format!("no thread for the steps: {error}")))?,
        senders: senders(settings).map_err(failed)?,
        state,
        beginnings: beginnings(settings.start, patterns, stored),
        mirror: mirrored_group.map(Mirror::new),
        group_check: if watches_group { GroupCheck::Due(clock::now(), None) } else { GroupCheck::Passed },
        trouble: LiteMap::new(),
        commands: command_queue,
        status: published,
        dead_letters: Counted::default(),
        publish_at: clock::now(),
        tasks: JoinSet::new(),
        draining: false,
        settings: settings.clone(),
    };
    let task = tokio::spawn(running.run());
    Ok(Forward { settings: settings.clone(), commands, status, task })
}

fn senders(settings: &ForwardSettings) -> Result<Senders, String> {
    let rules = OutcomeRules::compile(&settings.webhook.outcomes)
        .map_err(|(index, error)| format!("outcome {}: {error}", index.saturating_add(1)))?;
    let tls = if settings.webhook.url.reveal().starts_with("https:") {
        Some(tls::client_config(&settings.webhook.tls).map_err(|error| error.to_string())?)
    } else {
        None
    };
    let judge = Arc::new(move |response: &http_client::Response| {
        let http_client::Response { status, headers, body } = response;
        rules.judge(&outcome::Response { status: *status, headers, body }, clock::wall_clock())
    });
    Senders::start(&settings.webhook, settings.max_in_flight, tls, judge).map_err(|error| error.to_string())
}

fn beginnings(start: Start, patterns: Vec<TopicPattern>, stored: StoredForward) -> Beginnings {
    let remembered: HashMap<_, _> = stored
        .partitions
        .into_iter()
        .map(|partition| {
            let identity = Identity {
                cluster_id: partition.cluster_id,
                topic_id: partition.topic_id,
                leader_epoch: partition.leader_epoch,
                recreated: partition.recreated,
            };
            (partition.topic_partition, (identity, partition.snapshot))
        })
        .collect();
    Beginnings::new(start, patterns, remembered, stored.patterns.into_iter().collect())
}

fn route_settings(settings: &ForwardSettings, commit_interval: Duration) -> RouteSettings {
    RouteSettings {
        forward: settings.name.clone(),
        max_in_flight: usize::from(settings.max_in_flight),
        buffer_size: settings.buffer_size,
        retry: settings.retry.clone(),
        invalid: match settings.on_invalid {
            OnInvalid::DeadLetter => Invalid::DeadLetter,
            OnInvalid::Skip => Invalid::Skip,
        },
        commit_interval,
    }
}
