//! What an alert says, in one sentence: the rule's own summary with its placeholders filled in, or a sentence of ours
//! for each metric. Pure. Names in it come from outside: they are made printable and cut, and so is the whole.

use super::condition::{Precision, Reading};
use super::figure_text::{UNKNOWN, figure, number};
use super::metric::{Labels, Unit};
use super::rule::{Condition, Rule};
use crate::logic::printable::{cut, printable};

/// Columns of a label within a sentence.
const LONGEST_LABEL: usize = 250;
/// Columns of a sentence.
const LONGEST: usize = 500;

/// What an alert of `rule` about the series with these labels says.
///
/// In a summary of the user's, `{label}` is a label's value, `{value}` and `{threshold}` are figures as people read them
/// (without the sign where the text goes on with `%`), `{name}` and `{severity}` the rule's. Other placeholders stay as
/// they were written; `{{` is a brace.
pub(super) fn summary(rule: &Rule, labels: &Labels, reading: &Reading) -> String {
    let text = match (&rule.summary, reading.value) {
        (Some(template), _) => fill(template, rule, labels, reading),
        (None, None) => format!("No figure for {}{}", rule.metric.name, in_brackets(labels)),
        (None, Some(value)) => {
            let sentence = fill(sentence_of_ours(rule.metric.name, value), rule, labels, reading);
            match rule.metric.unit {
                Unit::Boolean => sentence,
                _ => format!("{sentence} ({})", threshold(rule)),
            }
        }
    };
    cut(&printable(&text), LONGEST).into_owned()
}

/// A sentence with the reason for what it says, which comes from outside.
pub(super) fn with_reason(sentence: &str, reason: &str) -> String {
    cut(&printable(&format!("{sentence}: {reason}")), LONGEST).into_owned()
}

/// A reading as people read it.
pub(super) fn value_text(rule: &Rule, reading: &Reading) -> String {
    match (reading.value, reading.precision) {
        (None, _) => UNKNOWN.to_owned(),
        (Some(value), Precision::Measured) => figure(rule.metric.unit, value),
        (Some(value), Precision::LowerBound) => format!("more than {}", figure(rule.metric.unit, value)),
    }
}

/// A rule's threshold as people read it, with its comparison: "above 80 %".
pub(super) fn threshold(rule: &Rule) -> String {
    let text = threshold_figure(rule);
    match (rule.condition, rule.metric.unit) {
        (Condition::AtLeast(_), Unit::GroupStatus) => format!("{text} or worse"),
        (Condition::Above(_), Unit::GroupStatus) => format!("worse than {text}"),
        (Condition::Below(_), Unit::GroupStatus) => format!("better than {text}"),
        (Condition::AtLeast(_), _) => format!("at least {text}"),
        (Condition::Above(_), _) => format!("above {text}"),
        (Condition::Below(_), _) => format!("below {text}"),
    }
}

/// Labels as they stand behind a name: ` (cluster default, group omp)`; nothing where there are none. Printable, and
/// cut.
pub(super) fn in_brackets(labels: &Labels) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{} {}", printable(name), label(value))).collect();
    format!(" ({})", cut(&pairs.join(", "), LONGEST))
}

fn label(value: &str) -> String {
    cut(&printable(value), LONGEST_LABEL).into_owned()
}

fn threshold_figure(rule: &Rule) -> String {
    match rule.metric.unit {
        Unit::Boolean => number(rule.condition.threshold()),
        unit => figure(unit, rule.condition.threshold()),
    }
}

fn fill(template: &str, rule: &Rule, labels: &Labels, reading: &Reading) -> String {
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, from_brace)) = rest.split_once('{') {
        text.push_str(before);
        if let Some(after) = from_brace.strip_prefix('{') {
            text.push('{');
            rest = after;
            continue;
        }
        let filled = from_brace.split_once('}').and_then(|(name, after)| {
            let value = placeholder(name, rule, labels, reading)?;
            Some((without_second_percent(rule.metric.unit, name, value, after), after))
        });
        match filled {
            Some((value, after)) => {
                text.push_str(&value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = from_brace;
            }
        }
    }
    text.push_str(rest);
    text
}

