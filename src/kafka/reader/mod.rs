//! Follows topics: which partitions there are, who leads them, and one outstanding fetch at each of these brokers.
//!
//! A broker that is dead or frozen holds back its own partitions and no others. Where to read is the caller's business:
//! it names positions and room with each call and is told what came; nothing is skipped here, and nothing repeated
//! that was not asked for. Decisions are in `topics`, `pace`, `plan` and `trouble`, which are pure.

mod fetch;
mod pace;
mod plan;
#[cfg(test)]
mod plan_tests;
mod topics;
mod trouble;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::metadata::ClusterMetadata;
use super::wire::{Client, Error, KafkaError};
use crate::clock;
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::Position;
use crate::logic::record::{Record, TopicPartition};
use crate::logic::topic_pattern::TopicPattern;
use fetch::{Answered, Outcome};
use pace::{Failure, MetadataPace, REFUSED};
use plan::Turns;
use topics::Topics;
use trouble::Troubles;

pub use topics::{FoundPartition, TopicsFound};
pub use trouble::{ReaderTrouble, TroublePlace, TroubleReason};

/// A partition whose leader is moving is asked again this often at least.
const LONGEST_MOVE_PAUSE: Duration = Duration::from_secs(2);
/// An error that a move of the leader explains is said when it has come so often in a row, which takes 3 s.
const MOVES_UNTIL_SAID: u32 = 5;

/// Reads the topics that some patterns mean.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    max_record_size: usize,
    topics: Topics,
    metadata: MetadataPace,
    turns: Turns,
    troubles: Troubles,
    under_way: JoinSet<Done>,
    ready: VecDeque<ReaderEvent>,
    /// When the first pause ends that kept a wanted partition from being fetched.
    pause_ends: Option<Moment>,
}

/// What a task of the reader came to.
#[derive(Debug)]
enum Done {
    Metadata(Result<Arc<ClusterMetadata>, Error>),
    Fetch(i32, Result<Vec<Answered>, Error>),
}

/// What the reader has to tell.
#[derive(Debug)]
pub enum ReaderEvent {
    /// The first answer to Metadata, or one that changed something.
    Topics(TopicsFound),
    /// A partition was read: with records, or only further.
    Fetched(FetchedRecords),
    /// The position does not exist (any more, or yet). The partition is left alone for a while, unless it is asked for
    /// another position.
    OutOfRange {
        /// Which.
        partition: TopicPartition,
        /// The position that does not exist.
        asked_from: Position,
        /// The first offset that exists.
        log_start: i64,
        /// One past the last.
        high_watermark: i64,
    },
    /// Something hinders reading; said when it begins or changes.
    Trouble(ReaderTrouble),
    /// A trouble that was said is over.
    Recovered(TroublePlace),
    /// A fetch came to nothing, or a pause has ended: call [`Reader::start_fetches`].
    TryAgain,
}

impl ReaderEvent {
    /// The position that this is an answer about. Where reading goes on elsewhere by now (somebody set the offset while
    /// the fetch was out) it must be ignored: it would be taken for what follows, and everything between for a gap.
    pub fn asked_from(&self) -> Option<(&TopicPartition, Position)> {
        match self {
            Self::Fetched(FetchedRecords { partition, asked_from, .. })
            | Self::OutOfRange { partition, asked_from, .. } => Some((partition, *asked_from)),
            _ => None,
        }
    }
}

/// What was read of one partition.
#[derive(Debug)]
pub struct FetchedRecords {
    /// The broker that leads it.
    pub broker: i32,
    /// Which.
    pub partition: TopicPartition,
    /// The position that was asked for.
    pub asked_from: Position,
    /// In the order of their offsets; perhaps none.
    pub records: Vec<Record>,
    /// Where to go on: it may have moved without records.
    pub next: Position,
    /// One past the last record that all in-sync replicas have; −1 where unknown.
    pub high_watermark: i64,
    /// The first offset that exists; −1 from brokers before 1.0.
    pub log_start: i64,
    /// The leader epoch of the fetch; −1 from brokers before 2.1.
    pub leader_epoch: i32,
}

