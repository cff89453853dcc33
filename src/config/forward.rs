//! `[[forward]]`: from which topics, through which steps, to which webhook. Compiles no jq and knows no topic.

use std::time::Duration;

use chrono::DateTime;
use litemap::LiteMap;

use super::cluster::check_name;
use super::reader::Section;
use super::schema::{ClusterSettings, DeadLetterSettings, ForwardSettings, OffsetsMode, OnInvalid};
use super::suggestion::{closest, hint};
use super::webhook::read_webhook;
use crate::logic::moment::Timestamp;
use crate::logic::prepare::{Order, StepSettings};
use crate::logic::retry::RetrySettings;
use crate::logic::start_position::{OnOutOfRange, Start};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 24 * 3600);
const MIB: u64 = 1 << 20;

/// Reads one forward; its cluster must be one of `clusters`.
pub(super) fn read_forward(mut section: Section<'_>, clusters: &LiteMap<String, ClusterSettings>) -> ForwardSettings {
    section.require("name", "name = \"guance-to-omp\"");
    section.require("topics", "topics = [\"event\"]");
    let name = section.parsed("name", "a string", |name| check_name(name).map(|()| name.to_owned()));
    let buffer_size = section.size("buffer_size", MIB..=2048 * MIB).unwrap_or(8 * MIB);
    let max_record_size = read_max_record_size(&mut section, buffer_size);
    let group = section.text("group");
    let forward = ForwardSettings {
        name: name.unwrap_or_default(),
        cluster: read_cluster_name(&mut section, clusters),
        topics: section.list("topics", |topic| Ok(topic.to_owned())).unwrap_or_default(),
        offsets: read_offsets(&mut section, group.is_some()),
        start: read_start(&mut section),
        group,
        on_out_of_range: section
            .choice(
                "on_out_of_range",
                &[("earliest", OnOutOfRange::Earliest), ("latest", OnOutOfRange::Latest), ("stop", OnOutOfRange::Stop)],
            )
            .unwrap_or(OnOutOfRange::Earliest),
        steps: read_steps(&mut section),
        on_invalid: section
            .choice("on_invalid", &[("dead-letter", OnInvalid::DeadLetter), ("skip", OnInvalid::Skip)])
            .unwrap_or(OnInvalid::DeadLetter),
        max_in_flight: section
            .integer("max_in_flight", 1..=512)
            .and_then(|number| u16::try_from(number).ok())
            .unwrap_or(16),
        buffer_size: usize::try_from(buffer_size).unwrap_or(usize::MAX),
        max_record_size: usize::try_from(max_record_size).unwrap_or(usize::MAX),
        webhook: read_webhook_of(&mut section),
        retry: read_retry(section.section("retry")),
        dead_letters: read_dead_letters(section.section("dead_letters"), max_record_size),
    };
    section.refuse_for_now("max_rate", "remove it; `max_in_flight` limits the requests at once");
    section.refuse_for_now("session_timeout", "remove it; it belongs to offsets = \"group\"");
    section.refuse_for_now("instance_id", "remove it; it belongs to offsets = \"group\"");
    section.finish();
    forward
}

fn read_cluster_name(section: &mut Section<'_>, clusters: &LiteMap<String, ClusterSettings>) -> String {
    let given = section.text("cluster");
    let name = given.unwrap_or_else(|| "default".to_owned());
    // Where there is no cluster at all, that is said once.
    if !clusters.contains_key(&name) && !clusters.is_empty() {
        let hint = hint(&name, clusters.keys().map(String::as_str), "clusters");
        section.problem_at("cluster", "there is no such cluster (the default is \"default\")", hint);
    }
    name
}

/// Without a key of its own it follows a small buffer.
fn read_max_record_size(section: &mut Section<'_>, buffer_size: u64) -> u64 {
    let Some(size) = section.size("max_record_size", 1024..=2048 * MIB) else {
        return buffer_size.min(4 * MIB);
    };
    if size > buffer_size {
        let hint = Some("a record must fit into the buffer; raise `buffer_size` or lower this".to_owned());
        section.problem_at("max_record_size", "it is larger than `buffer_size`", hint);
    }
    size
}

fn read_offsets(section: &mut Section<'_>, has_group: bool) -> OffsetsMode {
    #[derive(Clone, Copy)]
    enum Written {
        Known(OffsetsMode),
        Group,
    }
    let modes = [
        ("local", Written::Known(OffsetsMode::Local)),
        ("mirrored", Written::Known(OffsetsMode::Mirrored)),
        ("group", Written::Group),
    ];
    match section.choice("offsets", &modes) {
        Some(Written::Known(OffsetsMode::Mirrored)) if !has_group => {
            let hint = Some("name the consumer group: group = \"…\"".to_owned());
            section.problem_at("offsets", "\"mirrored\" needs a `group` to commit to", hint);
            OffsetsMode::Mirrored
        }
        Some(Written::Known(mode)) => mode,
        Some(Written::Group) => {
            let hint = Some("use \"mirrored\": one barnabas reads all partitions, and commits to `group`".to_owned());
            section.problem_at("offsets", "\"group\" is not supported by this version yet", hint);
            OffsetsMode::Mirrored
        }
        None if has_group => OffsetsMode::Mirrored,
        None => OffsetsMode::Local,
    }
}

