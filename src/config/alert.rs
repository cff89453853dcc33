//! `[[alert]]`: a rule on a metric. Knows the metrics by name, and decides nothing about alerts.

use std::ops::Range;
use std::time::Duration;

use super::cluster::check_name;
use super::duration::parse_duration;
use super::notify::SEVERITIES;
use super::reader::{Figure, Section, Text};
use super::size::parse_size;
use super::suggestion::{closest, hint};
use crate::logic::alert::{Condition, LabelGlob, METRICS, Metric, NoData, Rule, Severity, Source, Unit};
use crate::logic::watch::view::GroupStatus;

/// The longest summary, in characters.
const LONGEST_SUMMARY: usize = 500;
const LONGEST_HOLD: Duration = Duration::from_secs(30 * 24 * 3600);
/// What a summary may name besides labels.
const PLACEHOLDERS: [&str; 4] = ["value", "threshold", "name", "severity"];
/// What kafka_exporter and /metrics call what rules go by.
const ELSEWHERE: [(&str, &str); 6] = [
    ("kafka_brokers", "broker_up"),
    ("kafka_consumergroup_lag", "group_lag"),
    ("kafka_consumergroup_lag_sum", "group_lag"),
    ("kafka_consumergroup_members", "group_members"),
    ("kafka_topic_partition_under_replicated_partition", "partitions_under_replicated"),
    ("kafka_topic_partition_leader", "partitions_offline"),
];

/// The names that a rule may use.
pub(super) struct Known<'a> {
    /// Clusters that are watched.
    pub(super) clusters: &'a [String],
    pub(super) channels: &'a [String],
    pub(super) forwards: Vec<&'a str>,
}

/// Reads all rules, in the order of the file.
pub(super) fn read_alerts(top: &mut Section<'_>, known: &Known<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, mut section) in top.sections("alert").into_iter().enumerate() {
        if index == 0 && known.channels.is_empty() && !section.has("notify") {
            let warning =
                "alerts are shown, and nobody is told: there is no [notify.NAME]; notify = [] says that this is meant";
            section.reading.warning(section.span.start, warning);
        }
        section.require("name", "name = \"topic-backlog\"");
        let name = section.parsed("name", "a string", |name| check_name(name).map(|()| name.to_owned()));
        if let Some(name) = &name {
            if names.contains(name) {
                let hint = Some("alerts are silenced and told of by this name; give each rule its own".to_owned());
                top.reading.problem(section.span_of("name"), "another alert has this name", hint);
            }
            names.push(name.clone());
        }
        rules.extend(read_rule(name.unwrap_or_default(), section, known));
    }
    rules
}

fn read_rule(name: String, mut section: Section<'_>, known: &Known<'_>) -> Option<Rule> {
    let metric = read_metric(&mut section);
    let labels = read_labels(&mut section, metric, known);
    let condition = read_condition(&mut section, metric);
    let clear_at = read_clear_at(&mut section, metric, condition);
    let no_data = [("keep", NoData::Keep), ("fire", NoData::Fire), ("resolve", NoData::Resolve)];
    let rule = Rule {
        name,
        // Where it is wrong, that was noted, and the rule is never used.
        metric: metric.or(METRICS.first().copied())?,
        labels,
        condition: condition.unwrap_or(Condition::Above(0.0)),
        clear_at: clear_at.unwrap_or(0.0),
        hold: section.duration("for", Duration::ZERO..=LONGEST_HOLD).unwrap_or(Duration::ZERO),
        no_data: section.choice("no_data", &no_data).unwrap_or(NoData::Keep),
        severity: section.choice("severity", &SEVERITIES).unwrap_or(Severity::Warning),
        summary: section.parsed("summary", "a string", |summary| check_summary(summary, metric)),
        runbook: section.parsed("runbook", "a string", parse_runbook),
        notify: read_notify(&mut section, known),
    };
    section.finish();
    Some(rule)
}

fn read_metric(section: &mut Section<'_>) -> Option<Metric> {
    section.require("metric", "metric = \"group_lag\"");
    let text = section.any_text("metric")?;
    let metric = Metric::named(&text.value);
    if metric.is_none() {
        let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == text.value).map(|(_, ours)| *ours);
        let hint = match elsewhere {
            Some(ours) => format!("in rules it is `{ours}`"),
            None => match closest(&text.value, METRICS.iter().map(|metric| metric.name)) {
                Some(known) => format!("did you mean \"{known}\"?"),
                None => "docs/configuration.md lists the metrics, under [[alert]]".to_owned(),
            },
        };
        section.problem_at("metric", "there is no such metric", Some(hint));
    }
    metric
}

