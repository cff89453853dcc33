//! The page of a topic: its figures, who reads it, and its partitions, the worst first.

use std::fmt::Write;
use std::sync::Arc;

use super::chart::{Size, chart, greatest};
use super::lists::head;
use super::partition_map::{Health, numbers};
use super::parts::{Kind, Mood, Part, Scope, document, end_table, figure, pill, row, status_pill, table, trouble};
use super::words::{age, bytes, decimal, escape, grouped, known, or_unknown};
use crate::logic::watch::snapshot::PartitionSeen;
use crate::logic::watch::view::{GroupTopicView, TopicView};

/// Groups that read it, the worst first.
const MAX_GROUPS: usize = 20;

/// The page; none: there is no such topic.
pub(super) fn render(scope: &Scope<'_>, name: &str, part: Part) -> Option<String> {
    let (topic, seen) = (scope.view.topics.get(name)?, scope.view.seen.topics.get(name)?);
    let min_insync = scope.view.slow.as_ref().and_then(|slow| slow.min_insync.get(name).copied());
    let mut body = "<section class=\"card\">".to_owned();
    figures(&mut body, topic, seen.partitions.len(), min_insync);
    rate(&mut body, topic);
    readers(&mut body, scope, name);
    partitions(&mut body, scope, &seen.partitions, min_insync, part);
    body.push_str("</section>\n");
    let kind = if seen.internal { "internal topic" } else { "topic" };
    Some(document(&format!("{} · ", escape(name)), &head(scope, &format!("{kind} {}", escape(name))), &body))
}

fn figures(page: &mut String, topic: &TopicView, partitions: usize, min_insync: Option<u32>) {
    page.push_str("<dl class=\"first\">");
    figure(page, "messages kept", known(topic.messages), false);
    figure(page, "messages per second", or_unknown(topic.messages_in_per_second, decimal), false);
    figure(page, "bytes", or_unknown(topic.bytes, bytes), false);
    figure(page, "partitions", grouped(partitions), false);
    page.push_str("</dl>\n<dl class=\"rest\">");
    trouble(page, "offline", Some(topic.offline));
    trouble(page, "under min ISR", topic.under_min_isr);
    trouble(page, "under-replicated", Some(topic.under_replicated));
    figure(page, "not preferred", grouped(topic.not_preferred), false);
    figure(page, "min.insync.replicas", known(min_insync), false);
    page.push_str("</dl>\n");
}

fn rate(page: &mut String, topic: &TopicView) {
    let drawn = chart(&topic.rate_chart, Size::Large, "messages per second over time");
    if !drawn.is_empty() {
        let most = decimal(f64::from(greatest(&topic.rate_chart)));
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(page, "<h3>Messages per second</h3><p class=\"topics\">at most {most}</p>{drawn}");
    }
}

fn readers(page: &mut String, scope: &Scope<'_>, topic: &str) {
    let groups = scope.view.groups.iter();
    let mut readers: Vec<(&Arc<str>, &GroupTopicView)> =
        groups.filter_map(|(name, group)| Some((name, group.topics.get(topic)?))).collect();
    readers.sort_by_key(|(_, place)| std::cmp::Reverse((place.status, place.lag)));
    if readers.is_empty() {
        page.push_str("<p class=\"topics\">No group is known to read it.</p>\n");
        return;
    }
    page.push_str("<h3>Groups that read it</h3>");
    table(page, "groups", &["group", "status", "lag", "behind by", "lag over time"]);
    for (name, place) in readers.iter().take(MAX_GROUPS) {
        row(
            page,
            [
                scope.link(Kind::Groups, name),
                status_pill(place.status),
                known(place.lag),
                or_unknown(place.lag_seconds, age),
                chart(&place.lag_chart, Size::Small, "lag over time"),
            ],
        );
    }
    end_table(page);
    if let Some(more @ 1..) = readers.len().checked_sub(MAX_GROUPS) {
        let _ = writeln!(page, "<p class=\"parts\">and {} more, which do better</p>", grouped(more));
    }
}

fn partitions(page: &mut String, scope: &Scope<'_>, all: &[PartitionSeen], min_insync: Option<u32>, part: Part) {
    let mut rows: Vec<(Health, &PartitionSeen)> =
        all.iter().map(|partition| (Health::of(partition, min_insync), partition)).collect();
    rows.sort_by_key(|(health, partition)| (std::cmp::Reverse(*health), partition.number));
    page.push_str("<h3>Partitions</h3>");
    let heads = ["partition", "state", "leader", "replicas", "in sync", "earliest", "latest", "messages"];
    table(page, "partitions", &heads);
    for (health, partition) in part.of(&rows) {
        let messages = partition.latest.zip(partition.earliest).map(|(end, start)| end.saturating_sub(start).max(0));
        row(
            page,
            [
                partition.number.to_string(),
                health_pill(*health),
                partition.leader.map_or_else(|| "none".to_owned(), |leader| scope.link(Kind::Brokers, leader)),
                numbers(&partition.replicas),
                numbers(&partition.isr),
                known(partition.earliest),
                known(partition.latest),
                known(messages),
            ],
        );
    }
    end_table(page);
    part.links(page, rows.len(), scope);
}

/// What is wrong with a partition, in its colour.
pub(super) fn health_pill(health: Health) -> String {
    let mood = match health {
        Health::Good => Mood::Good,
        Health::NotPreferred => Mood::Calm,
        Health::UnderReplicated => Mood::Warn,
        Health::UnderMinIsr | Health::Offline => Mood::Bad,
    };
    pill(mood, health.name())
}
