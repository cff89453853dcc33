//! The page of a broker: whether it answers, whether it can be stopped, what it carries, its disks, and the partitions it
//! has a replica of, the worst first.

use std::fmt::Write;
use std::sync::Arc;

use super::cluster::{disks, load, restart, up};
use super::lists::head;
use super::partition_map::{Health, numbers};
use super::parts::{Kind, Part, Scope, document, end_table, figure, list, row, table};
use super::topic::health_pill;
use super::words::{bytes, decimal, escape, grouped, known, latency, or_unknown, size, skew};
use crate::logic::watch::snapshot::PartitionSeen;
use crate::logic::watch::view::{BrokerView, DirView, LoadView, Restart};

/// The page; none: there is no such broker.
pub(super) fn render(scope: &Scope<'_>, name: &str, part: Part) -> Option<String> {
    let id: i32 = name.parse().ok()?;
    let broker = scope.view.brokers.get(&id)?;
    let mut body = "<section class=\"card\">".to_owned();
    let address = broker.address.as_deref().map(escape).unwrap_or_default();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(body, "<div>{}<span class=\"topics\">{address}</span></div>", up(broker));
    if let Some(error) = &broker.error {
        list(&mut body, "why bad", std::iter::once(error.as_str()));
    }
    stopping(&mut body, broker);
    figures(&mut body, broker, scope.view.controller == Some(id));
    if let Some(load) = &broker.load {
        own_account(&mut body, load);
    }
    let dirs: Vec<&DirView> = scope.view.dirs.iter().filter(|dir| dir.broker == id).collect();
    disks(&mut body, &dirs, None);
    partitions(&mut body, scope, id, part);
    body.push_str("</section>\n");
    Some(document(&format!("broker {id} · "), &head(scope, &format!("broker {id}")), &body))
}

fn stopping(page: &mut String, broker: &BrokerView) {
    let _ = write!(page, "<p>Can be restarted now: {}", restart(&broker.restart));
    if let Restart::Hurts { example, .. } = &broker.restart {
        let _ = write!(page, " would lose their leader or fall below min.insync.replicas, such as {}", escape(example));
    }
    page.push_str("</p>\n");
}

fn figures(page: &mut String, broker: &BrokerView, controller: bool) {
    page.push_str("<dl class=\"first\">");
    if broker.load.is_some() {
        figure(page, "load", load(broker), false);
    }
    figure(page, "leaders", grouped(broker.leaders), false);
    figure(page, "replicas", grouped(broker.replicas), false);
    figure(page, "traffic share", or_unknown(broker.traffic_share_percent, |share| format!("{share:.0} %")), false);
    figure(page, "latency", or_unknown(broker.latency_seconds, latency), false);
    page.push_str("</dl>\n<dl class=\"rest\">");
    figure(page, "leader skew", or_unknown(broker.leader_skew_percent, skew), false);
    figure(page, "replica skew", or_unknown(broker.replica_skew_percent, skew), false);
    figure(page, "messages in per second", or_unknown(broker.best_messages_in_per_second(), decimal), false);
    figure(page, "bytes in per second", or_unknown(broker.best_bytes_in_per_second(), size), false);
    figure(page, "preferred, not leading", grouped(broker.preferred_not_leading), false);
    figure(page, "rack", broker.rack.as_deref().map_or_else(|| "none".to_owned(), escape), false);
    figure(page, "controller", if controller { "yes" } else { "no" }, false);
    page.push_str("</dl>\n");
}

/// What the broker says of itself.
fn own_account(page: &mut String, load: &LoadView) {
    let _ = write!(page, "<h3>By its own account ({})</h3>", load.source);
    let wrong = [load.error.as_deref(), load.replication.sentence(), load.slow.sentence()];
    let wrong: Vec<&str> = wrong.into_iter().flatten().collect();
    if !wrong.is_empty() {
        list(page, "why bad", wrong.into_iter());
    }
    let Some(figures) = load.figures.as_deref() else { return };
    if let Some(note) = figures.load_note {
        let _ = write!(page, "<p class=\"topics\">{}</p>", escape(note));
    }
    let percent = |percent: f64| format!("{percent:.0} %");
    let heap = figures.heap_used_bytes.map(|used| match figures.heap_max_bytes {
        Some(most) => format!("{} of {}", bytes(used), bytes(most)),
        None => bytes(used),
    });
    page.push_str("<dl class=\"rest\">");
    figure(page, "network threads idle", or_unknown(figures.network_idle_percent, percent), false);
    figure(page, "process CPU", or_unknown(figures.process_cpu_percent, percent), false);
    figure(page, "heap", or_unknown(heap, |heap| heap), false);
    figure(page, "requests per second", or_unknown(figures.requests_per_second, decimal), false);
    figure(page, "bytes out per second", or_unknown(figures.bytes_out_per_second, size), false);
    let attention = |count: Option<u64>| count.is_some_and(|count| count > 0);
    let count = figures.under_replicated_partitions;
    figure(page, "under-replicated", known(count), attention(count));
    figure(page, "offline directories", known(figures.offline_log_dirs), attention(figures.offline_log_dirs));
    page.push_str("</dl>\n");
    if figures.request_time_ms.is_empty() {
        return;
    }
    table(page, "requests", &["requests", "half within", "99 of 100 within", "the broker's own work"]);
    for (request, time) in &figures.request_time_ms {
        let cell = |milliseconds: Option<f64>| or_unknown(milliseconds, |milliseconds| latency(milliseconds / 1e3));
        row(page, [(*request).to_owned(), cell(time.p50_ms), cell(time.p99_ms), cell(time.local_p99_ms)]);
    }
    end_table(page);
}

fn partitions(page: &mut String, scope: &Scope<'_>, id: i32, part: Part) {
    let mut rows: Vec<(Health, &Arc<str>, &PartitionSeen)> = Vec::new();
    for (name, topic) in &scope.view.seen.topics {
        let min_insync = scope.view.slow.as_ref().and_then(|slow| slow.min_insync.get(name).copied());
        let held = topic.partitions.iter().filter(|partition| partition.replicas.contains(&id));
        rows.extend(held.map(|partition| (Health::of(partition, min_insync), name, partition)));
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(health, name, partition)| (std::cmp::Reverse(*health), *name, partition.number));
    page.push_str("<h3>Its partitions</h3>");
    table(page, "partitions", &["topic / partition", "state", "it is", "leader", "replicas", "in sync"]);
    for (health, name, partition) in part.of(&rows) {
        let part_in_it = match (partition.leader == Some(id), partition.isr.contains(&id)) {
            (true, _) => "leader",
            (false, true) => "in sync",
            (false, false) => "<span class=\"attention\">not in sync</span>",
        };
        row(
            page,
            [
                format!("{} / {}", scope.link(Kind::Topics, name), partition.number),
                health_pill(*health),
                part_in_it.to_owned(),
                partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
                numbers(&partition.replicas),
                numbers(&partition.isr),
            ],
        );
    }
    end_table(page);
    part.links(page, rows.len(), scope);
}
