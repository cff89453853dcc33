//! The status page: one HTML document that works without scripts, on a phone, by day and by night. A pure rendering of
//! the status; everything in it that has a name from outside is escaped.

use std::borrow::Cow;
use std::fmt::Write;

use crate::logic::printable::printable;
use crate::status::{ForwardState, ForwardStatus, PartitionStatus, Status};

/// The sheet is part of the page; nothing is loaded from anywhere.
const STYLE: &str = include_str!("page.css");
/// Partitions beyond this are counted, not listed: /api/status has them all.
const MAX_PARTITIONS: usize = 200;
/// A short table of partitions is shown without a click.
const OPEN_PARTITIONS: usize = 12;

/// The whole page.
pub(super) fn render(status: &Status) -> String {
    let mut page = String::with_capacity(16 * 1024);
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"10\">\n<title>{title}barnabas</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header><h1>barnabas</h1><span class=\"state {class}\">{ready}</span>\
         <p>version {version} · up since {since}</p></header>\n<main>\n",
        title = if status.ready { "" } else { "(!) " },
        class = if status.ready { "running" } else { "stalled" },
        ready = if status.ready { "ready" } else { "not ready" },
        version = escape(&status.version),
        since = escape(&to_the_second(&status.started_at)),
    );
    daemon_reasons(&mut page, status);
    for forward in &status.forwards {
        card(&mut page, forward);
    }
    if status.forwards.is_empty() {
        page.push_str("<section class=\"card\"><div>No forward is configured.</div></section>\n");
    }
    page.push_str(
        "</main>\n<footer>Refreshed every 10 seconds · <a href=\"/metrics\">metrics</a> · \
         <a href=\"/api/status\">JSON</a> · <a href=\"/readyz\">readyz</a></footer>\n</body>\n</html>\n",
    );
    page
}

/// What no forward's card says.
fn daemon_reasons(page: &mut String, status: &Status) {
    let of_forwards = |reason: &&String| {
        status.forwards.iter().any(|forward| reason.starts_with(&format!("forward {} is ", forward.name)))
    };
    let own: Vec<&String> = status.reasons.iter().filter(|reason| !of_forwards(reason)).collect();
    if !own.is_empty() {
        page.push_str("<section class=\"card\"><div><h2>Not ready</h2></div>");
        list(page, "why bad", own.iter().map(|reason| reason.as_str()));
        page.push_str("</section>\n");
    }
}

fn card(page: &mut String, forward: &ForwardStatus) {
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
    figure(page, "lag", forward.lag.map_or_else(|| "–".to_owned(), grouped), false);
    figure(page, "pending", grouped(forward.pending), false);
    figure(page, "oldest pending", forward.oldest_pending_seconds.map_or_else(|| "–".to_owned(), duration), false);
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

fn figure(page: &mut String, name: &str, value: impl AsRef<str>, attention: bool) {
    let class = if attention { " class=\"attention\"" } else { "" };
    let _ = write!(page, "<div><dt>{name}</dt><dd{class}>{}</dd></div>", value.as_ref());
}

fn list<'a>(page: &mut String, class: &str, items: impl Iterator<Item = &'a str>) {
    let _ = write!(page, "<ul class=\"{class}\">");
    for item in items {
        let _ = write!(page, "<li>{}</li>", escape(item));
    }
    page.push_str("</ul>\n");
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
            let _ = write!(page, "<td>{}</td>", offset.map_or_else(|| "–".to_owned(), grouped));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>");
    if let Some(more @ 1..) = partitions.len().checked_sub(MAX_PARTITIONS) {
        let _ = write!(page, "<p class=\"topics\">and {more} more in /api/status</p>");
    }
    page.push_str("</details>\n");
}

/// 1234567 → `1 234 567`, with narrow no-break spaces, which no language mistakes for a decimal mark.
fn grouped(number: impl ToString) -> String {
    let number = number.to_string();
    let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Seconds as a person says them: `0.4 s`, `12 s`, `3 min`, `5.2 h`, `4.0 d`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{:.1} s", s.max(0.0)),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

/// `2026-11-21T07:00:00.123Z` → `2026-11-21 07:00:00 UTC`; anything else as it is.
fn to_the_second(time: &str) -> Cow<'_, str> {
    match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) if time.ends_with('Z') => Cow::Owned(format!("{day} {clock} UTC")),
        _ => Cow::Borrowed(time),
    }
}

/// Fit for an element and for a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::moment::Timestamp;
    use tokio::sync::watch;

    fn page(forwards: Vec<ForwardStatus>, reasons: &[&str]) -> String {
        let (publisher, board) = crate::status::board(Timestamp(1_795_244_400_000));
        publisher.set_forwards(forwards.into_iter().map(|forward| watch::channel(forward).1).collect());
        publisher.set_reasons(reasons.iter().map(|reason| (*reason).to_owned()).collect());
        render(&board.status())
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let nasty = "<script>alert(1)</script>\"'&\u{1b}";
        let html = page(
            vec![ForwardStatus {
                name: nasty.into(),
                state: ForwardState::Stalled,
                reasons: vec![nasty.into()],
                topics: vec![nasty.into()],
                partitions: vec![PartitionStatus {
                    topic: nasty.into(),
                    partition: 0,
                    stored: None,
                    fetched: None,
                    end: None,
                }],
                ..ForwardStatus::default()
            }],
            &[nasty],
        );
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\x1b").count(), 5);
    }

    #[test]
    fn the_page_loads_nothing_and_refreshes_itself() {
        let html = page(vec![], &[]);
        for absent in ["src=", "http://", "https://", "url(", "@import", "<script"] {
            assert!(!html.contains(absent), "{absent}");
        }
        assert!(html.contains("http-equiv=\"refresh\" content=\"10\""));
        assert!(html.contains("No forward is configured"));
    }

    #[test]
    fn a_reason_is_said_once() {
        let forward = ForwardStatus {
            name: "a".into(),
            state: ForwardState::Suspended,
            reasons: vec!["401 from the endpoint".into()],
            ..ForwardStatus::default()
        };
        let html = page(vec![forward], &["the state cannot be written"]);
        assert_eq!(html.matches("401 from the endpoint").count(), 1);
        assert_eq!(html.matches("the state cannot be written").count(), 1);
        assert!(html.contains("<title>(!) barnabas"));
    }

    #[test]
    fn numbers_and_times_for_people() {
        for (number, text) in
            [(0_i64, "0"), (999, "999"), (1000, "1\u{202f}000"), (-1_234_567, "-1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), text);
        }
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (-1.0, "0.0 s"),
            (9.94, "9.9 s"),
            (59.6, "60 s"),
            (180.0, "3 min"),
            (18_720.0, "5.2 h"),
            (345_600.0, "4.0 d"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(to_the_second("2026-11-21T07:00:00.123Z"), "2026-11-21 07:00:00 UTC");
        assert_eq!(to_the_second("yesterday"), "yesterday");
    }
}
