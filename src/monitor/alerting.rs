//! The loop that carries figures to the alert engine, and what the engine decides to the state, the log, the channels
//! and the board.
//!
//! Decides nothing: which alert fires and whom to tell is `logic::alert`'s. A notice is on disk before it is sent, and
//! stays there until its channel took it; where the disk fails, people are told all the same.

mod start;

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};

use super::courier::{Courier, Delivery, Verdict};
use super::forwards::ForwardHistory;
use super::observe;
use crate::clock;
use crate::logic::alert::engine::Engine;
use crate::logic::alert::{Action, AlertReport, Change, DocumentKind, Figure, Metric, Notice, Now, Scope, Series};
use crate::logic::moment::{Moment, Timestamp};
use crate::logic::rfc3339;
use crate::state::{self, DocumentChange, StateHandle};
use crate::status::{AlertsPublication, ChannelStatus, ClusterPublication, StatusBoard};

pub(super) use start::{AlertSettings, Alerts, Prepared};

/// How often rules on forwards are looked at.
const EVALUATE_EVERY: Duration = Duration::from_secs(5);
/// How long the state may take to store what changed; after that people are told all the same.
const STORE_WITHIN: Duration = Duration::from_secs(5);
/// How long attempts that are under way at the end may take to come to theirs.
const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// Polls that may be missing before the heartbeat stops.
const POLLS_MISSED: u32 = 3;

/// What a person may ask for. The answer is a sentence, also where it was not done.
#[derive(Debug)]
pub enum Command {
    /// Send a test notice over this channel; none: over all of them.
    Test {
        /// The channel's name.
        channel: Option<String>,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<String, String>>,
    },
    /// Tell nobody of these alerts for a while.
    Silence {
        /// The name of a rule, or a glob.
        name: String,
        /// How long.
        length: Duration,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<String, String>>,
    },
    /// Tell again.
    Unsilence {
        /// As it was silenced.
        name: String,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<String, String>>,
    },
    /// Let what is under way come to its end, store what was decided, and end.
    End,
}

/// A channel, and how it does.
struct Seat {
    courier: Courier,
    /// It was given a notice and did not take it yet.
    waiting: bool,
    error: Option<String>,
    last_taken: Option<Timestamp>,
}

/// A cluster's figures, and when they were last looked at.
struct ClusterFigures {
    published: watch::Receiver<ClusterPublication>,
    polled_at: Option<Moment>,
}

/// Owned by its task.
struct Alerting {
    engine: Engine,
    /// What the rules look at.
    metrics: Vec<Metric>,
    clusters: Vec<ClusterFigures>,
    polled: Arc<Notify>,
    board: StatusBoard,
    state: StateHandle,
    /// In the order of the configuration.
    seats: Vec<(String, Seat)>,
    deliveries: mpsc::Receiver<Delivery>,
    commands: mpsc::Receiver<Command>,
    published: watch::Sender<Arc<AlertsPublication>>,
    /// Until when the heartbeat may beat.
    well_until: watch::Sender<Moment>,
    /// Figures that are older make the process unwell.
    stale_after: Duration,
    forwards: ForwardHistory,
    unsaved: Unsaved,
    saves: Saves,
}

/// What the state has not taken yet; none: a document to be deleted.
type Unsaved = LiteMap<(DocumentKind, String), Option<String>>;

/// What a loop leaves to the next one, after a reload.
#[derive(Debug)]
pub(super) struct Memory {
    engine: Engine,
    unsaved: Unsaved,
}

/// Whether the last attempt to store something succeeded, so that a full disk is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saves {
    Succeed,
    Fail,
}

