//! A notice in words: its subject, and what a person should read, in parts that plain text, HTML and robots lay out
//! each in their way, so that all of them say the same. Here the plain text, too. Pure.
//!
//! Everything that comes from a cluster is shown without control characters and cut: a group may have any name.

use std::fmt::Write;

use chrono::DateTime;

use super::notice::{Notice, NoticeAlert, Reason};
use super::rule::Severity;
use crate::logic::printable::{cut, printable};

/// Alerts that are told with all they have to say; the others are counted.
const MAX_ENTRIES: usize = 100;

/// Columns of a subject's sentence.
const SUBJECT_WIDTH: usize = 150;

/// Columns of a sentence, a label's value, an address.
const TEXT_WIDTH: usize = 500;

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line that names the worst alert.
    pub subject: String,
    /// How bad the worst of what fires is; none: nothing fires.
    pub worst: Option<Severity>,
    /// What fires, then what is over; those that have nothing are left out.
    pub sections: Vec<Section>,
    /// Who says it, and when.
    pub footer: String,
}

/// Alerts in the same state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// "Firing: 3".
    pub heading: String,
    /// The alerts, the worst first.
    pub entries: Vec<Entry>,
    /// How many more there are than `entries`.
    pub more: usize,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How bad it is, or was.
    pub severity: Severity,
    /// It is over.
    pub over: bool,
    /// The sentence.
    pub summary: String,
    /// Names and what is to be said for each.
    pub facts: Vec<(&'static str, String)>,
    /// Where it is written what to do.
    pub runbook: Option<String>,
}

impl Words {
    /// Puts `notice` into words.
    pub fn new(notice: &Notice) -> Self {
        let (firing, over) = (Section::of(&notice.firing, "Firing"), Section::of(&notice.resolved, "Over"));
        let reason = match notice.reason {
            Reason::Repeat => " This was told before and still holds.",
            Reason::Test => " This is a test that a person asked for.",
            _ => "",
        };
        let more = match notice.more {
            0 => String::new(),
            more => format!("{more} more alerts are not listed here. "),
        };
        Self {
            subject: subject(notice),
            worst: notice.firing.iter().map(|alert| alert.severity).max(),
            sections: [firing, over].into_iter().filter(|section| !section.entries.is_empty()).collect(),
            footer: format!("{more}barnabas, channel {}, {}.{reason}", shown(&notice.channel, 100), date(notice.at)),
        }
    }

    /// The plain text of a mail. Lines end with a line feed.
    pub fn plain(&self) -> String {
        // Writing to a String cannot fail.
        let mut text = String::new();
        for Section { heading, entries, more } in &self.sections {
            let _ = writeln!(text, "{heading}");
            for entry in entries {
                let _ = writeln!(text, "\n* {}: {}", entry.word(), entry.summary);
                for (name, value) in &entry.facts {
                    let _ = writeln!(text, "  {name}: {value}");
                }
                if let Some(runbook) = &entry.runbook {
                    let _ = writeln!(text, "  What to do: {runbook}");
                }
            }
            if *more > 0 {
                let _ = writeln!(text, "\n… and {more} more");
            }
            text.push('\n');
        }
        // What follows this line is a signature to every mail client.
        let _ = writeln!(text, "-- \n{}", self.footer);
        text
    }
}

impl Section {
    fn of(alerts: &[NoticeAlert], heading: &str) -> Self {
        Self {
            heading: format!("{heading}: {}", alerts.len()),
            entries: alerts.iter().take(MAX_ENTRIES).map(Entry::new).collect(),
            more: alerts.len().saturating_sub(MAX_ENTRIES),
        }
    }
}

impl Entry {
    fn new(alert: &NoticeAlert) -> Self {
        let value = shown(&alert.value_text, TEXT_WIDTH);
        let rule = format!("{}: {} {}", alert.name, alert.metric, alert.threshold_text);
        let labels = alert.labels.iter().map(|(name, value)| format!("{name}={}", shown(value, TEXT_WIDTH)));
        let mut facts = Vec::new();
        match alert.ended {
            None => {
                facts.push(("Value", value));
                facts.push(("Since", date(alert.since)));
            }
            Some(ended) => {
                facts.push(("Lasted", duration(ended.saturating_sub(alert.since))));
                facts.push(("From", date(alert.since)));
                facts.push(("To", date(ended)));
                facts.push(("Value now", value));
            }
        }
        facts.push(("Rule", shown(&rule, TEXT_WIDTH)));
        if !alert.labels.is_empty() {
            facts.push(("Labels", labels.collect::<Vec<_>>().join(", ")));
        }
        Self {
            severity: alert.severity,
            over: alert.ended.is_some(),
            summary: shown(&alert.summary, TEXT_WIDTH),
            facts,
            runbook: alert.runbook.as_ref().map(|runbook| shown(runbook, TEXT_WIDTH)),
        }
    }

    /// The word that stands before its sentence.
    pub fn word(&self) -> &'static str {
        if self.over { "over" } else { self.severity.name() }
    }
}

/// `[CRITICAL] broker 1 does not answer, and 2 more`.
fn subject(notice: &Notice) -> String {
    let (tag, told) = match (notice.firing.as_slice(), notice.resolved.as_slice()) {
        ([], over) => ("RESOLVED".to_owned(), over),
        (firing, _) => {
            let worst = firing.iter().map(|alert| alert.severity).max().unwrap_or_default();
            (worst.name().to_uppercase(), firing)
        }
    };
    // The first of the worst: max_by_key would give the last.
    let worst = told.iter().rev().max_by_key(|alert| alert.severity);
    let tag = if notice.reason == Reason::Test { "TEST" } else { &tag };
    let still = if notice.reason == Reason::Repeat { "still: " } else { "" };
    let sentence = worst.map_or_else(|| "nothing fires".to_owned(), |alert| shown(&alert.summary, SUBJECT_WIDTH));
    let more = match told.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let over = match notice.resolved.len() {
        over if over > 0 && !notice.firing.is_empty() => format!(" ({over} over)"),
        _ => String::new(),
    };
    format!("[{tag}] {still}{sentence}{more}{over}")
}

/// Text from outside, fit for one line.
fn shown(text: &str, width: usize) -> String {
    // Twice the width in characters is more than it takes, and bounds the work on a huge text.
    let beginning: String = text.chars().take(width.saturating_mul(2)).collect();
    cut(&printable(beginning.trim()), width).into_owned()
}

/// `2026-11-21 07:00:00 UTC`; `at` in milliseconds since 1970.
fn date(at: i64) -> String {
    match DateTime::from_timestamp_millis(at) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => at.to_string(),
    }
}

/// `3 d 4 h`, `2 min 5 s`, `45 s`: its two greatest units.
fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "less than 1 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
pub(super) mod examples;
#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
