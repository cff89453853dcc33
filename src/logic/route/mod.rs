//! A forward's decisions: what is prepared, sent, tried again, kept aside and stored, and when. It takes in what
//! happened and the time, and gives out actions; the forward loop (`crate::forward`) carries them out, and the
//! simulation beside this file does the same with invented answers and a crash between any two of them.
//!
//! Knows records, offsets and answers. Knows no Kafka, no HTTP, no file, no clock.

mod deliver;
mod event;
mod gate;
mod lanes;
mod partition;
mod report;
#[cfg(test)]
mod simulation;
mod status;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use event::{EventName, Origin, idempotency_key};
pub use lanes::EventId;
pub use partition::Identity;
pub use report::Report;
pub use status::{PartitionPosition, RouteState, RouteStatus};
pub use store::{PartitionSnapshot, StoreOffsets};

use self::event::{Event, Stage};
use self::gate::Gate;
use self::lanes::{LaneKey, Lanes};
use self::partition::{Partition, Unprepared};
use self::store::Storing;
use super::counters::Counters;
use super::moment::Moment;
use super::offset_tracker::{OffsetTracker, Position, Snapshot};
use super::prepare::{OrderValue, Prepared};
use super::record::{Record, TopicPartition};
use super::retry::RetrySettings;

/// What a route must know of its forward.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// The forward's name; it begins every idempotency key.
    pub forward: String,
    /// Requests at once.
    pub max_in_flight: usize,
    /// Bytes of records and request bodies held.
    pub buffer_size: usize,
    /// When an event is tried again.
    pub retry: RetrySettings,
    /// What becomes of an invalid event.
    pub invalid: Invalid,
    /// How long a settled record may wait to be stored; zero: before its sender takes the next one.
    pub commit_interval: Duration,
}

/// What becomes of an invalid event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is kept aside.
    DeadLetter,
    /// It is counted, and that is all.
    Skip,
}

/// Something to do.
#[derive(Debug)]
pub enum Action {
    /// Run the steps on these records of one partition, and answer with `prepared` in the order in which jobs of a
    /// partition were given out.
    Prepare(Job),
    /// Send this request, and answer with `answered`.
    Send(Request),
    /// Make this dead letter durable, and answer with `buried` or `not_buried`.
    Bury(EventId, Letter),
    /// Make these offsets durable, and answer with `stored` or `not_stored`.
    Store(StoreOffsets),
    /// A replay is over: with none the endpoint took it and the dead letter can go, else this is why it stays.
    EndReplay {
        /// The dead letter's number.
        id: u64,
        /// Why it stays.
        refused: Option<String>,
    },
    /// Tell people.
    Report(Report),
}

/// Records of one partition for the steps.
#[derive(Debug)]
pub struct Job {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Its records in order.
    pub records: Vec<JobRecord>,
}

/// A record for the steps.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Where it came from.
    pub origin: Origin,
    /// The record.
    pub record: Arc<Record>,
    /// When it was read.
    pub received_at: Moment,
}

/// What the steps made of a record.
#[derive(Debug)]
pub struct PreparedRecord {
    /// As it was given out.
    pub input: JobRecord,
    /// What `event_id` gave.
    pub event_id: Option<String>,
    /// What the steps gave.
    pub prepared: Prepared,
}

/// A request for a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the answer must name.
    pub id: EventId,
    /// The body.
    pub body: Bytes,
    /// The same on every attempt.
    pub idempotency_key: String,
}

/// An event that is kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What names the event.
    pub name: EventName,
    /// Its record.
    pub record: Arc<Record>,
    /// Why it is kept aside, for people.
    pub reason: String,
    /// How many times it was sent.
    pub attempts: u32,
    /// The last HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The last answer, one short line.
    pub response: String,
    /// When it failed for the first time.
    pub first_failed_at: Moment,
    /// The key it was sent with.
    pub idempotency_key: String,
    /// Which life of the topic it is from.
    pub recreated: u32,
}

fn is_replay(origin: Origin) -> bool {
    matches!(origin, Origin::Replay { .. })
}

