//! The status page: what is wrong now, the forwards, then each watched cluster.

use std::fmt::Write;

use super::parts::{Mood, Scope, document, pill};
use super::words::{escape, to_the_second};
use super::{alerts, cluster, forward};
use crate::logic::moment::Timestamp;
use crate::status::{Status, StatusBoard};

/// The whole page.
pub(super) fn render(board: &StatusBoard, now: Timestamp) -> String {
    let status = board.status_without_monitor();
    let clusters = board.clusters();
    let several = clusters.len() > 1;
    let scopes: Vec<Scope<'_>> = clusters
        .iter()
        .filter_map(|cluster| Some(Scope { cluster, view: cluster.view.as_deref()?, several, now }))
        .collect();
    let mut body = String::with_capacity(64 * 1024);
    alerts::render(&mut body, &status, &own_reasons(&status), &scopes, now);
    for forward in &status.forwards {
        forward::card(&mut body, forward);
    }
    if status.forwards.is_empty() && clusters.is_empty() {
        body.push_str(
            "<section class=\"card\"><div>No forward is configured, and no cluster is watched.</div></section>\n",
        );
    }
    for published in &clusters {
        cluster::render(&mut body, published, several, now);
    }
    let firing = status.alerts.iter().filter(|alert| alert.wants_attention()).count();
    let title = match (status.ready, firing) {
        (true, 0) => String::new(),
        (false, 0) => "(!) ".to_owned(),
        (_, firing) => format!("({firing}) "),
    };
    document(&title, &head(&status), &body)
}

fn head(status: &Status) -> String {
    let ready = if status.ready { pill(Mood::Good, "ready") } else { pill(Mood::Bad, "not ready") };
    let mut head = format!("<h1>barnabas</h1>{ready}");
    // Writing to a String cannot fail.
    let _ = write!(
        head,
        "<p>version {} · up since {}</p>",
        escape(&status.version),
        escape(&to_the_second(&status.started_at))
    );
    head
}

/// What no card of a forward, a cluster or a channel says.
fn own_reasons(status: &Status) -> Vec<&str> {
    let begins = |reason: &str, kind: &str, name: &str, verb: &str| {
        reason.strip_prefix(kind).and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(verb))
    };
    let said = |reason: &str| {
        status.forwards.iter().any(|forward| begins(reason, "forward ", &forward.name, " is "))
            || status.channels.iter().any(|channel| begins(reason, "channel ", &channel.name, " is failing"))
    };
    status.reasons.iter().map(String::as_str).filter(|reason| !said(reason)).collect()
}
