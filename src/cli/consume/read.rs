//! Round after round: what the brokers send is written at once. Ends when every partition has come to its end, enough
//! was shown, somebody interrupts, or reading gets nowhere. Where reading begins and ends is decided before.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::lines::{Lines, Unfit};
use crate::cli::cluster;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, remark};
use crate::clock;
use crate::kafka::reader::{FetchedRecords, Reader, ReaderEvent, ReaderTrouble, TopicsFound, TroubleReason};
use crate::kafka::wire::Client;
use crate::logic::moment::Moment;
use crate::logic::offset_tracker::Position;
use crate::logic::printable::printable;
use crate::logic::record::{Record, TopicPartition};
use crate::logic::topic_pattern::TopicPattern;

/// Records held at once, in bytes: enough for a large answer of small records, which cost more to hold than to send.
const ROOM: usize = 32 << 20;
/// Beyond this a record is cut.
const MAX_RECORD_SIZE: usize = 64 << 20;
/// Records whose lines are made before they are written.
const PORTION: usize = 1 << 20;
/// Brokers in trouble are waited for so long, unless we follow.
const PATIENCE: Duration = Duration::from_secs(30);
/// Records that a program fails on are named up to this many; the others are counted.
const UNFIT_NAMED: u64 = 10;

/// Where reading ends.
#[derive(Debug)]
pub(super) enum Ends {
    /// It follows what comes.
    Never,
    /// Before these offsets.
    At(LiteMap<TopicPartition, i64>),
}

impl Ends {
    fn of(&self, partition: &TopicPartition) -> i64 {
        match self {
            Self::Never => i64::MAX,
            Self::At(ends) => ends.get(partition).copied().unwrap_or(0),
        }
    }
}

/// Reads a topic.
#[derive(Debug)]
pub(super) struct Reading {
    reader: Reader,
    servers: String,
    topic: Arc<str>,
    /// The only partition that is wanted.
    only: Option<i32>,
    positions: LiteMap<TopicPartition, Position>,
    ends: Ends,
    /// What hinders reading, since when.
    trouble: Option<(Moment, String)>,
    /// Records that the program failed on.
    unfit: u64,
    interrupts: Signal,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Read,
    Stop,
}

impl Reading {
    /// Begins at `begins`. Must be called within a runtime.
    pub(super) fn new(
        client: Client,
        topic: &str,
        only: Option<i32>,
        begins: LiteMap<TopicPartition, Position>,
        ends: Ends,
    ) -> Result<Self, Failure> {
        let servers = cluster::servers(&client);
        let pattern = TopicPattern::Name(topic.to_owned());
        Ok(Self {
            reader: Reader::new(client, vec![pattern], MAX_RECORD_SIZE),
            servers,
            topic: Arc::from(topic),
            only,
            positions: begins,
            ends,
            trouble: None,
            unfit: 0,
            interrupts: signal(SignalKind::interrupt()).map_err(Failure::failed)?,
        })
    }

    /// Writes what there is; what was written stays written, however it ends.
    pub(super) async fn run(mut self, mut lines: Lines, output: &mut Output<'_>) -> Result<(), Failure> {
        while !lines.is_done() {
            let wanted = self.wanted();
            if wanted.is_empty() {
                break;
            }
            self.reader.start_fetches(&wanted, ROOM, clock::now());
            let patience_ends = self.patience_ends();
            let event = tokio::select! {
                biased;
                _ = self.interrupts.recv() => return self.interrupted(),
                event = self.reader.next() => event,
                () = sleep_until(patience_ends) => return Err(self.gets_nowhere()),
            };
            if self.take(event, &mut lines, output).await? == Next::Stop {
                break;
            }
        }
        match self.unfit {
            0 => Ok(()),
            1 => Err(Failure::failed("the jq program failed on one record")),
            count => Err(Failure::failed(format!("the jq program failed on {count} records"))),
        }
    }

    /// The partitions that have not come to their ends.
    fn wanted(&self) -> Vec<(TopicPartition, Position)> {
        let unfinished = self.positions.iter().filter(|(name, position)| position.0 < self.ends.of(name));
        unfinished.map(|(name, position)| (name.clone(), *position)).collect()
    }

    async fn take(&mut self, event: ReaderEvent, lines: &mut Lines, output: &mut Output<'_>) -> Result<Next, Failure> {
        match event {
            ReaderEvent::Fetched(fetched) => return self.fetched(fetched, lines, output).await,
            ReaderEvent::Topics(found) => self.found(&found)?,
            ReaderEvent::OutOfRange { partition, asked_from, log_start, .. } => {
                remark(&format!(
                    "{partition}: {asked_from} is not in the log any more; it goes on at {log_start}",
                    asked_from = asked_from.0
                ));
                self.positions.insert(partition, Position(log_start));
            }
            ReaderEvent::Trouble(trouble) => self.in_trouble(&trouble)?,
            ReaderEvent::Recovered(_) => self.trouble = None,
            ReaderEvent::TryAgain => {}
        }
        Ok(Next::Read)
    }

