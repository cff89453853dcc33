//! What was received: counts, a JSON line a request, and what is printed. Knows nothing of HTTP's workings.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;

use barnabas::clock;
use barnabas::logic::moment::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Lines that `GET /_log` can still give; the log file has them all.
const LINES_IN_MEMORY: usize = 10_000;

/// What is kept of a request besides its count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// A line for every request.
    pub(crate) single_requests: bool,
    /// With its headers.
    pub(crate) headers: bool,
    /// Print it, too.
    pub(crate) print: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// With an answer.
    Answered,
    /// Not at all.
    Hung,
    /// The connection was cut before the request was taken.
    CutBefore,
    /// The connection was cut after the request was taken.
    CutAfter,
    /// The connection was cut in the middle of the answer.
    CutDuring,
}

/// A request and its end. Written when the end is decided, before the other side can know of it.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Counts requests in the order of their arrival, from 1.
    pub(crate) n: u64,
    /// When its head had come, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// When its end was decided.
    pub(crate) ended_ms: i64,
    pub(crate) idempotency_key: String,
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<BTreeMap<String, String>>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    /// JSON, or a string where it is none.
    pub(crate) body: Value,
}

/// What `GET /_stats` gives.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Stats {
    pub(crate) requests: u64,
    pub(crate) connections: u64,
    pub(crate) body_bytes: u64,
    pub(crate) by_status: BTreeMap<u16, u64>,
    pub(crate) without_answer: u64,
    pub(crate) concurrent: u64,
    pub(crate) max_concurrent: u64,
    pub(crate) distinct_keys: usize,
    /// When the first request came and when the last one ended, in milliseconds since 1970.
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

/// The record so far.
#[derive(Debug)]
pub(crate) struct Record {
    keep: Keep,
    stats: Stats,
    /// Hashes: a benchmark has many keys, and nobody asks which they were.
    keys: HashSet<u64>,
    hasher: RandomState,
    log: Option<File>,
    recent: VecDeque<String>,
}

impl Record {
    /// Appends to the file `log`, if there is one.
    pub(crate) fn new(keep: Keep, log: Option<&Path>) -> io::Result<Self> {
        let log = log.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Self {
            keep,
            stats: Stats::default(),
            keys: HashSet::new(),
            hasher: RandomState::new(),
            log,
            recent: VecDeque::new(),
        })
    }

    pub(crate) fn keep(&self) -> Keep {
        self.keep
    }

    pub(crate) fn connected(&mut self) {
        self.stats.connections += 1;
    }

    /// A request's head has come; gives its number.
    pub(crate) fn began(&mut self) -> u64 {
        if self.stats.requests == 0 {
            self.stats.first_ms = now_ms();
        }
        self.stats.requests += 1;
        self.stats.concurrent += 1;
        self.stats.max_concurrent = self.stats.max_concurrent.max(self.stats.concurrent);
        self.stats.requests
    }

    /// Its body has come.
    pub(crate) fn took(&mut self, key: &str, body_length: usize) {
        self.stats.body_bytes += body_length as u64;
        if !key.is_empty() {
            self.keys.insert(self.hasher.hash_one(key));
        }
    }

    /// It was answered; none: it was not.
    pub(crate) fn counted(&mut self, status: Option<u16>) {
        match status {
            Some(status) => *self.stats.by_status.entry(status).or_default() += 1,
            None => self.stats.without_answer += 1,
        }
    }

    /// It is over, whoever ended it.
    pub(crate) fn ended(&mut self) {
        self.stats.concurrent -= 1;
        self.stats.last_ms = now_ms();
    }

    /// Keeps `line` in memory and in the file, and prints it.
    pub(crate) fn line(&mut self, line: &Line) {
        if self.keep.print {
            print(line);
        }
        let text = serde_json::to_string(line).unwrap_or_default();
        if let Some(log) = &mut self.log
            && let Err(error) = log.write_all(format!("{text}\n").as_bytes())
        {
            eprintln!("webhook-receiver: log: {error}");
        }
        if self.recent.len() == LINES_IN_MEMORY {
            self.recent.pop_front();
        }
        self.recent.push_back(text);
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats { distinct_keys: self.keys.len(), ..self.stats.clone() }
    }

    /// The last lines, oldest first.
    pub(crate) fn recent(&self) -> String {
        self.recent.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

/// The wall clock in milliseconds, so that lines of different processes can be compared.
pub(crate) fn now_ms() -> i64 {
    let Timestamp(ms) = clock::wall_clock();
    ms
}

fn print(line: &Line) {
    let end = match line.status {
        Some(status) => status.to_string(),
        None => format!("{:?}", line.outcome),
    };
    let body = serde_json::to_string_pretty(&line.body).unwrap_or_default();
    // A closed pipe ends the printing, not the receiver.
    let _ = writeln!(
        io::stdout(),
        "#{} {} {} -> {end}   {}\n{body}\n",
        line.n,
        line.method,
        line.path,
        line.idempotency_key
    );
}
