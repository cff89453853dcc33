//! The lists of all topics and all groups, the worst first, in parts; and their tables, which the status page shows the
//! beginning of.

use std::sync::Arc;

use super::chart::{Size, chart};
use super::parts::{Kind, Part, Scope, document, end_table, row, status_pill, table};
use super::words::{UNKNOWN, age, bytes, decimal, escape, grouped, known, or_unknown};
use crate::logic::watch::view::{GroupTopicView, GroupView, TopicView};
use crate::status::{groups_worst_first, topics_worst_first};

/// The page of all groups.
pub(super) fn groups(scope: &Scope<'_>, part: Part) -> String {
    let groups = groups_worst_first(scope.view);
    let mut body = "<section class=\"card\">".to_owned();
    groups_table(&mut body, scope, part.of(&groups));
    part.links(&mut body, groups.len(), scope);
    body.push_str("</section>\n");
    document("groups · ", &head(scope, &format!("{} groups", grouped(groups.len()))), &body)
}

/// The page of all topics.
pub(super) fn topics(scope: &Scope<'_>, part: Part) -> String {
    let topics = topics_worst_first(scope.view);
    let mut body = "<section class=\"card\">".to_owned();
    topics_table(&mut body, scope, part.of(&topics));
    part.links(&mut body, topics.len(), scope);
    body.push_str("</section>\n");
    document("topics · ", &head(scope, &format!("{} topics", grouped(topics.len()))), &body)
}

/// The head of every page but the first: the way back, the cluster, and what this is. `what` is markup.
pub(super) fn head(scope: &Scope<'_>, what: &str) -> String {
    let cluster = escape(&scope.cluster.name);
    format!("<h1><a href=\"/\">barnabas</a> <span class=\"topics\">/ {cluster} /</span> {what}</h1>")
}

/// A row a group.
pub(super) fn groups_table(page: &mut String, scope: &Scope<'_>, groups: &[(&Arc<str>, &GroupView)]) {
    table(page, "groups", &["group", "status", "lag", "behind by", "lag over time", "members", "topic"]);
    for (name, group) in groups {
        let seen = scope.view.seen.groups.get(*name);
        let worst = worst_topic(group);
        let members = match seen {
            Some(seen) if seen.group_type == "forward" => "forward".to_owned(),
            Some(seen) => format!("{} <small>{}</small>", known(seen.members), state(seen.state.as_deref())),
            None => UNKNOWN.to_owned(),
        };
        row(
            page,
            [
                scope.link(Kind::Groups, name),
                status_pill(group.status),
                known(group.lag),
                or_unknown(worst.and_then(|(_, place)| place.lag_seconds), age),
                worst.map(|(_, place)| chart(&place.lag_chart, Size::Small, "lag over time")).unwrap_or_default(),
                members,
                match worst {
                    Some((topic, _)) if group.topics.len() > 1 => {
                        format!("{} <small>+{}</small>", scope.link(Kind::Topics, topic), group.topics.len() - 1)
                    }
                    Some((topic, _)) => scope.link(Kind::Topics, topic),
                    None => UNKNOWN.to_owned(),
                },
            ],
        );
    }
    end_table(page);
}

/// The topic of a group that does worst.
fn worst_topic(group: &GroupView) -> Option<(&Arc<str>, &GroupTopicView)> {
    group.topics.iter().max_by_key(|(_, place)| (place.status, place.lag))
}

/// Kafka's word for a group's state, in lower case where that is all it needs.
pub(super) fn state(state: Option<&str>) -> String {
    state.map_or_else(|| UNKNOWN.to_owned(), |state| escape(&state.to_lowercase()))
}

/// A row a topic.
pub(super) fn topics_table(page: &mut String, scope: &Scope<'_>, topics: &[(&Arc<str>, &TopicView)]) {
    let heads = ["topic", "messages per second", "over time", "messages", "bytes", "partitions", "trouble"];
    table(page, "busy", &heads);
    for (name, topic) in topics {
        row(
            page,
            [
                scope.link(Kind::Topics, name),
                or_unknown(topic.messages_in_per_second, decimal),
                chart(&topic.rate_chart, Size::Small, "messages per second over time"),
                known(topic.messages),
                or_unknown(topic.bytes, bytes),
                known(scope.view.seen.topics.get(*name).map(|topic| topic.partitions.len())),
                trouble(topic),
            ],
        );
    }
    end_table(page);
}

/// What is wrong with a topic's partitions, in short.
fn trouble(topic: &TopicView) -> String {
    let counts = [
        (topic.offline, "offline"),
        (topic.under_min_isr.unwrap_or(0), "under min ISR"),
        (topic.under_replicated, "under-replicated"),
    ];
    let said: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if said.is_empty() { "none".to_owned() } else { format!("<span class=\"attention\">{}</span>", said.join(", ")) }
}
