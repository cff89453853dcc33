//! What became of each line, on standard output in the order of the lines, and of all of them, at the end.

use serde::Serialize;

use super::writer::Delivery;
use crate::cli::ask;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::logic::printable::printable;

/// The reports of one run.
pub(super) struct Reports<'a, 'b> {
    topic: &'a str,
    json: bool,
    /// None: nobody reads them any more. The lines are sent nevertheless.
    output: Option<&'a mut Output<'b>>,
    lines: u64,
    failed: u64,
    first_failure: Option<(u64, String)>,
}

/// A report as a JSON line.
#[derive(Serialize)]
#[serde(untagged)]
enum Report<'a> {
    Written { line: u64, topic: &'a str, partition: i32, offset: i64 },
    Failed { line: u64, error: &'a str },
}

impl<'a, 'b> Reports<'a, 'b> {
    pub(super) fn new(topic: &'a str, json: bool, output: &'a mut Output<'b>) -> Self {
        Self { topic, json, output: Some(output), lines: 0, failed: 0, first_failure: None }
    }

    /// What became of the next lines.
    pub(super) fn add(&mut self, deliveries: Vec<Delivery>) -> Result<(), Failure> {
        for delivery in deliveries {
            self.lines = self.lines.saturating_add(1);
            let written = self.write(&delivery);
            self.unless_closed(written)?;
            if let Err(reason) = delivery {
                self.failed = self.failed.saturating_add(1);
                self.first_failure.get_or_insert((self.lines, reason));
            }
        }
        let flushed = self.output.as_mut().map_or(Ok(()), |output| output.flush());
        self.unless_closed(flushed)
    }

    /// How it ended. `stopped`: why not all lines were read.
    pub(super) fn end(self, stopped: Option<String>) -> Result<(), Failure> {
        let Self { topic, lines, failed, .. } = self;
        let mut parts = Vec::new();
        if let Some((line, reason)) = self.first_failure {
            parts.push(format!("{failed} of {lines} lines were not written to {topic}; line {line}: {reason}"));
        }
        if let Some(why) = stopped {
            parts.push(format!("{why}; what follows line {lines} was not sent"));
        }
        if parts.is_empty() { Ok(()) } else { Err(Failure::Failed(parts.join("; "))) }
    }

    fn write(&mut self, delivery: &Delivery) -> Result<(), Failure> {
        let (Some(output), line, topic) = (self.output.as_mut(), self.lines, self.topic) else { return Ok(()) };
        match (delivery, self.json) {
            (Ok((partition, offset)), true) => {
                ask::lines(&[Report::Written { line, topic, partition: *partition, offset: *offset }], output)
            }
            (Err(error), true) => ask::lines(&[Report::Failed { line, error }], output),
            (Ok((partition, offset)), false) => {
                output.text(&format!("line {line} → {}/{partition} {offset}\n", printable(topic)))
            }
            (Err(error), false) => output.text(&format!("line {line} failed: {}\n", printable(error))),
        }
    }

    /// Sending is what this is about: `barnabas produce … | head` sends everything.
    fn unless_closed(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Err(failure) if failure.is_closed_pipe() => {
                self.output = None;
                Ok(())
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};

    fn reported(json: bool) -> (String, Result<(), String>) {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, false);
        let mut reports = Reports::new("event", json, &mut output);
        reports.add(vec![Ok((2, 17)), Err("no\u{1b}".to_owned())]).expect("written");
        reports.add(vec![Ok((0, 3))]).expect("written");
        let ended = reports.end(Some("interrupted".to_owned())).map_err(|failure| failure.to_string());
        (String::from_utf8(bytes).expect("text"), ended)
    }

    #[test]
    fn a_report_for_each_line_and_one_for_all() {
        let (printed, ended) = reported(false);
        assert_eq!(printed, "line 1 → event/2 17\nline 2 failed: no\\x1b\nline 3 → event/0 3\n");
        let expected = "1 of 3 lines were not written to event; line 2: no\\x1b; interrupted; what follows line 3 was not \
                        sent";
        assert_eq!(ended, Err(expected.to_owned()));
        assert_eq!(
            reported(true).0,
            "{\"line\":1,\"topic\":\"event\",\"partition\":2,\"offset\":17}\n\
             {\"line\":2,\"error\":\"no\\u001b\"}\n\
             {\"line\":3,\"topic\":\"event\",\"partition\":0,\"offset\":3}\n"
        );
    }

    #[test]
    fn a_reader_that_left_does_not_end_it() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut closed = Closed;
        let mut output = Output::new(&mut closed, false);
        let mut reports = Reports::new("event", false, &mut output);
        reports.add(vec![Ok((0, 1)), Ok((0, 2))]).expect("no failure");
        assert_eq!(reports.end(None).map_err(|failure| failure.to_string()), Ok(()));
    }
}
