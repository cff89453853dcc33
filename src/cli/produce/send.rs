//! Round after round: what lines there are is written at once and reported. An interrupt ends it after the round that is
//! under way, so that what was written is reported, too.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::LineRecord;
use super::lines::{Line, read_in_background};
use super::report::Reports;
use super::writer::{Delivery, TopicWriter};
use crate::cli::failure::Failure;
use crate::cli::output::remark;
use crate::clock;
use crate::kafka::metadata::TopicsWanted;
use crate::kafka::producer::NewRecord;
use crate::kafka::wire::Client;

/// Bytes of a line; no broker takes as much unless it was told to.
const LONGEST_LINE: usize = 16 * 1024 * 1024;
/// Lines and bytes that are written before they are reported, more or less: chunks come whole.
const ROUND_LINES: usize = 4_000;
const ROUND_BYTES: usize = 4 * 1024 * 1024;

/// Sends the lines of standard input until they end, somebody interrupts, or no partition can be written to any more.
pub(super) async fn send_lines(
    cluster: &Client,
    mut writer: TopicWriter,
    separator: Option<char>,
    mut reports: Reports<'_, '_>,
) -> Result<(), Failure> {
    let mut interrupts = Interrupts { signal: signal(SignalKind::interrupt()).map_err(Failure::failed)?, seen: false };
    let lines = read_in_background(io::stdin(), LONGEST_LINE).map_err(Failure::failed)?;
    let mut rounds = Rounds { lines, error: None };
    let mut closed = 0;
    let stopped = loop {
        let round = tokio::select! {
            biased;
            () = interrupts.next() => break Some("interrupted".to_owned()),
            round = rounds.next() => round,
        };
        let Some(round) = round else { break rounds.error.map(|error| format!("standard input: {error}")) };
        reports.add(interrupts.finish(write(&mut writer, round, separator)).await?)?;
        if interrupts.seen {
            break Some("interrupted".to_owned());
        }
        if writer.is_closed() {
            break Some("no partition can be written to any more".to_owned());
        }
        // One broker that is down leaves the others' partitions; a cluster that is down would cost each of them its limit.
        if writer.closed() > closed {
            closed = writer.closed();
            if let Err(error) = cluster.metadata(TopicsWanted::NoTopics).await {
                break Some(error.to_string());
            }
        }
    };
    reports.end(stopped)
}

/// Writes the lines that can become records, and says of each what became of it.
async fn write(writer: &mut TopicWriter, round: Vec<Line>, separator: Option<char>) -> Vec<Delivery> {
    let too_long: Vec<bool> = round.iter().map(Line::is_cut).collect();
    let timestamp = clock::wall_clock();
    let whole = round.into_iter().filter(|line| !line.is_cut());
    let records = whole.map(|line| {
        let LineRecord { key, value } = LineRecord::parse(&line.content, separator);
        NewRecord { key, value: Some(value), headers: Vec::new(), timestamp }
    });
    let mut written = writer.write(records.collect()).await.into_iter();
    let delivery = |too_long| match too_long {
        true => Err(format!("longer than {LONGEST_LINE} bytes")),
        false => written.next().unwrap_or_else(|| Err("it was not sent".to_owned())),
    };
    too_long.into_iter().map(delivery).collect()
}

/// The lines in portions: all that are there, up to a limit.
struct Rounds {
    lines: mpsc::Receiver<io::Result<Vec<Line>>>,
    /// Why there are no more, where it is not the end of the input.
    error: Option<io::Error>,
}

impl Rounds {
    /// None: there are no more. Nothing is lost when this is dropped while it waits.
    async fn next(&mut self) -> Option<Vec<Line>> {
        if self.error.is_some() {
            return None;
        }
        let first = self.lines.recv().await?;
        let mut round = self.chunk(first)?;
        let size = |round: &[Line]| round.iter().map(|line| line.content.len()).sum::<usize>();
        while round.len() < ROUND_LINES && size(&round) < ROUND_BYTES {
            let Ok(next) = self.lines.try_recv() else { break };
            let Some(chunk) = self.chunk(next) else { break };
            round.extend(chunk);
        }
        Some(round)
    }

    fn chunk(&mut self, received: io::Result<Vec<Line>>) -> Option<Vec<Line>> {
        received.map_err(|error| self.error = Some(error)).ok()
    }
}

/// Ctrl-C, and whether it was pressed.
struct Interrupts {
    signal: Signal,
    seen: bool,
}

impl Interrupts {
    async fn next(&mut self) {
        // None: there is no more of this signal.
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for `work`; the first interrupt is kept in mind, the second one ends it.
    async fn finish<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = self.next() => {}
            }
            if self.seen {
                let message = "interrupted while records were under way: they may or may not have been written";
                return Err(Failure::failed(message));
            }
            self.seen = true;
            remark("what is under way is finished first; interrupt again to leave it");
        }
    }
}