    async fn fetched(
        &mut self,
        fetched: FetchedRecords,
        lines: &mut Lines,
        output: &mut Output<'_>,
    ) -> Result<Next, Failure> {
        let end = self.ends.of(&fetched.partition);
        self.positions.insert(fetched.partition.clone(), fetched.next);
        if !fetched.records.is_empty() {
            self.trouble = None;
        }
        // The brokers get their next requests before the lines are made, so that neither waits for the other.
        self.reader.start_fetches(&self.wanted(), ROOM.saturating_sub(held(&fetched.records)), clock::now());
        tokio::task::yield_now().await;
        let wanted = fetched.records.partition_point(|record| record.offset < end);
        let mut rest = fetched.records.get(..wanted).unwrap_or_default();
        let mut text = Vec::new();
        while !rest.is_empty() && !lines.is_done() {
            let (portion, behind) = rest.split_at(portion(rest));
            let unfit = lines.add(&fetched.partition, portion, &mut text).map_err(Failure::failed)?;
            self.say_unfit(&fetched.partition, &unfit);
            say_cut(&fetched.partition, portion);
            output.bytes(&text)?;
            text.clear();
            rest = behind;
        }
        output.flush()?;
        Ok(if lines.is_done() { Next::Stop } else { Next::Read })
    }

    fn found(&mut self, found: &TopicsFound) -> Result<(), Failure> {
        if let (true, Some((_, error))) = (found.partitions.is_empty(), found.missing.first()) {
            return Err(Failure::failed(format!("topic {} at {} is gone: {error}", self.topic, self.servers)));
        }
        if matches!(self.ends, Ends::Never) {
            // Partitions that were added are read from their beginning.
            let wanted = |name: &&TopicPartition| self.only.is_none_or(|only| only == name.partition);
            let names: Vec<_> = found.partitions.iter().map(|it| &it.topic_partition).filter(wanted).cloned().collect();
            for name in names {
                self.positions.entry(name).or_insert(Position(0));
            }
        }
        Ok(())
    }

    /// What only a person can mend ends it; the rest may pass.
    fn in_trouble(&mut self, trouble: &ReaderTrouble) -> Result<(), Failure> {
        match &trouble.reason {
            TroubleReason::Records(error) => {
                let behind = error.offset.saturating_add(1);
                return Err(Failure::failed(format!(
                    "{error}; read on behind it with --from {behind} and its --partition"
                )));
            }
            _ if trouble.is_permanent() => return Err(Failure::failed(trouble)),
            _ => {}
        }
        let text = trouble.to_string();
        remark(&format!("{} (it is tried again)", printable(&text)));
        let since = self.trouble.take().map_or_else(clock::now, |(since, _)| since);
        self.trouble = Some((since, text));
        Ok(())
    }

    fn patience_ends(&self) -> Option<Moment> {
        match (&self.ends, &self.trouble) {
            (Ends::At(_), Some((since, _))) => Some(*since + PATIENCE),
            _ => None,
        }
    }

    fn gets_nowhere(&self) -> Failure {
        let text = self.trouble.as_ref().map_or("", |(_, text)| text.as_str());
        Failure::failed(format!("nothing came for {PATIENCE:?}: {text}"))
    }

    /// An interrupt is how following ends.
    fn interrupted(&self) -> Result<(), Failure> {
        match self.ends {
            Ends::Never => Ok(()),
            Ends::At(_) => Err(Failure::failed("interrupted before the end of the topic")),
        }
    }

    fn say_unfit(&mut self, partition: &TopicPartition, unfit: &[Unfit]) {
        for Unfit { offset, reason } in unfit {
            self.unfit = self.unfit.saturating_add(1);
            if self.unfit <= UNFIT_NAMED {
                remark(&format!("{partition}, offset {offset}: {}", printable(reason)));
            }
        }
    }
}

fn say_cut(partition: &TopicPartition, records: &[Record]) {
    for record in records {
        if let Some(size) = record.truncated_from {
            remark(&format!("{partition}, offset {}: {size} bytes, of which the beginning is shown", record.offset));
        }
    }
}

fn held(records: &[Record]) -> usize {
    records.iter().map(Record::held_bytes).sum()
}

/// How many of `records` make a portion: one at least.
fn portion(records: &[Record]) -> usize {
    let mut held = 0_usize;
    let fit = records.iter().take_while(|record| {
        held = held.saturating_add(record.held_bytes());
        held <= PORTION
    });
    fit.count().max(1).min(records.len())
}

/// Never, where there is nothing to wake up for.
async fn sleep_until(moment: Option<Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock::instant(moment)).await,
        None => std::future::pending().await,
    }
}
