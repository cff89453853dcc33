//! The forward loop: carries out what the route decides, and tells it what happened. A reader of this loop knows what
//! a forward does; a reader of `logic::route` knows why.
//!
//! Decides nothing itself, and waits for nothing but the next happening.

use std::collections::VecDeque;
use std::time::Duration;

use litemap::LiteMap;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::begin::{self, Beginnings};
use super::command::{Answer, Command};
use super::describe::PUBLISH_INTERVAL;
use super::mirror::{Commit, Mirror};
use super::prepare_threads::{PrepareEvent, PrepareJob, PrepareThreads};
use super::report;
use super::senders::{Delivery, DeliveryRequest, Senders};
use crate::clock;
use crate::config::schema::ForwardSettings;
use crate::kafka::positions;
use crate::kafka::reader::{Reader, ReaderEvent, TroublePlace};
use crate::kafka::wire::Client;
use crate::logic::moment::{Moment, Timestamp};
use crate::logic::offset_tracker::{Position, Snapshot};
use crate::logic::record::TopicPartition;
use crate::logic::route::{
    Action, EventId, Job, JobRecord, Letter, PartitionSnapshot, PreparedRecord, Route, StoreOffsets,
};
use crate::logic::start_position::after_out_of_range;
use crate::state::{self, DeadLetter, StateError, StateHandle};
use crate::status::ForwardStatus;

/// How often the dead letters are counted while none comes or goes.
const COUNT_INTERVAL: Duration = Duration::from_secs(30);
/// A group with live members is looked at again after this long.
const LOOK_AT_GROUP_AGAIN: Duration = Duration::from_secs(5);

/// A running forward. Owned by its task.
pub(super) struct Running {
    pub(super) settings: ForwardSettings,
    pub(super) route: Route,
    pub(super) reader: Reader,
    pub(super) client: Client,
    pub(super) steps: PrepareThreads<JobRecord>,
    /// Jobs that their thread could not take yet.
    pub(super) waiting_jobs: VecDeque<PrepareJob<JobRecord>>,
    pub(super) senders: Senders,
    pub(super) state: StateHandle,
    pub(super) beginnings: Beginnings,
    pub(super) mirror: Option<Mirror>,
    pub(super) group_check: GroupCheck,
    /// What hinders reading, and since when.
    pub(super) trouble: LiteMap<TroublePlace, (Moment, String)>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) status: watch::Sender<ForwardStatus>,
    pub(super) dead_letters: Counted,
    pub(super) publish_at: Moment,
    pub(super) tasks: JoinSet<Done>,
    pub(super) draining: bool,
}

/// Whether the group whose offsets are mirrored or taken over has members of its own.
#[derive(Debug)]
pub(super) enum GroupCheck {
    /// It does not, or there is no group.
    Passed,
    /// It is to be looked at then; until it passed nothing is read.
    Due(Moment, Option<String>),
    /// It is being looked at; the reason is from the time before.
    Out(Option<String>),
}

/// How many dead letters wait, and when they are counted again.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) waiting: u64,
    next: Moment,
}

/// The end of something that the loop did not wait for.
pub(super) enum Done {
    Stored(StoreOffsets, bool, Result<(), StateError>),
    PatternsStored(Result<(), StateError>),
    Buried(EventId, Letter, Result<(), String>),
    Begun(begin::Answered),
    GroupChecked(Result<(), String>),
    Mirrored(Commit, Option<String>),
    Positioned(Answer, Result<Vec<(TopicPartition, Position)>, String>),
    LettersRead(Vec<DeadLetter>, Answer, u64),
    ReplayEnded,
    Counted(u64),
}