impl Alerting {
    async fn run(mut self) -> Memory {
        let mut ticks = interval(EVALUATE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let polled = Arc::clone(&self.polled);
        loop {
            self.act().await;
            self.publish();
            let wakes_at = self.engine.wakes_at();
            tokio::select! {
                () = polled.notified() => self.evaluate_clusters(),
                _ = ticks.tick() => self.evaluate_forwards(),
                () = until(wakes_at) => {}
                Some(delivery) = self.deliveries.recv() => self.delivered(delivery),
                command = self.commands.recv() => match command {
                    Some(Command::End) | None => {
                        self.finish().await;
                        return Memory { engine: self.engine, unsaved: self.unsaved };
                    }
                    Some(command) => self.obey(command),
                },
            }
        }
    }

    /// Stores what was decided, and what becomes of the attempts that are under way: what is not known to be taken is
    /// sent again by the next run.
    async fn finish(&mut self) {
        self.act().await;
        for (_, seat) in &mut self.seats {
            seat.courier.begin_to_end();
        }
        let deadline = clock::instant(clock::now() + FINISH_WITHIN);
        // The last courier that ends closes the channel.
        while let Ok(Some(delivery)) = timeout_at(deadline, self.deliveries.recv()).await {
            self.delivered(delivery);
            self.act().await;
        }
    }

    /// Looks at the figures of those clusters that were polled since the last look.
    fn evaluate_clusters(&mut self) {
        let now = now();
        for cluster in &mut self.clusters {
            if !cluster.published.has_changed().unwrap_or(false) {
                continue;
            }
            let (name, view) = {
                let publication = cluster.published.borrow_and_update();
                (publication.name.clone(), publication.view.clone())
            };
            if let Some(view) = view {
                cluster.polled_at = Some(now.moment);
                let figures = observe::of_cluster(&self.metrics, &view);
                self.engine.evaluate(Scope::Cluster(&name), &figures, now);
            }
        }
    }

    fn evaluate_forwards(&mut self) {
        let figures = observe::of_forwards(&self.metrics, &self.board.status().forwards, &mut self.forwards);
        self.engine.evaluate(Scope::Everything, &figures, now());
    }

    /// Carries out what the engine decided: it is stored, then sent.
    async fn act(&mut self) {
        let mut notices = Vec::new();
        for action in self.engine.actions(now()) {
            match action {
                Action::Store { kind, key, json } => {
                    self.unsaved.insert((kind, key), Some(json));
                }
                Action::Forget { kind, key } => {
                    self.unsaved.insert((kind, key), None);
                }
                Action::Send(notice) => notices.push(notice),
                Action::Log(report) => log(&report),
            }
        }
        self.save().await;
        for notice in notices {
            self.give(notice);
        }
    }

    async fn save(&mut self) {
        if self.unsaved.is_empty() {
            return;
        }
        let change = |((kind, key), document): (&(DocumentKind, String), &Option<String>)| DocumentChange {
            kind: stored_kind(*kind),
            key: key.clone(),
            document: document.clone(),
        };
        let changes = self.unsaved.iter().map(change).collect();
        let error = match timeout(STORE_WITHIN, self.state.change_documents(changes)).await {
            Ok(Ok(())) => {
                self.unsaved.clear();
                self.saves = Saves::Succeed;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the disk did not take them within {} s", STORE_WITHIN.as_secs()),
        };
        if self.saves == Saves::Succeed {
            tracing::error!("alerts are not stored, so that a restart may tell some of them again: {error}");
        }
        self.saves = Saves::Fail;
    }

    fn give(&mut self, notice: Notice) {
        if let Some((_, seat)) = self.seats.iter_mut().find(|(name, _)| *name == notice.channel) {
            seat.waiting = true;
            seat.courier.give(notice);
        }
    }

    fn delivered(&mut self, delivery: Delivery) {
        let Delivery { channel, notice, verdict } = delivery;
        let Some((_, seat)) = self.seats.iter_mut().find(|(name, _)| *name == channel) else {
            return;
        };
        match verdict {
            Verdict::Taken => {
                tracing::info!(channel, notice, "told");
                seat.waiting = false;
                seat.error = None;
                seat.last_taken = Some(clock::wall_clock());
                self.engine.taken(notice, &channel, now());
            }
            Verdict::Failed(error) => {
                // Said once for each reason: it is tried again every few minutes.
                if seat.error.as_ref() != Some(&error) {
                    tracing::error!(channel, notice, "not told yet: {error}");
                }
                self.engine.failed(&channel, &error, now());
                seat.error = Some(error);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may have gone meanwhile.
        match command {
            Command::Test { channel, answer } => self.test(channel, answer),
            Command::Silence { name, length, answer } => {
                let silenced = self.engine.silence(&name, length, now());
                let said = silenced.map(|until| format!("{name} is silent until {}", rfc3339::format(until)));
                let _ = answer.send(said.map_err(|error| error.to_string()));
            }
            Command::Unsilence { name, answer } => {
                let said = if self.engine.unsilence(&name, now()) {
                    Ok(format!("{name} is told again"))
                } else {
                    Err(format!("there is no silence called {name}; `barnabas alerts list` shows all"))
                };
                let _ = answer.send(said);
            }
            Command::End => {}
        }
    }

    /// Sends a test over one channel or over all, in a task of its own, and answers with what came of each.
    fn test(&mut self, channel: Option<String>, answer: oneshot::Sender<Result<String, String>>) {
        let chosen: Vec<_> = self
            .seats
            .iter()
            .filter(|(name, _)| channel.as_ref().is_none_or(|channel| channel == name))
            .filter_map(|(name, seat)| {
                Some((name.clone(), Arc::clone(seat.courier.channel()), self.engine.test_notice(name, now())?))
            })
            .collect();
        if chosen.is_empty() {
            let names = self.seats.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let _ = answer.send(Err(match channel {
                Some(channel) => format!("there is no channel {channel}; there is {names}"),
                None => "no channel is configured: add [notify.NAME]".to_owned(),
            }));
            return;
        }
        let mut tests = JoinSet::new();
        for (name, channel, notice) in chosen {
            tests.spawn(async move {
                match channel.send(&notice).await {
                    Ok(()) => Ok(format!("channel {name} took it")),
                    Err(error) => Err(format!("channel {name}: {error}")),
                }
            });
        }
        tokio::spawn(async move {
            // Those that failed first.
            let mut said = tests.join_all().await;
            said.sort_by_key(Result::is_ok);
            let failed = said.first().is_some_and(Result::is_err);
            let text = said.into_iter().map(|it| it.unwrap_or_else(|error| error)).collect::<Vec<_>>().join("; ");
            let _ = answer.send(if failed { Err(text) } else { Ok(text) });
        });
    }

    fn publish(&self) {
        let now = now();
        let publication = AlertsPublication {
            alerts: self.engine.views(now),
            silences: self.engine.silences(now),
            channels: self.channel_statuses(now),
        };
        // Where this loop hangs, nobody prolongs it.
        if publication.channels.iter().all(|channel| !channel.failing) {
            let mut polled = self.clusters.iter().map(|cluster| cluster.polled_at);
            let oldest = polled.try_fold(now.moment, |oldest, polled| Some(oldest.min(polled?)));
            if let Some(oldest) = oldest {
                self.well_until.send_replace(oldest + self.stale_after);
            }
        }
        self.published.send_if_modified(|published| {
            let changed = **published != publication;
            if changed {
                *published = Arc::new(publication);
            }
            changed
        });
    }

    fn channel_statuses(&self, now: Now) -> Vec<ChannelStatus> {
        let health = self.engine.channel_failing(now).series;
        let fails = |name: &String| {
            let of_channel = |series: &&Series| series.labels.values().any(|channel| channel == name);
            health.iter().find(of_channel).is_some_and(|series| series.figure == Figure::Value(1.0))
        };
        let status = |(name, seat): &(String, Seat)| ChannelStatus {
            name: name.clone(),
            failing: fails(name),
            error: seat.error.clone(),
            waiting: u64::from(seat.waiting),
            last_taken_at: seat.last_taken.map(rfc3339::format),
        };
        self.seats.iter().map(status).collect()
    }
}

fn now() -> Now {
    Now { moment: clock::now(), wall: clock::wall_clock() }
}

async fn until(moment: Option<Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock::instant(moment)).await,
        None => std::future::pending().await,
    }
}

fn log(report: &AlertReport) {
    match report {
        AlertReport::Changed { change: Change::Firing, .. } => tracing::warn!("{report}"),
        AlertReport::Changed { change: Change::Pending | Change::Withdrawn, .. } => tracing::debug!("{report}"),
        AlertReport::Changed { .. } => tracing::info!("{report}"),
        AlertReport::TooMany { .. } | AlertReport::Unreadable { .. } => tracing::error!("{report}"),
    }
}

fn stored_kind(kind: DocumentKind) -> state::DocumentKind {
    match kind {
        DocumentKind::Alert => state::DocumentKind::Alert,
        DocumentKind::Channel => state::DocumentKind::Channel,
        DocumentKind::Silence => state::DocumentKind::Silence,
        DocumentKind::Notice => state::DocumentKind::Notice,
    }
}
