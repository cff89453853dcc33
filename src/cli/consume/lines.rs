//! Lines of records: the value, JSON, or what a jq program makes of it. Counts what is shown, and stops when it is
//! enough. Knows no broker, and writes nothing itself.

use std::fmt;

use crate::logic::jq::{Limits, Program, STACK_SIZE, Val, json};
use crate::logic::printable::{printable_bytes, printable_json};
use crate::logic::record::{Record, TopicPartition};
use crate::logic::record_json::{RecordJson, jq_whole};

/// What a line has of a record.
#[derive(Debug)]
pub(super) enum Shape {
    /// The value's bytes; `null` for a tombstone, as Kafka's own consumer says it.
    Value,
    /// The whole record.
    Json,
    /// Each output of the program, which gets the whole record.
    Jq {
        program: Program,
        /// A string is shown without its quotes, as it is.
        bare_strings: bool,
    },
}

/// Makes lines until enough records were shown.
#[derive(Debug)]
pub(super) struct Lines {
    shape: Shape,
    terminal: bool,
    /// How many records more; none: all.
    left: Option<u64>,
}

/// A record that the program failed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) offset: i64,
    pub(super) reason: String,
}

/// A program's failure that is not the record's: the thread for it could not be started.
#[derive(Debug)]
pub(super) struct NoThread(std::io::Error);

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no thread for the jq program: {}", self.0)
    }
}

impl Lines {
    pub(super) fn new(shape: Shape, terminal: bool, count: Option<u64>) -> Self {
        Self { shape, terminal, left: count }
    }

    /// As many records were shown as were wanted.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Adds the lines of `records` to `text`, as far as they are still wanted; gives those that the program failed on.
    pub(super) fn add(
        &mut self,
        source: &TopicPartition,
        records: &[Record],
        text: &mut Vec<u8>,
    ) -> Result<Vec<Unfit>, NoThread> {
        if !matches!(self.shape, Shape::Jq { .. }) {
            return Ok(self.add_here(source, records, text));
        }
        // Programs need more stack than a main thread has for certain.
        std::thread::scope(|scope| {
            let program = std::thread::Builder::new().stack_size(STACK_SIZE);
            let thread = program.spawn_scoped(scope, || self.add_here(source, records, text)).map_err(NoThread)?;
            thread.join().map_err(|_| NoThread(std::io::Error::other("it panicked")))
        })
    }

    fn add_here(&mut self, source: &TopicPartition, records: &[Record], text: &mut Vec<u8>) -> Vec<Unfit> {
        let mut unfit = Vec::new();
        for record in records {
            if self.is_done() {
                break;
            }
            let before = text.len();
            if let Err(reason) = self.add_record(source, record, text) {
                text.truncate(before);
                unfit.push(Unfit { offset: record.offset, reason });
            } else if text.len() > before
                && let Some(left) = &mut self.left
            {
                *left = left.saturating_sub(1);
            }
        }
        unfit
    }

    fn add_record(&self, source: &TopicPartition, record: &Record, text: &mut Vec<u8>) -> Result<(), String> {
        match &self.shape {
            Shape::Value => {
                self.add_bytes(record.value.as_deref().unwrap_or(b"null"), text);
            }
            Shape::Json if self.terminal => {
                let json = serde_json::to_string(&RecordJson(source, record)).map_err(|error| error.to_string())?;
                text.extend_from_slice(printable_json(&json).as_bytes());
                text.push(b'\n');
            }
            Shape::Json => {
                serde_json::to_writer(&mut *text, &RecordJson(source, record)).map_err(|error| error.to_string())?;
                text.push(b'\n');
            }
            Shape::Jq { program, bare_strings } => {
                let limits = Limits::for_records_of(record.held_bytes());
                for output in program.run(jq_whole(source, record), Val::Null, &limits)? {
                    match &output {
                        Val::TStr(string) if *bare_strings => self.add_bytes(string, text),
                        output => self.add_json(&json::write(output, limits.output_bytes)?, text),
                    }
                }
            }
        }
        Ok(())
    }

    fn add_bytes(&self, bytes: &[u8], text: &mut Vec<u8>) {
        if self.terminal {
            text.extend_from_slice(printable_bytes(bytes).as_bytes());
        } else {
            text.extend_from_slice(bytes);
        }
        text.push(b'\n');
    }