impl Running {
    /// Runs until a drain has come to its end, or the daemon is gone.
    pub(super) async fn run(mut self) {
        loop {
            let now = clock::now();
            for action in self.route.next_actions(now) {
                self.carry_out(action, now);
            }
            if self.draining && self.is_drained() {
                break;
            }
            self.begin_what_is_due(now);
            if matches!(self.group_check, GroupCheck::Passed) {
                self.fetch(now);
            }
            self.publish_if_due(now);
            let wakes_at = self.wakes_at(now);
            tokio::select! {
                event = self.reader.next() => self.read(event),
                event = self.steps.next() => self.prepared(event),
                delivery = self.senders.next_answer() => self.answered(delivery),
                Some(done) = self.tasks.join_next() => if let Ok(done) = done { self.done(done) },
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => break,
                },
                () = sleep_until(clock::instant(wakes_at)) => {}
            }
        }
        self.publish(clock::now());
    }

    fn fetch(&mut self, now: Moment) {
        let room = self.room();
        if self.reader.could_fetch(room) {
            self.reader.start_fetches(&self.route.wanted(), room, now);
        }
    }

    fn carry_out(&mut self, action: Action, now: Moment) {
        match action {
            Action::Prepare(job) => self.prepare(job),
            Action::Send(request) => self.senders.submit(DeliveryRequest {
                id: request.id.0,
                body: request.body,
                idempotency_key: request.idempotency_key,
            }),
            Action::Bury(id, letter) => self.bury(id, letter, now),
            Action::Store(offsets) => self.store(offsets),
            Action::EndReplay { id, refused } => self.end_replay(id, refused),
            Action::Report(report) => report::log(&self.settings.name, &report),
        }
    }

    fn prepare(&mut self, job: Job) {
        let records = job.records.into_iter().map(|record| (record.clone(), record.record)).collect();
        self.waiting_jobs.push_back(PrepareJob { partition: job.topic_partition, records });
        self.hand_over_jobs();
    }

    /// Gives the threads what they can take. Jobs of a partition stay in their order: one that is refused holds back
    /// those behind it, which go to the same thread.
    fn hand_over_jobs(&mut self) {
        let mut refused = VecDeque::new();
        for job in self.waiting_jobs.drain(..) {
            let behind = refused.iter().any(|earlier: &PrepareJob<JobRecord>| earlier.partition == job.partition);
            match if behind { Err(job) } else { self.steps.submit(job) } {
                Ok(()) => {}
                Err(job) => refused.push_back(job),
            }
        }
        self.waiting_jobs = refused;
    }

    fn prepared(&mut self, event: PrepareEvent<JobRecord>) {
        let now = clock::now();
        match event {
            PrepareEvent::Answered(answer) => {
                let records = answer.events.into_iter().map(|(input, _, event)| PreparedRecord {
                    input,
                    event_id: event.event_id,
                    prepared: event.prepared,
                });
                self.route.prepared(records.collect(), now);
                self.hand_over_jobs();
            }
            PrepareEvent::Overran { partition, ticket, .. } => {
                self.route.overran(&format!("{partition}/{}", ticket.record.offset));
            }
            PrepareEvent::NoThread(error) => {
                tracing::error!(forward = self.settings.name, %error, "no thread for the steps: tried again in a while");
            }
        }
    }

    fn answered(&mut self, delivery: Delivery) {
        let now = clock::now();
        self.route.answered(EventId(delivery.id), delivery.answer, now);
        // Those that came meanwhile, too: each turn of the loop costs more than an answer.
        while let Some(delivery) = self.senders.try_next_answer() {
            self.route.answered(EventId(delivery.id), delivery.answer, now);
        }
    }

    fn read(&mut self, event: ReaderEvent) {
        let now = clock::now();
        if event.asked_from().is_some_and(|(partition, from)| self.route.position(partition) != Some(from)) {
            return;
        }
        match event {
            ReaderEvent::Topics(found) => {
                let questions = self.beginnings.found(found, &mut self.route, now);
                self.ask(questions);
            }
            ReaderEvent::Fetched(fetched) => {
                let log_end = (fetched.high_watermark >= 0).then_some(fetched.high_watermark);
                self.route.fetched(&fetched.partition, fetched.records, fetched.next, log_end, now);
            }
            ReaderEvent::OutOfRange { partition, log_start, high_watermark, .. } => {
                match after_out_of_range(self.settings.on_out_of_range, log_start, high_watermark) {
                    Some(position) => self.route.out_of_range(&partition, position, now),
                    None => self.route.stop(format!(
                        "the log of {partition} holds offsets {log_start} to {high_watermark} and not the one that comes next \
                         (on_out_of_range = \"stop\"): say where to go on with `barnabas offsets set`, and start again"
                    )),
                }
            }
            ReaderEvent::Trouble(trouble) => {
                let text = trouble.to_string();
                tracing::warn!(forward = self.settings.name, reason = text, "reading has trouble");
                self.trouble.entry(trouble.place).or_insert((now, String::new())).1 = text;
            }
            ReaderEvent::Recovered(place) => {
                if let Some((_, trouble)) = self.trouble.remove(&place) {
                    tracing::info!(forward = self.settings.name, trouble, "this trouble is over");
                }
            }
            ReaderEvent::TryAgain => {}
        }
    }

    fn begin_what_is_due(&mut self, now: Moment) {
        if let GroupCheck::Due(moment, reason) = &mut self.group_check
            && *moment <= now
            && let Some(group) = self.settings.group.clone()
        {
            let (client, reason) = (self.client.clone(), reason.take());
            self.group_check = GroupCheck::Out(reason);
            self.tasks.spawn(async move { Done::GroupChecked(begin::refuse_live_members(&client, &group).await) });
        }
        let questions = self.beginnings.due(&mut self.route, now);
        self.ask(questions);
        self.store_patterns_alone();
        let last = self.draining;
        if let Some(commit) = self.mirror.as_mut().and_then(|mirror| mirror.take_due(now, last)) {
            let client = self.client.clone();
            self.tasks.spawn(async move {
                let (commit, failed) = commit.run(client).await;
                Done::Mirrored(commit, failed)
            });
        }
        if self.dead_letters.next <= now {
            self.dead_letters.next = now + COUNT_INTERVAL;
            let (state, name) = (self.state.clone(), self.settings.name.clone());
            self.tasks.spawn(async move { Done::Counted(count_dead_letters(&state, &name).await) });
        }
    }

    fn ask(&mut self, questions: Vec<begin::Question>) {
        for question in questions {
            let (client, group) = (self.client.clone(), self.settings.group.clone());
            self.tasks.spawn(async move { Done::Begun(begin::ask(client, group, question).await) });
        }
    }

    fn store(&mut self, offsets: StoreOffsets) {
        let patterns = self.beginnings.patterns_to_store();
        let with_patterns = patterns.is_some();
        let stored = state::StoreOffsets {
            partitions: offsets.partitions.iter().map(stored_partition).collect(),
            counters: offsets.counters,
            patterns,
        };
        let (state, name) = (self.state.clone(), self.settings.name.clone());
        self.tasks.spawn(async move {
            let result = state.store(&name, stored).await;
            Done::Stored(offsets, with_patterns, result)
        });
    }

    /// Where nothing is read yet, nothing else would tell the next run what this one looked for.
    fn store_patterns_alone(&mut self) {
        if self.route.reads_nothing()
            && let Some(patterns) = self.beginnings.patterns_to_store()
        {
            let only = state::StoreOffsets {
                partitions: Vec::new(),
                counters: self.route.counters(),
                patterns: Some(patterns),
            };
            let (state, name) = (self.state.clone(), self.settings.name.clone());
            self.tasks.spawn(async move { Done::PatternsStored(state.store(&name, only).await) });
        }
    }

    fn bury(&mut self, id: EventId, letter: Letter, now: Moment) {
        let wall_clock = clock::wall_clock();
        let age = i64::try_from(now.since(letter.first_failed_at).as_millis()).unwrap_or(i64::MAX);
        let new = state::NewDeadLetter {
            forward: self.settings.name.clone(),
            topic_partition: letter.name.topic_partition.clone(),
            recreated: letter.recreated,
            record: letter.record.clone(),
            failure: state::Failure {
                reason: letter.reason.clone(),
                attempts: letter.attempts,
                status: letter.status,
                response: letter.response.clone(),
                first_failed_at: Timestamp(wall_clock.0.saturating_sub(age)),
            },
            buried_at: wall_clock,
            idempotency_key: letter.idempotency_key.clone(),
            event_id: letter.name.event_id.clone(),
        };
        let (state, max_size) = (self.state.clone(), self.settings.dead_letters.max_size);
        self.tasks.spawn(async move {
            let result = state.bury(new, max_size).await.map(|_| ()).map_err(|error| error.to_string());
            Done::Buried(id, letter, result)
        });
    }

    fn end_replay(&mut self, id: u64, refused: Option<String>) {
        let (state, name) = (self.state.clone(), self.settings.name.clone());
        self.tasks.spawn(async move {
            let result = match &refused {
                None => state.remove(vec![id]).await.map(|_| ()),
                Some(reason) => state.update_failed(id, reason, None, 1).await.map(|_| ()),
            };
            match (refused, result) {
                (_, Err(error)) => tracing::error!(forward = name, id, %error, "the replay cannot be noted"),
                (None, Ok(())) => tracing::info!(forward = name, id, "dead letter delivered"),
                (Some(reason), Ok(())) => tracing::warn!(forward = name, id, reason, "dead letter refused again"),
            }
            Done::ReplayEnded
        });
    }

    fn done(&mut self, done: Done) {
        let now = clock::now();
        match done {
            Done::Stored(offsets, _, Ok(())) => {
                self.route.stored();
                self.beginnings.stored(&offsets);
                if let Some(mirror) = &mut self.mirror {
                    mirror.stored(&offsets);
                }
            }
            Done::Stored(_, with_patterns, Err(error)) => {
                self.beginnings.patterns_not_stored(with_patterns);
                self.route.not_stored(error.to_string(), now);
            }
            Done::PatternsStored(result) => self.beginnings.patterns_not_stored(result.is_err()),
            Done::Buried(id, letter, result) => {
                self.dead_letters.next = self.dead_letters.next.min(now + PUBLISH_INTERVAL);
                match result {
                    Ok(()) => self.route.buried(id, now),
                    Err(reason) => self.route.not_buried(id, letter, reason, now),
                }
            }
            Done::Begun(answered) => self.beginnings.answered(answered, &mut self.route, now),
            Done::GroupChecked(Ok(())) => self.group_check = GroupCheck::Passed,
            Done::GroupChecked(Err(reason)) => {
                if !matches!(&self.group_check, GroupCheck::Out(Some(before)) if *before == reason) {
                    tracing::error!(forward = self.settings.name, reason, "does not start");
                }
                self.group_check = GroupCheck::Due(now + LOOK_AT_GROUP_AGAIN, Some(reason));
            }
            Done::Mirrored(commit, failed) => {
                if let Some(mirror) = &mut self.mirror {
                    mirror.committed(&self.settings.name, commit, failed);
                }
            }
            Done::Positioned(answer, result) => self.set_positions(answer, result, now),
            Done::LettersRead(letters, answer, missing) => self.replay(letters, answer, missing, now),
            Done::ReplayEnded => self.dead_letters.next = now,
            Done::Counted(waiting) => self.dead_letters.waiting = waiting,
        }
    }

    fn command(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Pause(answer) => {
                self.route.pause(true);
                self.remember_pause(true, answer);
            }
            Command::Resume(answer) => {
                self.route.pause(false);
                self.route.go_on();
                self.route.hurry(now);
                self.remember_pause(false, answer);
            }
            Command::SetPosition { topic, partition, position, answer } => {
                let names: Vec<TopicPartition> = self
                    .route
                    .assigned()
                    .into_iter()
                    .filter(|name| name.topic == topic && partition.is_none_or(|wanted| wanted == name.partition))
                    .collect();
                let client = self.client.clone();
                self.tasks.spawn(async move {
                    let result = if names.is_empty() {
                        Err("the forward does not read that partition".to_owned())
                    } else {
                        positions::resolve(&client, &names, position)
                            .await
                            .map(|positions| positions.into_iter().collect())
                    };
                    Done::Positioned(answer, result)
                });
            }
            Command::Replay { ids, answer } => {
                let (state, name) = (self.state.clone(), self.settings.name.clone());
                self.tasks.spawn(async move {
                    let (letters, missing) = read_letters(&state, &name, ids).await;
                    Done::LettersRead(letters, answer, missing)
                });
            }
            Command::Drain => {
                self.draining = true;
                self.route.drain(now);
            }
        }
        self.publish_at = now;
    }

    fn remember_pause(&mut self, paused: bool, answer: Answer) {
        let (state, name) = (self.state.clone(), self.settings.name.clone());
        self.tasks.spawn(async move {
            let word = if paused { "paused" } else { "resumed" };
            let result = state.set_paused(&name, paused).await;
            let _ = answer.send(match result {
                Ok(()) => Ok(format!("{name} is {word}")),
                Err(error) => Err(format!("{name} is {word}, but will not be so after a restart: {error}")),
            });
            Done::ReplayEnded
        });
    }

    fn set_positions(&mut self, answer: Answer, result: Result<Vec<(TopicPartition, Position)>, String>, now: Moment) {
        let said = result.map(|positions| {
            self.route.go_on();
            let mut sentences = Vec::new();
            for (name, position) in positions {
                let Some(identity) = self.route.identity(&name).cloned() else { continue };
                self.route.assign(name.clone(), identity, Snapshot::starting_at(position), false, now);
                sentences.push(format!("{name} goes on at offset {}", position.0));
            }
            sentences.join(", ")
        });
        // Nobody may be waiting any more.
        let _ = answer.send(said);
    }

    fn replay(&mut self, letters: Vec<DeadLetter>, answer: Answer, missing: u64, now: Moment) {
        let (mut begun, mut not_now) = (0_u64, 0_u64);
        for letter in letters {
            let (id, recreated) = (letter.summary.id, letter.summary.recreated);
            let name = letter.summary.topic_partition.clone();
            if self.route.replay(id, name, letter.into_record(), recreated, now) {
                begun += 1;
            } else {
                not_now += 1;
            }
        }
        let _ = answer.send(Ok(format!(
            "{begun} on their way, {not_now} were already, {missing} do not exist in {}: those that the endpoint takes \
             disappear from `barnabas dead-letters list`",
            self.settings.name
        )));
    }

    fn room(&self) -> usize {
        // A record larger than the buffer must be let in when nothing else is there, or it would stop the forward.
        if self.route.is_empty() { self.settings.buffer_size } else { self.route.room() }
    }

    fn is_drained(&self) -> bool {
        self.route.is_drained() && self.mirror.as_ref().is_none_or(Mirror::may_end)
    }

    fn wakes_at(&self, now: Moment) -> Moment {
        let group = match &self.group_check {
            GroupCheck::Due(moment, _) => Some(*moment),
            GroupCheck::Passed | GroupCheck::Out(_) => None,
        };
        let mirror = self.mirror.as_ref().and_then(Mirror::wakes_at);
        let moments = [self.route.wakes_at(), self.beginnings.wakes_at(), group, mirror, Some(self.dead_letters.next)];
        let publish = self.publish_at.max(now);
        moments.into_iter().flatten().fold(publish, Moment::min)
    }
}

fn stored_partition(partition: &PartitionSnapshot) -> state::StoredPartition {
    let PartitionSnapshot { topic_partition, identity, snapshot } = partition;
    state::StoredPartition {
        topic_partition: topic_partition.clone(),
        cluster_id: identity.cluster_id.clone(),
        topic_id: identity.topic_id,
        leader_epoch: identity.leader_epoch,
        recreated: identity.recreated,
        snapshot: snapshot.clone(),
    }
}

async fn count_dead_letters(state: &StateHandle, forward: &str) -> u64 {
    let totals = state.dead_letter_totals().await.unwrap_or_default();
    totals.into_iter().find(|(name, _)| name == forward).map_or(0, |(_, totals)| totals.count)
}

/// The letters of `forward` among `ids`, and how many are not there or not its own.
async fn read_letters(state: &StateHandle, forward: &str, ids: Vec<u64>) -> (Vec<DeadLetter>, u64) {
    let (mut letters, mut missing) = (Vec::new(), 0);
    for id in ids {
        match state.dead_letter(id).await {
            Ok(Some(letter)) if letter.summary.forward == forward => letters.push(letter),
            Ok(_) | Err(_) => missing += 1,
        }
    }
    (letters, missing)
}