/// The labels that a metric's series have.
fn labels_of(metric: Metric) -> Vec<&'static str> {
    let cluster = (metric.source == Source::Cluster).then_some("cluster");
    metric.labels.iter().copied().chain(cluster).collect()
}

fn read_labels(section: &mut Section<'_>, metric: Option<Metric>, known: &Known<'_>) -> Vec<LabelGlob> {
    let mut labels = Vec::new();
    for (label, span, text) in section.entries("labels") {
        let problem = |span: Range<usize>, message: String, hint: Option<String>| {
            section.reading.problem(span, format!("`labels` {}: {message}", section.place()), hint);
        };
        if let Some(metric) = metric
            && !labels_of(metric).contains(&label)
        {
            let hint = match labels_of(metric) {
                none if none.is_empty() => Some("it has no labels; remove it".to_owned()),
                some => hint(label, some, "labels"),
            };
            problem(span, format!("{} has no label `{label}`", metric.name), hint);
        }
        check_label_value(label, &text, known, problem);
        labels.push(LabelGlob { label: label.to_owned(), glob: text.value });
    }
    labels
}

/// A value that names something of this file must name something that is there.
fn check_label_value(
    label: &str,
    text: &Text,
    known: &Known<'_>,
    problem: impl Fn(Range<usize>, String, Option<String>),
) {
    let (names, plural): (Vec<&str>, _) = match label {
        "cluster" => (known.clusters.iter().map(String::as_str).collect(), "watched clusters"),
        "forward" => (known.forwards.clone(), "forwards"),
        "channel" => (known.channels.iter().map(String::as_str).collect(), "channels"),
        _ => (Vec::new(), ""),
    };
    let value = text.value.as_str();
    if value.is_empty() {
        problem(text.span.clone(), format!("`{label}` is empty, and matches nothing"), None);
    } else if !plural.is_empty() && !value.contains(['*', '?']) && !names.contains(&value) {
        let message = format!("there is no {label} of this name");
        problem(text.span.clone(), message, hint(value, names, plural));
    }
}

fn read_condition(section: &mut Section<'_>, metric: Option<Metric>) -> Option<Condition> {
    type Make = fn(f64) -> Condition;
    const KINDS: [(&str, Make); 3] =
        [("above", Condition::Above), ("below", Condition::Below), ("at_least", Condition::AtLeast)];
    let given: Vec<&str> = KINDS.iter().map(|(key, _)| *key).filter(|key| section.has(key)).collect();
    match given[..] {
        [] => {
            let message = format!("the threshold is missing {}: `above`, `below` or `at_least`", section.place());
            let example = match metric.map(|metric| metric.unit) {
                Some(Unit::GroupStatus) => "at_least = \"stall\"",
                Some(Unit::Seconds) => "above = \"5m\"",
                Some(Unit::Bytes) => "above = \"10GiB\"",
                Some(Unit::Boolean) => "below = 1",
                _ => "above = 80",
            };
            section.reading.problem(section.span.clone(), message, Some(format!("for example: {example}")));
        }
        [_] => {}
        [first, second, ..] => {
            section.problem_at(second, format!("`{first}` is there, too; keep one of them"), None);
        }
    }
    let mut condition = None;
    for (key, make) in KINDS {
        let figure = section.figure(key);
        let (Some(figure), Some(metric)) = (figure, metric) else { continue };
        match threshold(&figure, metric).and_then(|figure| usable(make(figure), metric)) {
            Ok(made) => condition = condition.or(Some(made)),
            Err(message) => section.problem_at(key, message, None),
        }
    }
    condition
}

/// The number that a threshold is, in the metric's unit.
fn threshold(figure: &Figure, metric: Metric) -> Result<f64, String> {
    let name = metric.name;
    let words =
        || GroupStatus::ALL.iter().map(|status| format!("\"{}\"", status.name())).collect::<Vec<_>>().join(", ");
    match (figure, metric.unit) {
        (Figure::Number(_), Unit::GroupStatus) => Err(format!("a status is given by name: {}", words())),
        (Figure::Number(number), _) if number.is_finite() => Ok(*number),
        (Figure::Number(_), _) => Err("it must be a finite number".to_owned()),
        (Figure::Text(text), Unit::GroupStatus) => match GroupStatus::ALL.iter().find(|status| status.name() == text) {
            Some(status) => Ok(f64::from(status.number())),
            None => {
                let meant = closest(text, GroupStatus::ALL.iter().map(|status| status.name()));
                let meant = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
                Err(format!("a status is one of: {}{meant}", words()))
            }
        },
        (Figure::Text(text), Unit::Seconds) => parse_duration(text)
            .map(|duration| duration.as_secs_f64())
            .map_err(|message| format!("{name} counts seconds: a number of them, or a duration; {message}")),
        (Figure::Text(text), Unit::Bytes | Unit::BytesPerSecond) => parse_size(text)
            .map(|size| size as f64)
            .map_err(|message| format!("{name} counts bytes: a number of them, or a size; {message}")),
        (Figure::Text(_), Unit::Percent) => {
            Err(format!("{name} is in percent: write the number alone, as in 80, without quotes and sign"))
        }
        (Figure::Text(_), Unit::Count | Unit::PerSecond | Unit::Boolean) => {
            Err(format!("{name} is a plain number: write it without quotes"))
        }
    }
}

