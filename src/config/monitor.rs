//! `[monitor]`: which clusters are watched, how often, and what of them. Connects to nothing.

use std::time::Duration;

use litemap::LiteMap;

use super::jmx::read_jmx;
use super::reader::Section;
use super::schema::{ClusterSettings, HeartbeatSettings, MonitorSettings, Selection};
use super::suggestion::hint;
use super::webhook::read_heartbeat_url;
use crate::logic::topic_pattern::TopicPattern;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const INTERVAL: Duration = Duration::from_secs(30);
const SLOW_INTERVAL: Duration = Duration::from_secs(300);

/// What is watched where the file has no `[monitor]`: all clusters.
pub(super) fn defaults(clusters: &LiteMap<String, ClusterSettings>) -> MonitorSettings {
    MonitorSettings {
        clusters: clusters.keys().cloned().collect(),
        interval: INTERVAL,
        slow_interval: SLOW_INTERVAL,
        topics: everything(),
        groups: everything(),
        max_series: 20_000,
        heartbeat: None,
        jmx: LiteMap::new(),
    }
}

fn everything() -> Selection {
    Selection { include: vec!["*".to_owned()], exclude: Vec::new() }
}

/// Reads the table; its clusters must be some of `clusters`.
pub(super) fn read_monitor(mut section: Section<'_>, clusters: &LiteMap<String, ClusterSettings>) -> MonitorSettings {
    let mut monitor = defaults(clusters);
    if let Some(named) = read_clusters(&mut section, clusters) {
        monitor.clusters = named;
    }
    monitor.interval = section.duration("interval", SECOND..=HOUR).unwrap_or(INTERVAL);
    let slow = section.duration("slow_interval", SECOND..=DAY);
    monitor.slow_interval = slow.unwrap_or(SLOW_INTERVAL.max(monitor.interval));
    if monitor.slow_interval < monitor.interval {
        section.problem_at("slow_interval", "it is shorter than `interval`", None);
    }
    monitor.topics = read_selection(&mut section, "topics", check_topic);
    monitor.groups = read_selection(&mut section, "groups", check_group);
    let max_series = section.integer("max_series", 100..=1_000_000).and_then(|number| usize::try_from(number).ok());
    monitor.max_series = max_series.unwrap_or(monitor.max_series);
    monitor.heartbeat = section.section("heartbeat").and_then(read_heartbeat);
    monitor.jmx = read_jmx(&mut section, &monitor.clusters);
    section.finish();
    monitor
}

fn read_clusters(section: &mut Section<'_>, clusters: &LiteMap<String, ClusterSettings>) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for text in section.texts("clusters")? {
        // Where there is no cluster at all, that is said once.
        if !clusters.contains_key(&text.value) && !clusters.is_empty() {
            let hint = hint(&text.value, clusters.keys().map(String::as_str), "clusters");
            section.reading.problem(
                text.span,
                format!("`clusters` {}: there is no such cluster", section.place()),
                hint,
            );
        }
        if !names.contains(&text.value) {
            names.push(text.value);
        }
    }
    Some(names)
}

/// Patterns, and with `!` those that are left out. Where only such are given, everything else is meant.
fn read_selection(
    section: &mut Section<'_>,
    key: &'static str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Selection {
    let mut selection = Selection { include: Vec::new(), exclude: Vec::new() };
    let patterns = section.list(key, |text| {
        let (pattern, excluded) = text.strip_prefix('!').map_or((text, false), |pattern| (pattern, true));
        if excluded && pattern.is_empty() {
            return Err("there is nothing after the \"!\"".to_owned());
        }
        check(pattern).map(|()| (pattern.to_owned(), excluded))
    });
    for (pattern, excluded) in patterns.unwrap_or_default() {
        if excluded { selection.exclude.push(pattern) } else { selection.include.push(pattern) }
    }
    if selection.include.is_empty() {
        selection.include = everything().include;
    }
    selection
}

fn check_topic(pattern: &str) -> Result<(), String> {
    TopicPattern::parse(pattern).map(|_| ()).map_err(|error| error.to_string())
}

/// A group's name may have any characters, so only regular expressions can be wrong.
fn check_group(pattern: &str) -> Result<(), String> {
    if pattern.starts_with('/') { check_topic(pattern) } else { Ok(()) }
}

fn read_heartbeat(mut section: Section<'_>) -> Option<HeartbeatSettings> {
    let webhook = read_heartbeat_url(&mut section);
    let interval = section.duration("interval", SECOND..=DAY).unwrap_or(Duration::from_secs(60));
    section.finish();
    webhook.map(|webhook| HeartbeatSettings { webhook, interval })
}
