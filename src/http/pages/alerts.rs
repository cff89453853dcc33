//! What is wrong now, at the top of the status page: alerts that a person must look at, then what no alert says, then
//! what is silenced, explained or only about to be wrong.

use std::fmt::Write;

use super::parts::{Kind, Mood, Scope, list, pill};
use super::words::{duration, escape, plural, seconds_since, to_the_second};
use crate::logic::alert::Severity;
use crate::logic::moment::Timestamp;
use crate::status::{AlertState, AlertStatus, ChannelStatus, SilenceStatus, Status};

/// Alerts that the page shows at most; the rest is counted.
const MAX_SHOWN: usize = 50;

/// The card; `reasons` are those that nothing else on the page says.
pub(super) fn render(page: &mut String, status: &Status, reasons: &[&str], scopes: &[Scope<'_>], now: Timestamp) {
    let (urgent, rest): (Vec<&AlertStatus>, Vec<&AlertStatus>) =
        status.alerts.iter().partition(|alert| alert.wants_attention());
    let failing: Vec<&ChannelStatus> = status.channels.iter().filter(|channel| channel.failing).collect();
    if status.alerts.is_empty() && reasons.is_empty() && failing.is_empty() && status.silences.is_empty() {
        if !scopes.is_empty() || !status.channels.is_empty() {
            page.push_str("<p class=\"calmly\">No alert fires.</p>\n");
        }
        return;
    }
    page.push_str("<section class=\"card\"><div><h2>");
    // Writing to a String cannot fail, here and below.
    let _ = match urgent.len() + status.alerts_left_out {
        0 => write!(page, "No alert needs you"),
        count => write!(page, "{count} alert{} firing", plural(count)),
    };
    page.push_str("</h2></div>\n");
    if !reasons.is_empty() {
        list(page, "why bad", reasons.iter().copied());
    }
    for channel in failing {
        let error = channel.error.as_deref().unwrap_or("its last notice was not taken");
        let _ = writeln!(
            page,
            "<p class=\"why bad\">Nobody is told over channel {}: {} ({} waiting)</p>",
            escape(&channel.name),
            escape(error),
            channel.waiting
        );
    }
    alerts(page, &urgent, scopes, now);
    quiet(page, &rest, &status.silences, scopes, now);
    page.push_str("</section>\n");
}

/// What needs nobody at present, behind a click.
fn quiet(page: &mut String, rest: &[&AlertStatus], silences: &[SilenceStatus], scopes: &[Scope<'_>], now: Timestamp) {
    if !rest.is_empty() {
        let _ = write!(page, "<details><summary>{} silenced, explained by another, or pending</summary>", rest.len());
        alerts(page, rest, scopes, now);
        page.push_str("</details>\n");
    }
    if !silences.is_empty() {
        page.push_str("<p class=\"topics\">Silenced: ");
        for (index, silence) in silences.iter().take(MAX_SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(page, "{comma}{} until {}", escape(&silence.name), escape(&to_the_second(&silence.until)));
        }
        page.push_str("</p>\n");
    }
}

fn alerts(page: &mut String, alerts: &[&AlertStatus], scopes: &[Scope<'_>], now: Timestamp) {
    if alerts.is_empty() {
        return;
    }
    page.push_str("<ul class=\"alerts\">");
    for alert in alerts.iter().take(MAX_SHOWN) {
        one(page, alert, scopes, now);
    }
    page.push_str("</ul>\n");
    if let Some(more @ 1..) = alerts.len().checked_sub(MAX_SHOWN) {
        let _ = write!(page, "<p class=\"topics\">and {more} more in /api/status</p>");
    }
}

fn one(page: &mut String, alert: &AlertStatus, scopes: &[Scope<'_>], now: Timestamp) {
    let mood = match alert.severity {
        Severity::Info => Mood::Calm,
        Severity::Warning => Mood::Warn,
        Severity::Critical => Mood::Bad,
    };
    let summary = if alert.summary.is_empty() { &alert.name } else { &alert.summary };
    let _ = write!(page, "<li><p>{} {}</p><p class=\"topics\">", pill(mood, alert.severity.name()), escape(summary));
    let _ = match seconds_since(&alert.since, now) {
        Some(seconds) => write!(page, "for {}, since {}", duration(seconds), escape(&to_the_second(&alert.since))),
        None => write!(page, "since {}", escape(&alert.since)),
    };
    let _ = write!(page, " · rule {}", escape(&alert.name));
    if !alert.value_text.is_empty() {
        let _ = write!(page, " · now {}", escape(&alert.value_text));
    }
    labels(page, alert, scopes);
    if alert.state == AlertState::Pending {
        page.push_str(" · pending");
    }
    if let Some(until) = &alert.silenced_until {
        let _ = write!(page, " · silenced until {}", escape(&to_the_second(until)));
    }
    if let Some(cause) = &alert.explained_by {
        let _ = write!(page, " · explained by {}", escape(cause));
    }
    if alert.wants_attention() {
        let told: Vec<String> = alert.told.iter().map(|channel| escape(channel)).collect();
        let _ = match told.as_slice() {
            [] => write!(page, " · nobody was told yet"),
            told => write!(page, " · told: {}", told.join(", ")),
        };
    }
    page.push_str("</p></li>\n");
}

/// The labels, those with a page as links to it.
fn labels(page: &mut String, alert: &AlertStatus, scopes: &[Scope<'_>]) {
    let cluster = alert.labels.get("cluster");
    let scope = scopes.iter().find(|scope| cluster.is_none_or(|cluster| *cluster == scope.cluster.name));
    for (label, value) in &alert.labels {
        let kind = [Kind::Topics, Kind::Groups, Kind::Brokers].into_iter().find(|kind| kind.one() == label);
        let shown = match (kind, scope) {
            (Some(kind), Some(scope)) => scope.link(kind, value),
            _ => escape(value),
        };
        if label != "cluster" || scopes.len() > 1 {
            let _ = write!(page, " · {} {shown}", escape(label));
        }
    }
}