/// Records of a job: enough to keep a thread busy, few enough to be answered soon.
const JOB_RECORDS: usize = 128;
/// Bytes of a job: what preparing may exceed the buffer by is bounded through this.
const JOB_BYTES: usize = 256 * 1024;
/// Jobs of one partition that are out at once: one that is worked on and one that waits for the thread.
const JOBS_OUT: u32 = 2;
/// The second event that the steps cannot get done stops the forward: the program is at fault, not the events.
const OVERRUNS_TO_STOP: u32 = 2;

/// A forward's decisions. See the head of this file.
#[derive(Debug)]
pub struct Route {
    settings: RouteSettings,
    partitions: Vec<Partition>,
    by_name: HashMap<TopicPartition, usize>,
    events: BTreeMap<EventId, Event>,
    next_event: u64,
    next_life: u64,
    lanes: Lanes,
    gate: Gate,
    storing: Storing,
    counters: Counters,
    /// Requests that senders have.
    in_flight: usize,
    /// Jobs that the steps have, of partitions and of replays.
    jobs_out: u32,
    /// Bytes held in records and bodies, unprepared ones included.
    held: usize,
    /// Of these, in records not prepared yet.
    held_unprepared: usize,
    /// Letters the state could not take, with the moment of the next attempt.
    unburied: BTreeMap<EventId, (Moment, Letter)>,
    /// Replays that have begun, by dead letter, with the partition that the record is from.
    replaying: HashMap<u64, TopicPartition>,
    /// Of these, the ones that have yet to go to the steps.
    replay_jobs: Vec<Job>,
    last_accepted: Option<Moment>,
    overruns: u32,
    paused: bool,
    draining: bool,
    /// Why nothing goes on until a restart, for people.
    stopped: Option<String>,
    /// Why dead letters cannot be kept, for people; over with the next that can.
    cannot_bury: Option<String>,
    actions: Vec<Action>,
    random: fastrand::Rng,
}