/// A condition that no figure, or every figure, would meet is a slip.
fn usable(condition: Condition, metric: Metric) -> Result<Condition, String> {
    let never = match (metric.unit, condition) {
        (Unit::Boolean, Condition::Above(figure)) => !(0.0..1.0).contains(&figure),
        (Unit::Boolean, Condition::Below(figure) | Condition::AtLeast(figure)) => !(figure > 0.0 && figure <= 1.0),
        (Unit::GroupStatus, Condition::Above(_) | Condition::Below(_)) => {
            return Err("a status is compared by `at_least`, as in at_least = \"stall\"".to_owned());
        }
        (Unit::GroupStatus, Condition::AtLeast(figure)) if figure < 1.0 => {
            return Err("every status is at least \"ok\"".to_owned());
        }
        _ => false,
    };
    if never {
        let name = metric.name;
        return Err(format!("{name} is 1 (yes) or 0 (no): `at_least = 1` alerts on yes, `below = 1` on no"));
    }
    Ok(condition)
}

fn read_clear_at(section: &mut Section<'_>, metric: Option<Metric>, condition: Option<Condition>) -> Option<f64> {
    let figure = section.figure("clear_at");
    let (metric, condition) = (metric?, condition?);
    let (key, own, ends_below) = match condition {
        Condition::Above(own) => ("above", own, true),
        Condition::Below(own) => ("below", own, false),
        Condition::AtLeast(own) => ("at_least", own, true),
    };
    let Some(figure) = figure else { return Some(own) };
    match threshold(&figure, metric) {
        Err(message) => section.problem_at("clear_at", message, None),
        Ok(clear_at) if (if ends_below { clear_at > own } else { clear_at < own }) => {
            let (side, better) = if ends_below { ("above", "lower") } else { ("below", "higher") };
            let message =
                format!("it is {side} the threshold, so an alert would be over while its rule is still broken");
            let hint = format!(
                "it is where an alert ends: give the figure of `{key}` or a {better} one, which keeps it from flapping"
            );
            section.problem_at("clear_at", message, Some(hint));
        }
        Ok(clear_at) => return Some(clear_at),
    }
    None
}

fn check_summary(summary: &str, metric: Option<Metric>) -> Result<String, String> {
    if summary.chars().any(char::is_control) || summary.chars().count() > LONGEST_SUMMARY {
        return Err(format!("a summary is one line of at most {LONGEST_SUMMARY} characters"));
    }
    let Some(metric) = metric else { return Ok(summary.to_owned()) };
    let known: Vec<&str> = labels_of(metric).into_iter().chain(PLACEHOLDERS).collect();
    // `{{` is a brace.
    for part in summary.replace("{{", "").split('{').skip(1) {
        let Some((word, _)) = part.split_once('}') else { continue };
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_word && !known.contains(&word) {
            let hint = hint(word, known, "here").unwrap_or_default();
            return Err(format!("{} has no {{{word}}}; {hint}", metric.name));
        }
    }
    Ok(summary.to_owned())
}

fn parse_runbook(text: &str) -> Result<String, String> {
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    if !is_url || text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.len() > 2000 {
        return Err("it must be a URL, as in \"https://wiki.example.com/kafka-lag\"".to_owned());
    }
    Ok(text.to_owned())
}

/// The channels of a rule: all, unless it names some, or none.
fn read_notify(section: &mut Section<'_>, known: &Known<'_>) -> Vec<String> {
    let Some(texts) = section.texts_or_none("notify") else {
        return known.channels.to_vec();
    };
    let mut channels = Vec::new();
    for text in texts {
        if !known.channels.contains(&text.value) {
            let hint = match known.channels {
                [] => Some("there is no channel yet; add [notify.NAME]".to_owned()),
                some => hint(&text.value, some.iter().map(String::as_str), "channels"),
            };
            let message = format!("`notify` {}: there is no channel of this name", section.place());
            section.reading.problem(text.span, message, hint);
        }
        if !channels.contains(&text.value) {
            channels.push(text.value);
        }
    }
    channels
}