impl Reader {
    /// Asks nothing yet: the first [`Reader::next`] does. Records beyond `max_record_size` bytes are cut.
    pub fn new(client: Client, topics: Vec<TopicPattern>, max_record_size: usize) -> Self {
        Self {
            client,
            max_record_size,
            topics: Topics::new(topics),
            metadata: MetadataPace::default(),
            turns: Turns::default(),
            troubles: Troubles::default(),
            under_way: JoinSet::new(),
            ready: VecDeque::new(),
            pause_ends: None,
        }
    }

    /// Whether [`start_fetches`](Self::start_fetches) could start one, given such room: else its caller need not find
    /// out what is wanted.
    pub fn could_fetch(&self, room: usize) -> bool {
        self.ready.is_empty() && self.turns.could_fetch(&self.topics, room)
    }

    /// Starts a fetch at every idle broker that leads one of `wanted`.
    ///
    /// `room` is how many bytes of records ([`Record::held_bytes`]) the caller could take in; what is set aside for
    /// fetches under way is subtracted here. Below 16 KiB nothing is fetched, so who holds nothing must offer that
    /// much. It can be exceeded by one record for each broker.
    ///
    /// Does nothing while there are events to take: they may move the very positions that are given here. So call it
    /// before each [`Reader::next`].
    ///
    /// Must be called within a tokio runtime.
    pub fn start_fetches(&mut self, wanted: &[(TopicPartition, Position)], room: usize, now: Moment) {
        if !self.could_fetch(room) {
            return;
        }
        let (plans, pause_ends) = self.turns.plan(wanted, &self.topics, room, now);
        self.pause_ends = pause_ends;
        for plan in plans {
            self.turns.sent(&plan);
            let (client, broker, max_record_size) = (self.client.clone(), plan.broker, self.max_record_size);
            self.under_way.spawn(async move { Done::Fetch(broker, fetch::run(client, plan, max_record_size).await) });
        }
    }

