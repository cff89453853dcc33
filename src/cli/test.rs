//! `barnabas test`: a forward's steps on events from standard input, offline. Request bodies are the data; what becomes
//! of the other events is told beside them.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::Path;

use litemap::LiteMap;
use serde_json::Value;

use super::configuration;
use super::definitions::Test;
use super::failure::Failure;
use super::output::{Output, remark};
use super::produce::{Line, next_line};
use crate::clock;
use crate::config::schema::{ForwardSettings, OnInvalid};
use crate::logic::from_json::{self, from_json};
use crate::logic::outcome::{Answer, Outcome, OutcomeRules, Response};
use crate::logic::prepare::{Prepared, Steps};
use crate::logic::printable::printable;
use crate::logic::record::{Record, TopicPartition};
use crate::programs::{self, Programs};

/// A response file may be a little longer than any response that a daemon reads.
const MAX_RESPONSE_FILE: u64 = 16 << 20;

pub(super) fn test(command: Test, output: &mut Output<'_>) -> Result<(), Failure> {
    let loaded = configuration::load(command.config.as_deref())?;
    let forward = configuration::forward(&loaded.config, command.forward.as_deref())?;
    let Programs { steps, outcomes } = programs::compile(&loaded, forward)?;
    let answer = command.response.as_deref().map(|path| judge(&outcomes, path)).transpose()?;
    let mut input = io::stdin().lock();
    let tally = run_steps(&steps, forward, answer.as_ref(), &mut input, output)?;
    if let Some(answer) = &answer {
        remark(&format!("the response means: {}", meaning(answer)));
    }
    remark(&tally.to_string());
    Ok(())
}

/// What became of the events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    events: u64,
    ready: u64,
    filtered: u64,
    invalid: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, ready, filtered, invalid } = self;
        write!(f, "{events} events: {ready} to send, {filtered} filtered, {invalid} invalid")
    }
}

/// Each line of `input` through the steps: its bodies to `output`, a line each; why there is none to standard error.
fn run_steps(
    steps: &Steps,
    forward: &ForwardSettings,
    answer: Option<&Answer>,
    input: &mut impl BufRead,
    output: &mut Output<'_>,
) -> Result<Tally, Failure> {
    let source = TopicPartition::new(forward.topics.first().map_or("test", String::as_str), 0);
    let mut tally = Tally::default();
    let mut offset = 0;
    while let Some(line) = next_line(input, forward.max_record_size).map_err(Failure::failed)? {
        let event = steps.prepare(&source, &record(line, offset));
        offset += 1;
        tally.events += 1;
        let name = event.event_id.map(|id| format!(" ({})", printable(&id))).unwrap_or_default();
        match event.prepared {
            Prepared::Filtered => {
                tally.filtered += 1;
                remark(&format!("line {offset}{name}: filtered"));
            }
            Prepared::Invalid(reason) => {
                tally.invalid += 1;
                let fate = match forward.on_invalid {
                    OnInvalid::DeadLetter => "dead letter",
                    OnInvalid::Skip => "skipped",
                };
                remark(&format!("line {offset}{name}: invalid, {fate}: {}", printable(&reason)));
            }
            Prepared::Ready { bodies, .. } => {
                tally.ready += 1;
                for body in &bodies {
                    output.bytes(body)?;
                    output.text("\n")?;
                }
                if let Some(answer) = answer {
                    remark(&format!("line {offset}{name}: {}", outcome_name(answer.outcome)));
                }
            }
        }
    }
    Ok(tally)
}

/// A line as the record that a topic would hold; an empty one is a tombstone, and one too large was cut, as the reader
/// does.
fn record(line: Line, offset: i64) -> Record {
    Record {
        offset,
        timestamp: clock::wall_clock().0,
        key: None,
        truncated_from: line.is_cut().then_some(line.length),
        value: Some(line.content).filter(|content| !content.is_empty()),
        headers: Vec::new(),
    }
}

/// `{ status, headers, body }` as a person writes it down: a body that is a string is text, anything else JSON.
#[derive(Debug)]
struct ResponseFile {
    status: u16,
    headers: LiteMap<String, Value>,
    body: Value,
}

from_json!(only ResponseFile { status; headers, body });

/// What the response in the file at `path` would mean.
fn judge(rules: &OutcomeRules, path: &Path) -> Result<Answer, Failure> {
    let unreadable = |error: io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let mut text = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_RESPONSE_FILE).read_to_end(&mut text)).map_err(unreadable)?;
    let response: ResponseFile = from_json::read(&text).map_err(|error| {
        Failure::failed(format!("{} is no response {{status, headers, body}}: {error}", path.display()))
    })?;
    Ok(response.judge(rules))
}

impl ResponseFile {
    fn judge(self, rules: &OutcomeRules) -> Answer {
        let plain = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let headers: Vec<(String, String)> =
            self.headers.into_iter().map(|(name, value)| (name, plain(value))).collect();
        let body = plain(self.body);
        rules.judge(&Response { status: self.status, headers: &headers, body: body.as_bytes() }, clock::wall_clock())
    }
}

fn meaning(answer: &Answer) -> String {
    match answer.retry_after {
        Some(pause) => format!("{}, not before {} s", outcome_name(answer.outcome), pause.as_secs()),
        None => outcome_name(answer.outcome).to_owned(),
    }
}

/// As the configuration spells it.
fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Retry => "retry",
        Outcome::DeadLetter => "dead-letter",
        Outcome::Drop => "drop",
        Outcome::Suspend => "suspend",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::outcome::OutcomeRule;

    #[track_caller]
    fn check(rule: &str, response: &str, expected: &str) {
        let rules = [OutcomeRule { when: ".body.code == 0".into(), then: Outcome::Delivered, log: None }];
        let rules = OutcomeRules::compile(&rules).expect("rules");
        let response: ResponseFile = from_json::read(response.as_bytes()).expect("a response");
        assert_eq!(meaning(&response.judge(&rules)), expected, "{rule}");
    }

    #[test]
    fn responses() {
        check("a rule decides", r#"{"status": 200, "body": {"code": 0}}"#, "delivered");
        check("a body as the text that it is on the wire", r#"{"status": 200, "body": "{\"code\": 0}"}"#, "delivered");
        check("where there are rules, 2xx alone is not enough", r#"{"status": 200}"#, "retry");
        check("the endpoint is broken", r#"{"status": 401}"#, "suspend");
        check(
            "it wants to be left alone",
            r#"{"status": 429, "headers": {"Retry-After": 7}}"#,
            "retry, not before 7 s",
        );
    }

    #[test]
    fn a_line_is_a_record_as_the_reader_would_give_it() {
        assert_eq!(record(Line::default(), 0).value, None);
        let large = record(Line { content: vec![b'x'; 10], length: 11 }, 3);
        assert_eq!((large.value.map(|value| value.len()), large.truncated_from, large.offset), (Some(10), Some(11), 3));
    }
}