    fn add_json(&self, json: &[u8], text: &mut Vec<u8>) {
        match std::str::from_utf8(json) {
            Ok(json) if self.terminal => text.extend_from_slice(printable_json(json).as_bytes()),
            _ => text.extend_from_slice(json),
        }
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, value: Option<&[u8]>) -> Record {
        let value = value.map(<[u8]>::to_vec);
        Record { offset, timestamp: 5, key: None, value, headers: Vec::new(), truncated_from: None }
    }

    fn shown(mut lines: Lines, records: &[Record]) -> (String, Vec<Unfit>) {
        let mut text = Vec::new();
        let unfit = lines.add(&TopicPartition::new("t", 1), records, &mut text).expect("a thread");
        (String::from_utf8_lossy(&text).into_owned(), unfit)
    }

    fn values(values: &[Option<&[u8]>]) -> Vec<Record> {
        values.iter().zip(0..).map(|(value, offset)| record(offset, *value)).collect()
    }

    fn jq(source: &str, bare_strings: bool) -> Shape {
        Shape::Jq { program: Program::compile(source, None).expect("a program"), bare_strings }
    }

    #[test]
    fn values_are_lines() {
        let records = values(&[Some(b"a"), None, Some(b""), Some(b"\xff\x1b[2J\n")]);
        let (text, _) = shown(Lines::new(Shape::Value, true, None), &records);
        assert_eq!(text, "a\nnull\n\n\u{fffd}\\x1b[2J\\n\n", "safe on a terminal");
        let mut bytes = Vec::new();
        Lines::new(Shape::Value, false, None).add(&TopicPartition::new("t", 1), &records, &mut bytes).expect("added");
        assert_eq!(bytes, b"a\nnull\n\n\xff\x1b[2J\n\n", "byte by byte elsewhere");
    }

    #[test]
    fn json_is_safe_on_a_terminal_too() {
        let records = values(&[Some("\u{9b}2J".as_bytes())]);
        let (text, _) = shown(Lines::new(Shape::Json, true, None), &records);
        let rest = r#""partition":1,"offset":0,"timestamp":5,"key":null,"value":"\u009b2J","headers":[]}"#;
        assert_eq!(text, format!("{{\"topic\":\"t\",{rest}\n"));
    }

    #[test]
    fn a_program_gets_the_record_and_each_output_is_a_line() {
        let records = values(&[Some(b"{\"a\":1}"), Some(b"x"), None]);
        let (text, unfit) = shown(Lines::new(jq(".offset, .value", false), false, None), &records);
        assert_eq!(text, "0\n\"{\\\"a\\\":1}\"\n1\n\"x\"\n2\nnull\n");
        assert_eq!(unfit, []);
        let (text, _) = shown(Lines::new(jq(".offset, .value", true), false, None), &records);
        assert_eq!(text, "0\n{\"a\":1}\n1\nx\n2\nnull\n", "bare strings");
    }

    #[test]
    fn a_record_that_the_program_fails_on_shows_nothing_and_stops_no_other() {
        let records = values(&[Some(b"1"), Some(b"x"), Some(b"3")]);
        let (text, unfit) = shown(Lines::new(jq(".offset, (.value | fromjson)", false), false, None), &records);
        assert_eq!(text, "0\n1\n2\n3\n");
        assert_eq!(unfit.iter().map(|unfit| unfit.offset).collect::<Vec<_>>(), [1]);
        assert!(!unfit[0].reason.is_empty());
    }

    #[test]
    fn as_many_records_are_shown_as_are_wanted() {
        let records = values(&[Some(b"a"), Some(b"b"), Some(b"c"), Some(b"d")]);
        assert_eq!(shown(Lines::new(Shape::Value, false, Some(2)), &records).0, "a\nb\n");
        let odd = "select(.offset % 2 == 1) | .value, .offset";
        let (text, _) = shown(Lines::new(jq(odd, true), false, Some(2)), &records);
        assert_eq!(text, "b\n1\nd\n3\n", "those that the program shows something of");
        assert!(Lines::new(Shape::Value, false, Some(0)).is_done());
    }
}