impl Route {
    /// A route that has settled what `counters` say before this start; what it had pending comes back with the
    /// partitions that are assigned. `seed` makes its jitter repeatable.
    pub fn new(settings: RouteSettings, counters: Counters, paused: bool, seed: u64) -> Self {
        let counters = Counters { consumed: counters.settled(), ..counters };
        Self {
            settings,
            partitions: Vec::new(),
            by_name: HashMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            next_life: 0,
            lanes: Lanes::default(),
            gate: Gate::new(),
            storing: Storing::default(),
            counters,
            in_flight: 0,
            jobs_out: 0,
            held: 0,
            held_unprepared: 0,
            unburied: BTreeMap::new(),
            replaying: HashMap::new(),
            replay_jobs: Vec::new(),
            last_accepted: None,
            overruns: 0,
            paused,
            draining: false,
            stopped: None,
            cannot_bury: None,
            actions: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Begins to read a partition where `snapshot` says, or begins it anew there: what it had pending is not ours any
    /// more. `already_stored` tells whether the state holds this very snapshot; else it is stored before the first fetch.
    pub fn assign(
        &mut self,
        name: TopicPartition,
        identity: Identity,
        snapshot: Snapshot,
        already_stored: bool,
        now: Moment,
    ) {
        self.next_life += 1;
        let tracker = OffsetTracker::resume(snapshot.clone(), self.next_life);
        let pending = tracker.pending();
        let mut partition = Partition::new(name.clone(), identity, tracker);
        partition.stored = already_stored.then_some(snapshot);
        partition.dirty = !already_stored;
        match self.by_name.get(&name).copied() {
            Some(index) => {
                self.abandon(index);
                if let Some(former) = self.partitions.get_mut(index) {
                    partition.jobs_out = former.jobs_out;
                    *former = partition;
                }
            }
            None => {
                self.by_name.insert(name, self.partitions.len());
                self.partitions.push(partition);
            }
        }
        self.counters.consumed += pending;
        if !already_stored {
            self.storing.at_once(now);
        }
    }

    /// Stops reading a partition: its topic is gone or no longer asked for. What it had pending is not ours any more.
    pub fn unassign(&mut self, name: &TopicPartition) {
        let Some(&index) = self.by_name.get(name) else { return };
        self.abandon(index);
        if let Some(partition) = self.partitions.get_mut(index) {
            partition.gone = true;
            partition.dirty = false;
        }
    }

    /// The partitions that are read, and where their next fetches begin.
    pub fn wanted(&self) -> Vec<(TopicPartition, Position)> {
        if self.draining || self.stopped.is_some() {
            return Vec::new();
        }
        self.partitions
            .iter()
            .filter_map(|partition| partition.wanted().map(|position| (partition.name.clone(), position)))
            .collect()
    }

    /// Where the next fetch of `name` begins; none: it is not read.
    pub fn position(&self, name: &TopicPartition) -> Option<Position> {
        self.partition(name).filter(|partition| !partition.gone).map(|partition| partition.tracker.next())
    }

    /// The partitions that are read at present.
    pub fn assigned(&self) -> Vec<TopicPartition> {
        self.partitions.iter().filter(|partition| !partition.gone).map(|partition| partition.name.clone()).collect()
    }

    /// Whether no partition is read at present.
    pub fn reads_nothing(&self) -> bool {
        self.partitions.iter().all(|partition| partition.gone)
    }

    /// The identity under which `name` is read.
    pub fn identity(&self, name: &TopicPartition) -> Option<&Identity> {
        self.partition(name).filter(|partition| !partition.gone).map(|partition| &partition.identity)
    }

    fn partition(&self, name: &TopicPartition) -> Option<&Partition> {
        self.by_name.get(name).and_then(|&index| self.partitions.get(index))
    }

    /// Bytes of records that may be fetched now. What is not prepared yet counts twice: its bodies are to come.
    pub fn room(&self) -> usize {
        self.settings.buffer_size.saturating_sub(self.held.saturating_add(self.held_unprepared))
    }

    /// Whether nothing at all is held, so that even a record larger than the buffer must be let in.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// A fetch brought `records` of a partition (ascending offsets) and reached `next`; `log_end` is the high watermark,
    /// where the broker told one.
    pub fn fetched(
        &mut self,
        name: &TopicPartition,
        records: Vec<Record>,
        next: Position,
        log_end: Option<i64>,
        now: Moment,
    ) {
        let Some(&index) = self.by_name.get(name) else { return };
        let Some(partition) = self.partitions.get_mut(index).filter(|partition| !partition.gone) else { return };
        let before = partition.tracker.next();
        let received = partition.tracker.received(records.iter().map(|record| record.offset), next);
        partition.log_end = log_end.or(partition.log_end);
        self.counters.consumed += received.fresh;
        self.counters.consumed = self.counters.consumed.saturating_sub(received.vanished);
        self.counters.lost_offsets += received.vanished;
        let mut tickets = received.tickets.into_iter().peekable();
        for record in records {
            let Some(ticket) = tickets.next_if(|ticket| ticket.offset == record.offset) else { continue };
            let bytes = record.held_bytes();
            self.held += bytes;
            self.held_unprepared += bytes;
            partition.unprepared.push_back(Unprepared { ticket, record: Arc::new(record), received_at: now });
        }
        if partition.tracker.next() != before {
            self.touch(index, now);
        }
    }

    /// The position of a partition no longer exists, and reading goes on at `position`. Offsets between the two are
    /// lost, and counted.
    pub fn out_of_range(&mut self, name: &TopicPartition, position: Position, now: Moment) {
        let Some(&index) = self.by_name.get(name) else { return };
        let Some(partition) = self.partitions.get_mut(index).filter(|partition| !partition.gone) else { return };
        let before = partition.tracker.next();
        self.actions.push(Action::Report(Report::OffsetOutOfRange {
            topic_partition: name.clone(),
            wanted: before.0,
            position: position.0,
        }));
        if position >= before {
            let skipped = partition.tracker.skip_to(position);
            self.counters.lost_offsets += skipped.lost;
            self.counters.consumed = self.counters.consumed.saturating_sub(skipped.vanished);
            self.touch(index, now);
        } else {
            // The log is shorter than what was read of it: an unclean election, or a topic of the same name.
            let identity = partition.identity.clone();
            self.assign(name.clone(), identity, Snapshot::starting_at(position), false, now);
        }
    }

    /// The steps are done with a job.
    pub fn prepared(&mut self, records: Vec<PreparedRecord>, now: Moment) {
        self.jobs_out = self.jobs_out.saturating_sub(1);
        let index = records.iter().find_map(|record| match record.input.origin {
            Origin::Partition { index, .. } => Some(index),
            Origin::Replay { .. } => None,
        });
        if let Some(partition) = index.and_then(|index| self.partitions.get_mut(index)) {
            partition.jobs_out = partition.jobs_out.saturating_sub(1);
        }
        for record in records {
            self.held_unprepared = self.held_unprepared.saturating_sub(record.input.record.held_bytes());
            self.take_in(record, now);
        }
    }

    /// The steps did not get done with an event in time. Once may be the event; the second time the forward stops.
    pub fn overran(&mut self, name: &str) {
        self.overruns += 1;
        if self.overruns >= OVERRUNS_TO_STOP {
            self.stop(format!(
                "the jq programs did not end in time for {name}, the second time since the start: correct them and start again"
            ));
        }
    }

    /// Nothing goes on until a restart or [`go_on`](Self::go_on); `reason` is for people.
    pub fn stop(&mut self, reason: String) {
        if self.stopped.is_none() {
            self.actions.push(Action::Report(Report::Stopped { reason: reason.clone() }));
            self.stopped = Some(reason);
        }
    }

    /// A person has dealt with what the route was stopped for.
    pub fn go_on(&mut self) {
        self.stopped = None;
    }

    /// A person wants nothing sent, or sending to go on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// A person says that the endpoint works again: the next event is sent at once.
    pub fn hurry(&mut self, now: Moment) {
        self.gate.hurry(now);
        self.lanes.wake_all(|_| false);
    }

    /// A person wants a dead letter delivered after all: it goes through the steps again, as they are now.
    /// False: it is on its way already.
    pub fn replay(
        &mut self,
        id: u64,
        topic_partition: TopicPartition,
        record: Record,
        recreated: u32,
        now: Moment,
    ) -> bool {
        if self.replaying.contains_key(&id) {
            return false;
        }
        let bytes = record.held_bytes();
        self.held += bytes;
        self.held_unprepared += bytes;
        let origin = Origin::Replay { id, recreated };
        let records = vec![JobRecord { origin, record: Arc::new(record), received_at: now }];
        self.replaying.insert(id, topic_partition.clone());
        self.replay_jobs.push(Job { topic_partition, records });
        true
    }

    /// Sends nothing more: what is in flight ends, what is settled is stored.
    pub fn drain(&mut self, now: Moment) {
        self.draining = true;
        self.storing.at_once(now);
    }

    /// Whether a drain has come to its end.
    pub fn is_drained(&self) -> bool {
        let buries =
            self.events.iter().any(|(id, event)| event.stage == Stage::Burying && !self.unburied.contains_key(id));
        self.in_flight == 0 && !buries && !self.storing.is_out() && !self.has_dirty()
    }

    /// What is to be done at `now`.
    pub fn next_actions(&mut self, now: Moment) -> Vec<Action> {
        self.bury_again(now);
        self.hand_out_jobs();
        self.send(now);
        self.store(now);
        std::mem::take(&mut self.actions)
    }

    /// When something is to be done though nothing happens.
    pub fn wakes_at(&self) -> Option<Moment> {
        let bury = self.unburied.values().map(|(due, _)| *due).min();
        [self.next_send_at(), bury, self.storing.due()].into_iter().flatten().min()
    }

    fn hand_out_jobs(&mut self) {
        if self.draining || self.stopped.is_some() || self.held_unprepared == 0 {
            return;
        }
        for index in 0..self.partitions.len() {
            loop {
                // Bodies come on top of what is held; with nothing on its way there must be progress all the same.
                let idle = self.events.is_empty() && self.jobs_out == 0;
                if self.held >= self.settings.buffer_size && !idle {
                    return;
                }
                let Some(partition) = self.partitions.get_mut(index) else { return };
                if partition.jobs_out >= JOBS_OUT || partition.unprepared.is_empty() {
                    break;
                }
                let taken = partition.take_job(JOB_RECORDS, JOB_BYTES);
                partition.jobs_out += 1;
                self.jobs_out += 1;
                let records = taken
                    .into_iter()
                    .map(|Unprepared { ticket, record, received_at }| JobRecord {
                        origin: Origin::Partition { index, ticket },
                        record,
                        received_at,
                    })
                    .collect();
                self.actions.push(Action::Prepare(Job { topic_partition: partition.name.clone(), records }));
            }
        }
        for job in self.replay_jobs.drain(..) {
            self.jobs_out += 1;
            self.actions.push(Action::Prepare(job));
        }
    }

    fn take_in(&mut self, prepared: PreparedRecord, now: Moment) {
        let PreparedRecord { input, event_id, prepared } = prepared;
        let bytes = input.record.held_bytes();
        if !self.owns(input.origin) {
            self.held = self.held.saturating_sub(bytes);
            return;
        }
        let Some((topic_partition, recreated)) = self.source(input.origin) else { return };
        let name = EventName { topic_partition, offset: input.record.offset, event_id };
        let idempotency_key = idempotency_key(&self.settings.forward, &name.topic_partition, name.offset, recreated);
        let (bodies, order) = match prepared {
            Prepared::Ready { bodies, order } => (bodies, order),
            Prepared::Filtered => {
                self.held = self.held.saturating_sub(bytes);
                return self.filtered(input.origin, now);
            }
            Prepared::Invalid(reason) if self.settings.invalid == Invalid::Skip || is_replay(input.origin) => {
                self.held = self.held.saturating_sub(bytes);
                return self.skipped(input.origin, name, reason, now);
            }
            Prepared::Invalid(reason) => {
                self.actions.push(Action::Report(Report::Invalid { name: name.clone(), reason: reason.clone() }));
                let id = self.admit(input, name, idempotency_key, Vec::new(), OrderValue::Free, Stage::Burying);
                return self.bury(id, format!("invalid: {reason}"), None, String::new(), now);
            }
        };
        self.admit(input, name, idempotency_key, bodies, order, Stage::InLane);
    }

    fn admit(
        &mut self,
        input: JobRecord,
        name: EventName,
        idempotency_key: String,
        bodies: Vec<Vec<u8>>,
        order: OrderValue,
        stage: Stage,
    ) -> EventId {
        let id = EventId(self.next_event);
        self.next_event += 1;
        let lane = match (input.origin, order) {
            (Origin::Replay { .. }, _) | (_, OrderValue::Free) => None,
            (Origin::Partition { index, .. }, OrderValue::Partition) => Some(LaneKey::Partition(index)),
            (Origin::Partition { .. }, OrderValue::Value(value)) => Some(LaneKey::Value(value)),
        };
        let body_bytes: usize = bodies.iter().map(Vec::len).sum();
        self.held = self.held.saturating_add(body_bytes);
        if stage == Stage::InLane {
            self.lanes.admit(id, lane.as_ref());
        }
        let event = Event {
            held_bytes: input.record.held_bytes().saturating_add(body_bytes),
            origin: input.origin,
            name,
            record: input.record,
            idempotency_key,
            bodies: bodies.into_iter().map(Bytes::from).collect(),
            accepted: 0,
            lane: if stage == Stage::InLane { lane } else { None },
            received_at: input.received_at,
            stage,
            attempts: 0,
            refusals: None,
            refused_in_a_row: 0,
            not_before: Moment::default(),
            abandoned: false,
        };
        self.events.insert(id, event);
        id
    }
}
