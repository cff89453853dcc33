//! A watched cluster on the status page: whether it answers, its groups, brokers, partitions and disks, bounded, with
//! links to the rest.

use std::fmt::Write;

use super::lists::{groups_table, topics_table};
use super::partition_map;
use super::parts::{Kind, Mood, Scope, end_table, figure, list, pill, row, table, trouble};
use super::words::{
    UNKNOWN, bytes, duration, escape, grouped, latency, or_unknown, plural, seconds_between, size, skew,
};
use crate::logic::moment::Timestamp;
use crate::logic::watch::ClusterView;
use crate::logic::watch::view::{BrokerView, DirView, Restart};
use crate::status::{ClusterPublication, groups_worst_first, topics_worst_first};

/// Of each on the status page.
const MAX_GROUPS: usize = 15;
const MAX_BUSY_TOPICS: usize = 5;
const MAX_BROKERS: usize = 100;
const MAX_DISKS: usize = 50;
const MAX_MISSING: usize = 20;
/// A disk that is fuller than this needs attention.
const FULL_PERCENT: f64 = 85.0;
/// One that will be full within this time, too.
const FULL_SOON_SECONDS: f64 = 2.0 * 86_400.0;
/// Polls that take or lie back longer are said to.
const STALE_SECONDS: f64 = 180.0;
/// Request handlers that are busier than this need attention.
const BUSY_PERCENT: f64 = 80.0;
/// Brokers that one sentence names.
const MAX_NAMED: usize = 20;

/// All about a cluster. Why it does not answer is said at the top of the page.
pub(super) fn render(page: &mut String, cluster: &ClusterPublication, several: bool, now: Timestamp) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(page, "<section class=\"card\"><div><h2>Cluster {}</h2>", escape(&cluster.name));
    page.push_str(&match cluster.reachable() {
        None => pill(Mood::Calm, "not polled yet"),
        Some(true) => pill(Mood::Good, "reachable"),
        Some(false) => pill(Mood::Bad, "not reachable"),
    });
    polled(page, cluster, now);
    page.push_str("</div>\n");
    let Some(view) = cluster.view.as_deref() else {
        page.push_str("</section>\n");
        return;
    };
    let scope = Scope { cluster, view, several, now };
    figures(page, view);
    if !view.missing.is_empty() {
        let _ = write!(
            page,
            "<details><summary>{} thing{} could not be seen</summary>",
            view.missing.len(),
            plural(view.missing.len())
        );
        list(page, "why", view.missing.iter().take(MAX_MISSING).map(String::as_str));
        page.push_str("</details>\n");
    }
    groups(page, &scope);
    brokers(page, &scope);
    partition_map::render(page, &scope);
    busiest(page, &scope);
    disks(page, &view.dirs.iter().collect::<Vec<_>>(), Some(&scope));
    page.push_str("</section>\n");
}

/// When the figures were read, and what that cost.
fn polled(page: &mut String, cluster: &ClusterPublication, now: Timestamp) {
    let Some(polled_at) = cluster.polled_at else { return };
    let age = seconds_between(polled_at, now);
    let class = if age > STALE_SECONDS { "topics attention" } else { "topics" };
    let _ = write!(page, "<span class=\"{class}\">polled {} ago", duration(age));
    if let Some(seconds) = cluster.poll_seconds {
        let _ = write!(page, " in {}", latency(seconds));
    }
    if let Some(id) = cluster.view.as_ref().and_then(|view| view.seen.cluster_id.as_deref()) {
        let _ = write!(page, " · id {}", escape(id));
    }
    page.push_str("</span>");
}

