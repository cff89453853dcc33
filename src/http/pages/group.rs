//! The page of a group: how it does, its lag over time by topic, and its place in each partition, the worst first.

use std::fmt::Write;
use std::sync::Arc;

use super::chart::{Size, chart, greatest};
use super::lists::{head, state};
use super::parts::{Kind, Part, Scope, document, end_table, figure, meaning, row, status_pill, table};
use super::words::{UNKNOWN, age, decimal, duration, escape, grouped, known, or_unknown, seconds_between};
use crate::logic::watch::view::{GroupPartitionView, GroupTopicView, GroupView};

/// Topics with a chart, the worst first.
const MAX_CHARTS: usize = 12;

/// The page; none: there is no such group.
pub(super) fn render(scope: &Scope<'_>, name: &str, part: Part) -> Option<String> {
    let (group, seen) = (scope.view.groups.get(name)?, scope.view.seen.groups.get(name)?);
    let mut topics: Vec<(&Arc<str>, &GroupTopicView)> = group.topics.iter().collect();
    topics.sort_by_key(|(_, place)| std::cmp::Reverse((place.status, place.lag)));
    let mut body = "<section class=\"card\">".to_owned();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        body,
        "<div>{}<span class=\"topics\">{}</span></div>",
        status_pill(group.status),
        meaning(group.status)
    );
    figures(&mut body, scope, group, &topics);
    body.push_str("<dl class=\"rest\">");
    figure(&mut body, "state", state(seen.state.as_deref()), false);
    figure(&mut body, "type", escape(&seen.group_type), false);
    figure(&mut body, "members", known(seen.members), false);
    let coordinator = seen.coordinator.map_or_else(|| UNKNOWN.to_owned(), |broker| scope.link(Kind::Brokers, broker));
    figure(&mut body, "coordinator", coordinator, false);
    body.push_str("</dl>\n");
    if seen.committed.is_none() {
        body.push_str("<p class=\"why\">Its coordinator could not tell what it committed.</p>\n");
    }
    for (topic, place) in topics.iter().take(MAX_CHARTS) {
        over_time(&mut body, scope, topic, place);
    }
    partitions(&mut body, scope, &topics, part);
    body.push_str("</section>\n");
    let what = if seen.group_type == "forward" { "forward" } else { "group" };
    Some(document(&format!("{} · ", escape(name)), &head(scope, &format!("{what} {}", escape(name))), &body))
}

fn figures(page: &mut String, scope: &Scope<'_>, group: &GroupView, topics: &[(&Arc<str>, &GroupTopicView)]) {
    let oldest = topics.iter().filter_map(|(_, place)| place.lag_seconds);
    let oldest = oldest.max_by(|one, other| one.value.total_cmp(&other.value));
    page.push_str("<dl class=\"first\">");
    let bound = if topics.iter().all(|(_, place)| place.complete) { "" } else { "at least " };
    figure(page, "lag", group.lag.map_or_else(|| UNKNOWN.to_owned(), |lag| format!("{bound}{}", grouped(lag))), false);
    let behind = or_unknown(oldest, |seconds| match seconds.error.is_finite() {
        true => format!("{} <small>± {}</small>", age(seconds), duration(seconds.error)),
        false => age(seconds),
    });
    figure(page, "oldest unread", behind, false);
    figure(page, "topics", grouped(topics.len()), false);
    let moved = topics.iter().filter_map(|(name, _)| scope.view.topics.get(*name)?.messages_in_per_second);
    let moved = moved.fold(None, |sum: Option<f64>, rate| Some(sum.unwrap_or(0.0) + rate));
    figure(page, "written per second", or_unknown(moved, decimal), false);
    page.push_str("</dl>\n");
}

fn over_time(page: &mut String, scope: &Scope<'_>, topic: &Arc<str>, place: &GroupTopicView) {
    let drawn = chart(&place.lag_chart, Size::Large, "lag over time");
    if drawn.is_empty() {
        return;
    }
    let first = scope.view.chart_times.len().saturating_sub(place.lag_chart.len());
    let hours = scope.view.chart_times.get(first).map(|first| duration(seconds_between(*first, scope.now)));
    let _ = writeln!(
        page,
        "<h3>Lag in {}</h3><p class=\"topics\">now {}, at most {} in the last {}</p>{drawn}",
        scope.link(Kind::Topics, topic),
        known(place.lag),
        grouped(format!("{:.0}", greatest(&place.lag_chart))),
        hours.unwrap_or_else(|| UNKNOWN.to_owned()),
    );
}

fn partitions(page: &mut String, scope: &Scope<'_>, topics: &[(&Arc<str>, &GroupTopicView)], part: Part) {
    let mut rows: Vec<(&Arc<str>, &GroupPartitionView)> =
        topics.iter().flat_map(|(topic, place)| place.partitions.iter().map(move |at| (*topic, at))).collect();
    if rows.is_empty() {
        page.push_str("<p class=\"topics\">It committed nothing that is known.</p>\n");
        return;
    }
    rows.sort_by(|(one_topic, one), (other_topic, other)| {
        let worse = (other.status, other.lag).cmp(&(one.status, one.lag));
        worse.then_with(|| (one_topic, one.partition).cmp(&(other_topic, other.partition)))
    });
    page.push_str("<h3>Partitions</h3>");
    table(page, "partitions", &["topic / partition", "status", "lag", "behind by", "committed", "latest"]);
    for (topic, at) in part.of(&rows) {
        let seen = scope.view.seen.topics.get(*topic);
        let latest = seen.and_then(|topic| {
            let index = topic.partitions.binary_search_by_key(&at.partition, |partition| partition.number).ok()?;
            topic.partitions.get(index)?.latest
        });
        row(
            page,
            [
                format!("{} / {}", scope.link(Kind::Topics, topic), at.partition),
                status_pill(at.status),
                known(at.lag),
                or_unknown(at.lag_seconds, |seconds| duration(f64::from(seconds))),
                grouped(at.committed),
                known(latest),
            ],
        );
    }
    end_table(page);
    part.links(page, rows.len(), scope);
}