fn read_start(section: &mut Section<'_>) -> Start {
    let expected = "\"earliest\", \"latest\", \"none\", \"group\" or a time";
    let start = section.parsed_or_datetime("start", expected, parse_start).unwrap_or(Start::Latest);
    if start == Start::Group && !section.has("group") {
        let hint = Some("name the consumer group: group = \"…\"".to_owned());
        section.problem_at("start", "\"group\" needs a `group` whose offsets are taken over", hint);
    }
    start
}

fn parse_start(text: &str) -> Result<Start, String> {
    const WORDS: [&str; 4] = ["earliest", "latest", "none", "group"];
    match text {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        "none" => Ok(Start::None),
        "group" => Ok(Start::Group),
        time => match DateTime::parse_from_rfc3339(time) {
            Ok(time) => Ok(Start::Time(Timestamp(time.timestamp_millis()))),
            Err(_) => {
                let meant = closest(time, WORDS).map(|word| format!("; did you mean \"{word}\"?")).unwrap_or_default();
                Err(format!(
                    "it must be earliest, latest, none, group, or a time with its zone such as \
                     \"2026-01-31T08:00:00+01:00\" (RFC 3339){meant}"
                ))
            }
        },
    }
}

fn read_steps(section: &mut Section<'_>) -> StepSettings {
    #[derive(Clone, Copy)]
    enum OrderBy {
        Partition,
        Key,
        None,
    }
    let choices = [("partition", OrderBy::Partition), ("key", OrderBy::Key), ("none", OrderBy::None)];
    let order_by = section.choice("order_by", &choices);
    let order_key = section.text("order_key");
    if section.has("order_by") && section.has("order_key") {
        let hint = Some("order_by takes partition, key or none; order_key takes a jq expression".to_owned());
        section.problem_at("order_key", "`order_by` is there, too; keep one of them", hint);
    }
    StepSettings {
        event_id: section.text("event_id"),
        filter: section.text("filter"),
        required: section.list("required", |name| Ok(name.to_owned())).unwrap_or_default(),
        transform: section.text("transform"),
        order: match (order_key, order_by) {
            (Some(expression), _) => Order::Expression(expression),
            (None, Some(OrderBy::Partition) | None) => Order::Partition,
            (None, Some(OrderBy::Key)) => Order::Key,
            (None, Some(OrderBy::None)) => Order::None,
        },
    }
}

fn read_webhook_of(section: &mut Section<'_>) -> super::schema::WebhookSettings {
    section.require("webhook", "[forward.webhook] with a `url`");
    match section.section("webhook") {
        Some(webhook) => read_webhook(webhook),
        None => super::webhook::unreadable(),
    }
}

fn read_retry(section: Option<Section<'_>>) -> RetrySettings {
    let mut retry = RetrySettings {
        initial: Duration::from_millis(200),
        max: Duration::from_secs(30),
        give_up_after: None,
        poison_after: Some(HOUR),
    };
    let Some(mut section) = section else {
        return retry;
    };
    retry.initial = section.duration("initial", MILLISECOND..=HOUR).unwrap_or(retry.initial);
    retry.max = section.duration("max", MILLISECOND..=DAY).unwrap_or(retry.max.max(retry.initial));
    retry.give_up_after = section.duration_or_never("give_up_after", MILLISECOND..=TEN_YEARS).unwrap_or(None);
    retry.poison_after =
        section.duration_or_never("poison_after", MILLISECOND..=TEN_YEARS).unwrap_or(retry.poison_after);
    if retry.initial > retry.max {
        section.problem_at("max", "it is shorter than `initial`", None);
    }
    section.finish();
    retry
}

fn read_dead_letters(section: Option<Section<'_>>, max_record_size: u64) -> DeadLetterSettings {
    let mut dead_letters = DeadLetterSettings { max_size: 256 * MIB, max_age: Some(30 * DAY) };
    let Some(mut section) = section else {
        return dead_letters;
    };
    if let Some("topic") = section.choice("to", &[("state", "state"), ("topic", "topic")]) {
        let hint = Some("remove it; dead letters are kept in the state".to_owned());
        section.problem_at("to", "\"topic\" is not supported by this version yet", hint);
    }
    section.refuse_for_now("topic", "remove it; dead letters are kept in the state");
    dead_letters.max_size = section.size("max_size", MIB..=1 << 40).unwrap_or(dead_letters.max_size);
    dead_letters.max_age = section.duration_or_never("max_age", HOUR..=TEN_YEARS).unwrap_or(dead_letters.max_age);
    if dead_letters.max_size < max_record_size {
        let hint = Some("one dead letter must fit; raise this or lower `max_record_size`".to_owned());
        section.problem_at("max_size", "it is smaller than `max_record_size`", hint);
    }
    section.finish();
    dead_letters
}