fn figures(page: &mut String, view: &ClusterView) {
    let live = view.brokers.values().filter(|broker| broker.up == Some(true)).count();
    let partitions: usize = view.seen.topics.values().map(|topic| topic.partitions.len()).sum();
    let sum = |count: fn(&crate::logic::watch::view::TopicView) -> u32| {
        view.topics.values().map(count).fold(0_u32, u32::saturating_add)
    };
    let under_min_isr = view.topics.values().map(|topic| topic.under_min_isr);
    let under_min_isr = under_min_isr.flatten().reduce(u32::saturating_add);
    page.push_str("<dl class=\"rest\">");
    let brokers = format!("{live} of {}", view.brokers.len());
    figure(page, "brokers up", brokers, live < view.brokers.len());
    figure(page, "topics", grouped(view.topics.len()), false);
    figure(page, "partitions", grouped(partitions), false);
    figure(page, "groups", grouped(view.groups.len()), false);
    trouble(page, "offline", Some(sum(|topic| topic.offline)));
    trouble(page, "under min ISR", under_min_isr);
    trouble(page, "under-replicated", Some(sum(|topic| topic.under_replicated)));
    figure(page, "not preferred", grouped(sum(|topic| topic.not_preferred)), false);
    page.push_str("</dl>\n");
}

fn groups(page: &mut String, scope: &Scope<'_>) {
    let groups = groups_worst_first(scope.view);
    if groups.is_empty() {
        return;
    }
    page.push_str("<h3>Groups</h3>");
    groups_table(page, scope, groups.get(..MAX_GROUPS).unwrap_or(&groups));
    if groups.len() > MAX_GROUPS {
        let text = format!("all {} groups", grouped(groups.len()));
        let _ = writeln!(page, "<p class=\"parts\">{}</p>", scope.link_to_all(Kind::Groups, &text));
    }
}

fn brokers(page: &mut String, scope: &Scope<'_>) {
    let view = scope.view;
    if view.brokers.is_empty() {
        return;
    }
    page.push_str("<h3>Brokers</h3>");
    let heads = [
        "broker",
        "state",
        "can be restarted now",
        "load",
        "leaders",
        "skew",
        "replicas",
        "traffic",
        "in per second",
        "latency",
        "rack",
        "address",
    ];
    table(page, "brokers", &heads);
    for (id, broker) in view.brokers.iter().take(MAX_BROKERS) {
        let controller = if view.controller == Some(*id) { " <small>controller</small>" } else { "" };
        row(
            page,
            [
                format!("{}{controller}", scope.link(Kind::Brokers, id)),
                up(broker),
                restart(&broker.restart),
                load(broker),
                grouped(broker.leaders),
                or_unknown(broker.leader_skew_percent, skew),
                grouped(broker.replicas),
                or_unknown(broker.traffic_share_percent, |percent| format!("{percent:.0} %")),
                or_unknown(broker.best_bytes_in_per_second(), size),
                or_unknown(broker.latency_seconds, latency),
                broker.rack.as_deref().map_or_else(|| UNKNOWN.to_owned(), escape),
                broker.address.as_deref().map_or_else(|| UNKNOWN.to_owned(), escape),
            ],
        );
    }
    end_table(page);
    if let Some(more @ 1..) = view.brokers.len().checked_sub(MAX_BROKERS) {
        let _ = write!(page, "<p class=\"parts\">and {more} more in /api/status</p>");
    }
    without_load(page, view);
    if view.racks.len() > 1 {
        let racks = view.racks.iter().take(MAX_BROKERS).map(|(name, rack)| {
            format!("{}: {} up, {} leaders, {} replicas", escape(name), rack.brokers, rack.leaders, rack.replicas)
        });
        let _ = writeln!(page, "<p class=\"topics\">Racks · {}</p>", racks.collect::<Vec<_>>().join(" · "));
    }
}

/// Says which brokers have no load, where others have one.
fn without_load(page: &mut String, view: &ClusterView) {
    let without = view.brokers.iter().filter(|(_, broker)| broker.load.is_none());
    let without: Vec<String> = without.map(|(id, _)| id.to_string()).collect();
    if without.is_empty() || without.len() == view.brokers.len() {
        return;
    }
    let more = match without.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = without.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let _ =
        writeln!(page, "<p class=\"topics\">No load without `jmx`: broker{} {named}{more}</p>", plural(without.len()));
}

