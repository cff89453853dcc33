//! Watches one cluster: polls it at regular intervals, has the figures computed, publishes them, and logs what changed
//! in what cannot be seen.
//!
//! Decides nothing: `poll` asks, `logic::watch` computes. Knows no rule and no channel.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::forwards::ForwardGroups;
use super::load::LoadReaders;
use super::poll::Poller;
use crate::clock;
use crate::config::schema::{ClusterSettings, MonitorSettings};
use crate::kafka::wire::Client;
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;
use crate::logic::topic_pattern::TopicPattern;
use crate::logic::watch::load::Topics;
use crate::logic::watch::snapshot::SlowSnapshot;
use crate::logic::watch::{LoadReading, Snapshot, Watch};
use crate::status::ClusterPublication;

/// Loads come from all brokers at about the same time, and are shown together: a view is large.
const LONGEST_GATHERING: Duration = Duration::from_secs(2);

/// The cluster is said to be beyond reach in the log at the first poll that reaches nobody, and when it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    NotTried,
    Yes,
    No,
}

/// One cluster's watcher, owned by its task.
pub(super) struct Watcher {
    interval: Duration,
    poller: Poller,
    watch: Watch,
    slow: mpsc::Receiver<SlowSnapshot>,
    load_readers: LoadReaders,
    loads: mpsc::Receiver<LoadReading>,
    /// When loads that came are shown, unless a poll does it before.
    show_loads_at: Option<Moment>,
    forwards: ForwardGroups,
    ages: watch::Receiver<SortedSet<Duration>>,
    published: watch::Sender<ClusterPublication>,
    /// Tells the rules that there is something new.
    polled: Arc<Notify>,
    reached: Reached,
    /// What was said to be unknown, so that it is said once.
    said: SortedSet<String>,
}

/// The tasks of a watcher, and what it publishes.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) published: watch::Receiver<ClusterPublication>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Watching {
    /// A poll changes nothing on a cluster, so it can end anywhere.
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts to watch a cluster; `ages` are those that rules on `group_lag_seconds` ask about.
///
/// # Errors
/// TLS files that cannot be used, a pattern that is wrong.
pub(super) fn start(
    settings: &MonitorSettings,
    cluster: &ClusterSettings,
    forwards: ForwardGroups,
    ages: watch::Receiver<SortedSet<Duration>>,
    polled: Arc<Notify>,
) -> Result<Watching, String> {
    let poller = |cluster: &ClusterSettings| {
        let client = Client::new(Arc::new(cluster.clone())).map_err(|error| error.to_string())?;
        Poller::new(client, &settings.topics, &settings.groups)
    };
    let (slow_sender, slow) = mpsc::channel(1);
    let publication = ClusterPublication { name: cluster.name.clone(), ..ClusterPublication::default() };
    let (published, receiver) = watch::channel(publication);
    let (load_readers, loads) = LoadReaders::new(settings, cluster);
    let watcher = Watcher {
        interval: settings.interval,
        poller: poller(cluster)?,
        watch: Watch::new(settings.interval)
            .with_internal_topics(named_topics(settings))
            .with_topics(watched_topics(settings)),
        slow,
        load_readers,
        loads,
        show_loads_at: None,
        forwards,
        ages,
        published,
        polled,
        reached: Reached::NotTried,
        said: SortedSet::new(),
    };
    // Connections of its own: a broker answers one request after the other on a connection, and sizes take a while.
    let slow_poller = poller(cluster)?;
    let tasks =
        [tokio::spawn(watcher.run()), tokio::spawn(poll_slowly(slow_poller, settings.slow_interval, slow_sender))];
    Ok(Watching { published: receiver, tasks })
}

/// The topics that the configuration names, without a pattern.
fn named_topics(settings: &MonitorSettings) -> Vec<TopicPattern> {
    let patterns = settings.topics.include.iter().filter_map(|text| TopicPattern::parse(text).ok());
    patterns.filter(|pattern| pattern.name().is_some()).collect()
}

fn watched_topics(settings: &MonitorSettings) -> Topics {
    let everything = settings.topics.exclude.is_empty() && settings.topics.include.iter().any(|pattern| pattern == "*");
    if everything { Topics::All } else { Topics::Selected }
}

async fn poll_slowly(mut poller: Poller, every: Duration, sender: mpsc::Sender<SlowSnapshot>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if sender.send(poller.poll_slow().await).await.is_err() {
            return;
        }
    }
}

/// Waits for this moment; none: for ever.
async fn until(moment: Option<Moment>) {
    match moment {
        Some(moment) => sleep_until(clock::instant(moment)).await,
        None => std::future::pending().await,
    }
}

impl Watcher {
    async fn run(mut self) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.poll().await,
                Some(slow) = self.slow.recv() => {
                    self.watch.observe_slow(slow);
                    self.publish(|_| {});
                }
                Some(load) = self.loads.recv() => {
                    self.watch.observe_load(load);
                    let gathering = (self.interval / 10).min(LONGEST_GATHERING);
                    self.show_loads_at.get_or_insert_with(|| clock::now() + gathering);
                }
                () = until(self.show_loads_at) => {
                    self.show_loads_at = None;
                    self.watch.show_loads();
                    self.publish(|_| {});
                }
            }
        }
    }

    async fn poll(&mut self) {
        let started = clock::now();
        // Before the poll reads the ends of the logs, as with every committed offset.
        let forwards = self.forwards.seen();
        let ages: Vec<Duration> = self.ages.borrow().iter().copied().collect();
        let before = self.poller.requests();
        let snapshot = self.poller.poll(&ages, forwards).await;
        self.say(&snapshot);
        let polled_at = snapshot.wall_clock;
        let error = snapshot.brokers.is_none().then(|| snapshot.missing.join("; "));
        self.watch.expect_loads(&self.load_readers.follow(snapshot.brokers.as_ref()));
        self.watch.observe(snapshot);
        let seconds = clock::now().since(started).as_secs_f64();
        let requests = self.poller.requests().saturating_sub(before);
        self.publish(|publication| {
            publication.polled_at = Some(polled_at);
            publication.error = error;
            publication.poll_seconds = Some(seconds);
            publication.requests = Some(requests);
        });
    }

    fn publish(&self, change: impl FnOnce(&mut ClusterPublication)) {
        let view = self.watch.view();
        self.published.send_modify(|publication| {
            publication.view = Some(view);
            change(publication);
        });
        self.polled.notify_one();
    }

    /// Logs what is new.
    fn say(&mut self, snapshot: &Snapshot) {
        let cluster = &*snapshot.cluster;
        let reached = if snapshot.brokers.is_some() { Reached::Yes } else { Reached::No };
        if reached != self.reached {
            match (self.reached, reached) {
                (Reached::No, _) => tracing::info!(cluster, "the cluster answers again"),
                (_, Reached::No) => tracing::warn!(cluster, "no broker answers: {}", snapshot.missing.join("; ")),
                (_, _) => tracing::info!(cluster, "watching"),
            }
            self.reached = reached;
        }
        if reached == Reached::No {
            return;
        }
        let missing: SortedSet<String> = snapshot.missing.iter().cloned().collect();
        for sentence in missing.iter().filter(|sentence| !self.said.contains(*sentence)) {
            tracing::warn!(cluster, "not seen: {sentence}");
        }
        for sentence in self.said.iter().filter(|sentence| !missing.contains(*sentence)) {
            tracing::info!(cluster, "no longer: {sentence}");
        }
        self.said = missing;
    }
}