    /// What happened next. Cancel safe: an event that was not returned comes with the next call.
    pub async fn next(&mut self) -> ReaderEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let now = clock::now();
            if self.pause_ends.take_if(|end| *end <= now).is_some() {
                return ReaderEvent::TryAgain;
            }
            let metadata_due = self.metadata.due();
            if metadata_due.is_some_and(|due| due <= now) {
                self.ask_metadata();
                continue;
            }
            let wake = [metadata_due, self.pause_ends].into_iter().flatten().min();
            tokio::select! {
                Some(done) = self.under_way.join_next() => match done {
                    Ok(Done::Metadata(answer)) => self.metadata_answered(answer, clock::now()),
                    Ok(Done::Fetch(broker, answer)) => self.fetch_answered(broker, answer, clock::now()),
                    // Only what is aborted or panics ends so: the first does not happen, the second ends the process.
                    Err(_) => {}
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    fn ask_metadata(&mut self) {
        self.metadata.asked();
        let (client, wanted) = (self.client.clone(), self.topics.wanted());
        self.under_way.spawn(async move { Done::Metadata(client.metadata(wanted).await) });
    }

    fn metadata_answered(&mut self, answer: Result<Arc<ClusterMetadata>, Error>, now: Moment) {
        let metadata = match answer {
            Ok(metadata) => metadata,
            Err(error) => {
                self.metadata.failed(failure_of(&error), now);
                self.trouble(TroublePlace::Metadata, TroubleReason::Request(error));
                return;
            }
        };
        self.recovered(TroublePlace::Metadata);
        let changed = self.topics.learn(&metadata);
        self.metadata.answered(changed, now);
        if self.topics.is_incomplete() {
            self.metadata.is_urgent();
        }
        if changed {
            self.turns.forget_strangers(&self.topics);
            let ended = self.troubles.end_where(|place| match place {
                TroublePlace::Metadata => false,
                TroublePlace::Broker(id) => !self.topics.leaders().contains(id),
                TroublePlace::Partition(partition) => self.topics.place_of(partition).is_none(),
            });
            self.ready.extend(ended.into_iter().map(ReaderEvent::Recovered));
            self.ready.push_back(ReaderEvent::Topics(self.topics.found()));
        }
        for partition in self.topics.leaderless() {
            let reason = TroubleReason::Kafka(KafkaError::LEADER_NOT_AVAILABLE);
            self.trouble(TroublePlace::Partition(partition), reason);
        }
    }

    fn fetch_answered(&mut self, broker: i32, answer: Result<Vec<Answered>, Error>, now: Moment) {
        let before = self.ready.len();
        match answer {
            Ok(answers) => {
                self.turns.broker_answered(broker);
                self.recovered(TroublePlace::Broker(broker));
                for answered in answers {
                    self.partition_answered(broker, answered, now);
                }
            }
            Err(error) => {
                self.turns.broker_failed(broker, failure_of(&error), now);
                self.metadata.is_urgent();
                // One that leads nothing any more is no trouble.
                if self.topics.leaders().contains(&broker) {
                    self.trouble(TroublePlace::Broker(broker), TroubleReason::Request(error));
                }
            }
        }
        if self.ready.len() == before {
            // The broker is idle now, and nobody would notice.
            self.ready.push_back(ReaderEvent::TryAgain);
        }
    }

    fn partition_answered(&mut self, broker: i32, answered: Answered, now: Moment) {
        let Answered { wanted, outcome } = answered;
        let still_asked = self
            .topics
            .place_of(&wanted.topic_partition)
            .is_some_and(|place| place.leader == Some(broker) && place.topic_id == wanted.topic_id);
        if !still_asked {
            // Led by another broker now, which may have been asked already; or the records of a deleted topic.
            return;
        }
        let partition = wanted.topic_partition;
        let place = TroublePlace::Partition(partition.clone());
        let mut failed =
            |failure, longest| self.turns.partition_failed(&partition, wanted.position, failure, longest, now);
        match outcome {
            Outcome::Read { parsed, high_watermark, log_start } => {
                self.turns.partition_answered(&partition, !parsed.records.is_empty());
                self.recovered(place);
                self.ready.push_back(ReaderEvent::Fetched(FetchedRecords {
                    broker,
                    partition,
                    asked_from: wanted.position,
                    records: parsed.records,
                    next: Position(parsed.next),
                    high_watermark,
                    log_start,
                    leader_epoch: wanted.leader_epoch,
                }));
            }
            Outcome::OutOfRange { log_start, high_watermark } => {
                failed(Failure::Passing, REFUSED);
                let asked_from = wanted.position;
                self.ready.push_back(ReaderEvent::OutOfRange { partition, asked_from, log_start, high_watermark });
            }
            Outcome::Refused(error) => self.refused(&partition, wanted.position, error, now),
            Outcome::Unreadable(error) => {
                failed(Failure::Passing, REFUSED);
                self.trouble(place, TroubleReason::Records(error));
            }
            Outcome::CutBatch(size) => {
                failed(Failure::Passing, REFUSED);
                self.trouble(place, TroubleReason::CutBatch(size));
            }
            Outcome::LeftOut => {
                failed(Failure::Passing, LONGEST_MOVE_PAUSE);
                self.metadata.is_urgent();
            }
        }
    }

    fn refused(&mut self, partition: &TopicPartition, position: Position, error: KafkaError, now: Moment) {
        let failure = if error.is_refusal() { Failure::Refused } else { Failure::Passing };
        let longest = if error.needs_metadata() { LONGEST_MOVE_PAUSE } else { REFUSED };
        let failures = self.turns.partition_failed(partition, position, failure, longest, now);
        if error.needs_metadata() {
            self.metadata.is_urgent();
        }
        if !error.needs_metadata() || failures >= MOVES_UNTIL_SAID {
            self.trouble(TroublePlace::Partition(partition.clone()), TroubleReason::Kafka(error));
        }
    }

    fn trouble(&mut self, place: TroublePlace, reason: TroubleReason) {
        let said = self.troubles.begin(place, reason);
        self.ready.extend(said.map(ReaderEvent::Trouble));
    }

    fn recovered(&mut self, place: TroublePlace) {
        if self.troubles.end(&place) {
            self.ready.push_back(ReaderEvent::Recovered(place));
        }
    }
}

fn failure_of(error: &Error) -> Failure {
    if error.is_permanent() { Failure::Refused } else { Failure::Passing }
}

/// Never, where there is nothing to wake up for.
async fn sleep_until(moment: Option<Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock::instant(moment)).await,
        None => std::future::pending().await,
    }
}