/// None: there is nothing of that name.
fn placeholder(name: &str, rule: &Rule, labels: &Labels, reading: &Reading) -> Option<String> {
    match name {
        "value" => Some(value_text(rule, reading)),
        "threshold" => Some(threshold_figure(rule)),
        "name" => Some(rule.name.clone()),
        "severity" => Some(rule.severity.name().to_owned()),
        _ => labels.get(name).map(|value| label(value)),
    }
}

/// `{value} %` is what people write.
fn without_second_percent(unit: Unit, name: &str, value: String, after: &str) -> String {
    let is_figure = unit == Unit::Percent && matches!(name, "value" | "threshold");
    match value.strip_suffix(" %") {
        Some(number) if is_figure && after.trim_start().starts_with('%') => number.to_owned(),
        _ => value,
    }
}

/// The sentence for a metric whose rule has none. The threshold is added behind it.
fn sentence_of_ours(metric: &str, value: f64) -> &'static str {
    let is_on = value >= 1.0;
    match metric {
        "cluster_up" if is_on => "Cluster {cluster} can be reached",
        "cluster_up" => "Cluster {cluster} cannot be reached",
        "broker_up" if is_on => "Broker {broker} of cluster {cluster} answers",
        "broker_up" => "Broker {broker} of cluster {cluster} does not answer",
        "broker_load_percent" => "Broker {broker} of cluster {cluster} is {value} busy",
        "broker_traffic_share_percent" => "Broker {broker} has {value} of the traffic of cluster {cluster}",
        "broker_bytes_in_per_second" => "Broker {broker} of cluster {cluster} takes in {value}",
        "broker_bytes_out_per_second" => "Broker {broker} of cluster {cluster} gives out {value}",
        "broker_requests_per_second" => "Requests to broker {broker} of cluster {cluster}: {value}",
        "broker_messages_in_per_second" => "Messages to broker {broker} of cluster {cluster}: {value}",
        "broker_request_seconds" => {
            "{request} requests to broker {broker} of cluster {cluster} take {value} (quantile {quantile})"
        }
        "broker_network_idle_percent" => "The network threads of broker {broker} of cluster {cluster} are {value} idle",
        "broker_process_cpu_percent" => "Broker {broker} of cluster {cluster} uses {value} of its processors",
        "broker_heap_used_bytes" => "Java heap in use by broker {broker} of cluster {cluster}: {value}",
        "broker_heap_max_bytes" => "Java heap of broker {broker} of cluster {cluster}: {value}",
        "broker_under_replicated_partitions" => {
            "Under-replicated partitions that broker {broker} of cluster {cluster} counts: {value}"
        }
        "broker_offline_log_dirs" => "Log directories that broker {broker} of cluster {cluster} cannot use: {value}",
        "broker_replication_disagreement" if is_on => {
            "Broker {broker} and the metadata of cluster {cluster} disagree about under-replicated partitions"
        }
        "broker_replication_disagreement" => {
            "Broker {broker} and the metadata of cluster {cluster} agree about under-replicated partitions"
        }
        "broker_slow" if is_on => {
            "Broker {broker} of cluster {cluster} is slow, compared with its past or its peers; look at its disks first"
        }
        "broker_slow" => "Broker {broker} of cluster {cluster} is not slow",
        "broker_latency_seconds" => "Broker {broker} of cluster {cluster} takes {value} to answer",
        "broker_leaders" => "Partitions that broker {broker} of cluster {cluster} leads: {value}",
        "broker_replicas" => "Replicas on broker {broker} of cluster {cluster}: {value}",
        "leader_skew_percent" => {
            "The number of leaders on broker {broker} of cluster {cluster} differs from the mean by {value}"
        }
        "replica_skew_percent" => {
            "The number of replicas on broker {broker} of cluster {cluster} differs from the mean by {value}"
        }
        "disk_used_bytes" => "Kafka's logs in {dir} on broker {broker} of cluster {cluster} take {value}",
        "disk_used_percent" => "The disk of {dir} on broker {broker} of cluster {cluster} is {value} full",
        "disk_full_in_seconds" => {
            "The disk of {dir} on broker {broker} of cluster {cluster} is full in {value} at the present growth"
        }
        "partitions_offline" => "Partitions of topic {topic} of cluster {cluster} without a leader: {value}",
        "partitions_under_replicated" => "Under-replicated partitions of topic {topic} of cluster {cluster}: {value}",
        "partitions_under_min_isr" => {
            "Partitions of topic {topic} of cluster {cluster} below min.insync.replicas: {value}"
        }
        "topic_messages" => "Messages in topic {topic} of cluster {cluster}: {value}",
        "topic_messages_in_per_second" => "Messages to topic {topic} of cluster {cluster}: {value}",
        "topic_bytes" => "Topic {topic} of cluster {cluster} takes {value}",
        "group_lag" => "Unread messages of group {group} in topic {topic} of cluster {cluster}: {value}",
        "group_lag_seconds" => "Group {group} is {value} behind in topic {topic} of cluster {cluster}",
        "group_status" => "Status of group {group} in topic {topic} of cluster {cluster}: {value}",
        "group_members" => "Members of group {group} of cluster {cluster}: {value}",
        "forward_lag" => "Unread messages of forward {forward}: {value}",
        "forward_pending" => "Events of forward {forward} that are not settled: {value}",
        "forward_in_flight" => "Requests of forward {forward} in flight: {value}",
        "forward_oldest_pending_seconds" => "The oldest event of forward {forward} has waited for {value}",
        "forward_suspended" if is_on => "Forward {forward} is suspended: its endpoint refuses everything",
        "forward_suspended" => "Forward {forward} is not suspended",
        "forward_paused" if is_on => "Forward {forward} is paused",
        "forward_paused" => "Forward {forward} is not paused",
        "forward_stalled" if is_on => {
            "Forward {forward} is stalled: it cannot read, or what it did cannot be stored; `barnabas status` says why"
        }
        "forward_stalled" => "Forward {forward} is not stalled",
        "forward_consumed_total" => "Events that forward {forward} consumed: {value}",
        "forward_delivered_total" => "Events that forward {forward} delivered: {value}",
        "forward_filtered_total" => "Events that forward {forward} filtered: {value}",
        "forward_skipped_total" => "Events that forward {forward} skipped: {value}",
        "forward_dropped_total" => "Events that forward {forward} dropped: {value}",
        "forward_dead_lettered_total" => "Events that forward {forward} dead-lettered: {value}",
        "forward_retries_total" => "Retries of forward {forward}: {value}",
        "forward_lost_offsets_total" => "Messages that were deleted before forward {forward} read them: {value}",
        "dead_letters" => "Dead letters of forward {forward}: {value}",
        "channel_failing" if is_on => "Notices over channel {channel} do not arrive",
        "channel_failing" => "Notices over channel {channel} arrive",
        _ => "{name}: {value}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::alert::condition::Verdict;
    use crate::logic::alert::metric::{METRICS, Metric};
    use crate::logic::alert::test_support::{labels, rule};

    fn reading(value: Option<f64>) -> Reading {
        Reading { verdict: Verdict::Broken, value, precision: Precision::Measured }
    }

    #[track_caller]
    fn check(why: &str, template: &str, expected: &str) {
        let rule = Rule {
            summary: Some(template.to_owned()),
            condition: Condition::Above(80.0),
            ..rule("broker-load", "broker_load_percent")
        };
        let labels = labels(&[("broker", "1"), ("cluster", "default")]);
        assert_eq!(summary(&rule, &labels, &reading(Some(85.5))), expected, "{why}");
    }

    #[test]
    fn templates() {
        check("a label", "Broker {broker}!", "Broker 1!");
        check("figures bring their unit", "{value} > {threshold}", "85.5 % > 80 %");
        check("and not twice", "zu {value} % ausgelastet ({threshold}%)", "zu 85.5 % ausgelastet (80%)");
        check("the rule's own", "{name}/{severity}", "broker-load/warning");
        check("what is unknown stays", "{topic} {} {", "{topic} {} {");
        check("a brace", "{{broker} {{{broker}", "{broker} {1");
        check("an open brace takes nothing with it", "{a {broker}", "{a 1");
        check("lines are not forged", "a\nb", "a\\nb");
    }

    #[test]
    fn every_metric_has_a_sentence_with_all_its_labels() {
        for metric in METRICS {
            for value in [0.0, 1.0, 1234.5] {
                let mut all = labels(&[("cluster", "default")]);
                all.extend(metric.labels.iter().map(|label| ((*label).to_owned(), format!("the-{label}"))));
                let rule = Rule { condition: Condition::Above(1.0), ..rule("a-rule", metric.name) };
                let said = summary(&rule, &all, &reading(Some(value)));
                assert!(!said.contains(['{', '}']) && !said.contains("a-rule"), "{}: {said}", metric.name);
                for label in metric.labels.iter().filter(|label| **label != "source") {
                    assert!(said.contains(&format!("the-{label}")), "{}: {said}", metric.name);
                }
                assert_eq!(said.contains("(above 1"), metric.unit != Unit::Boolean && metric.unit != Unit::GroupStatus);
            }
        }
    }

    #[test]
    fn sentences_of_ours() {
        let say = |metric, condition, pairs: &[(&str, &str)], value| {
            summary(&Rule { condition, ..rule("r", metric) }, &labels(pairs), &reading(value))
        };
        let group = [("cluster", "default"), ("group", "omp"), ("topic", "event")];
        assert_eq!(
            say("group_lag", Condition::Above(1000.0), &group, Some(1234.0)),
            "Unread messages of group omp in topic event of cluster default: 1,234 (above 1,000)"
        );
        assert_eq!(
            say("group_status", Condition::AtLeast(2.0), &group, Some(4.0)),
            "Status of group omp in topic event of cluster default: stop (stall or worse)"
        );
        assert_eq!(
            say("broker_up", Condition::Below(1.0), &[("broker", "3"), ("cluster", "default")], Some(0.0)),
            "Broker 3 of cluster default does not answer"
        );
        assert_eq!(
            say("group_lag", Condition::Above(1000.0), &group, None),
            "No figure for group_lag (cluster default, group omp, topic event)"
        );
    }

    #[test]
    fn thresholds() {
        let say = |metric, condition| threshold(&Rule { condition, ..rule("r", metric) });
        assert_eq!(say("broker_load_percent", Condition::Above(80.0)), "above 80 %");
        assert_eq!(say("disk_full_in_seconds", Condition::Below(11_100.0)), "below 3 h 5 min");
        assert_eq!(say("broker_up", Condition::Below(1.0)), "below 1");
        assert_eq!(say("group_members", Condition::AtLeast(3.0)), "at least 3");
        assert_eq!(say("group_status", Condition::Above(1.0)), "worse than warning");
    }

    #[test]
    fn a_sentence_is_bounded_whatever_the_names() {
        let long = "x\u{1b}".repeat(20_000);
        let labels = labels(&[("cluster", &long), ("group", &long), ("topic", &long)]);
        let rule = Rule { metric: Metric::named("group_lag").expect("a metric"), ..rule("r", "group_lag") };
        for value in [Some(1.0), None] {
            let said = summary(&rule, &labels, &reading(value));
            assert!(crate::logic::printable::width(&said) <= LONGEST && !said.contains('\u{1b}'));
        }
    }
}
