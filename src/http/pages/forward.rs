//! A forward's card on the status page.

use std::fmt::Write;

use super::parts::{figure, list};
use super::words::{UNKNOWN, duration, escape, grouped};
use crate::status::{ForwardState, ForwardStatus, PartitionStatus};

/// Partitions beyond this are counted, not listed: /api/status has them all.
const MAX_PARTITIONS: usize = 200;
/// A short table of partitions is shown without a click.
const OPEN_PARTITIONS: usize = 12;

/// What a forward does, why not, and how far it has come.
pub(super) fn card(page: &mut String, forward: &ForwardStatus) {
    let _ = writeln!(
        page,
        "<section class=\"card\"><div><h2>{}</h2><span class=\"state {state}\">{state}</span>\
         <span class=\"topics\">{}</span></div>",
        escape(&forward.name),
        escape(&forward.topics.join(", ")),
        state = forward.state.name(),
    );
    if !forward.reasons.is_empty() {
        let class = match forward.state {
            ForwardState::Suspended | ForwardState::Stalled => "why bad",
            ForwardState::Starting | ForwardState::Running => "why",
            ForwardState::Paused => "why calm",
        };
        list(page, class, forward.reasons.iter().map(String::as_str));
    }
    page.push_str("<dl class=\"first\">");
    figure(page, "lag", forward.lag.map_or_else(|| UNKNOWN.to_owned(), grouped), false);
    figure(page, "pending", grouped(forward.pending), false);
    figure(page, "oldest pending", forward.oldest_pending_seconds.map_or_else(|| UNKNOWN.to_owned(), duration), false);
    figure(page, "delivered", grouped(forward.delivered), false);
    page.push_str("</dl>\n<dl class=\"rest\">");
    for (name, value, attention) in [
        ("in flight", forward.in_flight, false),
        ("consumed", forward.consumed, false),
        ("filtered", forward.filtered, false),
        ("skipped", forward.skipped, false),
        ("dropped", forward.dropped, false),
        ("dead-lettered", forward.dead_lettered, false),
        ("letters waiting", forward.dead_letters_waiting, forward.dead_letters_waiting > 0),
        ("retries", forward.retries, false),
        ("lost offsets", forward.lost_offsets, forward.lost_offsets > 0),
    ] {
        figure(page, name, grouped(value), attention);
    }
    page.push_str("</dl>\n");
    partitions(page, &forward.partitions);
    page.push_str("</section>\n");
}

fn partitions(page: &mut String, partitions: &[PartitionStatus]) {
    if partitions.is_empty() {
        return;
    }
    let open = if partitions.len() <= OPEN_PARTITIONS { " open" } else { "" };
    let _ = writeln!(
        page,
        "<details{open}><summary>{} partition{}</summary><div class=\"scroll\"><table>\
         <tr><th>topic / partition</th><th>lag</th><th>stored</th><th>fetched</th><th>end</th></tr>",
        partitions.len(),
        if partitions.len() == 1 { "" } else { "s" },
    );
    for partition in partitions.iter().take(MAX_PARTITIONS) {
        let lag = partition.end.zip(partition.stored).map(|(end, stored)| end.saturating_sub(stored).max(0));
        let _ = write!(page, "<tr><td>{} / {}</td>", escape(&partition.topic), partition.partition);
        for offset in [lag, partition.stored, partition.fetched, partition.end] {
            let _ = write!(page, "<td>{}</td>", offset.map_or_else(|| UNKNOWN.to_owned(), grouped));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>");
    if let Some(more @ 1..) = partitions.len().checked_sub(MAX_PARTITIONS) {
        let _ = write!(page, "<p class=\"topics\">and {more} more in /api/status</p>");
    }
    page.push_str("</details>\n");
}