/// How busy a broker is; why that is not known is in the title, and on its page.
pub(super) fn load(broker: &BrokerView) -> String {
    let Some(load) = &broker.load else { return UNKNOWN.to_owned() };
    match (broker.own_figures().and_then(|figures| figures.load_percent), &load.error) {
        (Some(percent), _) => bar(percent, BUSY_PERCENT),
        (None, Some(error)) => format!("<span class=\"attention\" title=\"{}\">unknown</span>", escape(error)),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// Whether a broker answers; why not is in its title, and on its page.
pub(super) fn up(broker: &BrokerView) -> String {
    match (broker.up, &broker.error) {
        (Some(true), _) => pill(Mood::Good, "up"),
        (Some(false), Some(error)) => format!("<span class=\"state bad\" title=\"{}\">down</span>", escape(error)),
        (Some(false), None) => pill(Mood::Bad, "down"),
        (None, _) => pill(Mood::Calm, "unknown"),
    }
}

/// Whether a broker can be stopped without harm.
pub(super) fn restart(restart: &Restart) -> String {
    match restart {
        Restart::Unknown => "not known".to_owned(),
        Restart::Safe => "yes".to_owned(),
        Restart::Hurts { partitions, example } => format!(
            "<span class=\"attention\" title=\"such as {}\">no, {} partition{}</span>",
            escape(example),
            grouped(partitions),
            if *partitions == 1 { "" } else { "s" }
        ),
    }
}

/// The topics with most messages in, without Kafka's own.
fn busiest(page: &mut String, scope: &Scope<'_>) {
    let mut topics = topics_worst_first(scope.view);
    let all = topics.len();
    topics.retain(|(name, _)| scope.view.seen.topics.get(*name).is_some_and(|seen| !seen.internal));
    topics.sort_by(|(_, one), (_, other)| {
        let rate = |rate: Option<f64>| rate.unwrap_or(0.0);
        rate(other.messages_in_per_second).total_cmp(&rate(one.messages_in_per_second))
    });
    topics.truncate(MAX_BUSY_TOPICS);
    if topics.is_empty() {
        return;
    }
    page.push_str("<h3>Busiest topics</h3>");
    topics_table(page, scope, &topics);
    if all > MAX_BUSY_TOPICS {
        let text = format!("all {} topics", grouped(all));
        let _ = writeln!(page, "<p class=\"parts\">{}</p>", scope.link_to_all(Kind::Topics, &text));
    }
}

/// Log directories, the fullest first; with links to their brokers where there is a scope.
pub(super) fn disks(page: &mut String, dirs: &[&DirView], scope: Option<&Scope<'_>>) {
    if dirs.is_empty() {
        return;
    }
    let mut dirs = dirs.to_vec();
    dirs.sort_by(|one, other| {
        let rank = |dir: &DirView| (dir.error.is_some(), dir.used_percent.unwrap_or(0.0));
        let ((one_broken, one), (other_broken, other)) = (rank(one), rank(other));
        other_broken.cmp(&one_broken).then_with(|| other.total_cmp(&one))
    });
    page.push_str("<h3>Disks</h3>");
    table(page, "disks", &["broker", "directory", "volume used", "Kafka's logs", "full in"]);
    for dir in dirs.iter().take(MAX_DISKS) {
        let soon = dir.full_in_seconds.is_some_and(|seconds| seconds < FULL_SOON_SECONDS);
        let full_in = or_unknown(dir.full_in_seconds, duration);
        row(
            page,
            [
                scope.map_or_else(|| dir.broker.to_string(), |scope| scope.link(Kind::Brokers, dir.broker)),
                escape(&dir.path),
                match &dir.error {
                    Some(error) => format!("<span class=\"attention\">{}</span>", escape(error)),
                    None => or_unknown(dir.used_percent, |percent| bar(percent, FULL_PERCENT)),
                },
                bytes(dir.used_bytes),
                if soon { format!("<span class=\"attention\">{full_in}</span>") } else { full_in },
            ],
        );
    }
    end_table(page);
    if let Some(more @ 1..) = dirs.len().checked_sub(MAX_DISKS) {
        let _ = write!(page, "<p class=\"parts\">and {more} more in /api/status</p>");
    }
}

/// A percentage as a bar; red above `limit`.
fn bar(percent: f64, limit: f64) -> String {
    let class = if percent > limit { "bar bad" } else { "bar" };
    let width = percent.clamp(0.0, 100.0);
    format!("<span class=\"{class}\"><i style=\"width:{width:.0}%\"></i></span> {percent:.0} %")
}
