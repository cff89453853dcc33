//! What the pages are made of: the frame, figures, lists, the state of something, links to other pages, and long tables
//! in parts.

use std::fmt::{Display, Write};

use super::words::{UNKNOWN, escape, grouped, percent_encoded, plural};
use crate::logic::moment::Timestamp;
use crate::logic::watch::ClusterView;
use crate::logic::watch::view::GroupStatus;
use crate::status::ClusterPublication;

/// The sheet is part of the page; nothing is loaded from anywhere.
const STYLE: &str = include_str!("page.css");
/// Rows of a long table that one page shows.
pub(super) const ROWS: usize = 200;
/// A longer name has no link: no request could carry it.
const LONGEST_LINK: usize = 2000;

/// A cluster as a page shows it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) cluster: &'a ClusterPublication,
    pub(super) view: &'a ClusterView,
    /// Links must say which cluster they mean.
    pub(super) several: bool,
    pub(super) now: Timestamp,
}

/// What there are pages of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topics,
    Groups,
    Brokers,
}

impl Kind {
    /// The word in the path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Groups => "groups",
            Self::Brokers => "brokers",
        }
    }

    /// The word for one of them.
    pub(super) fn one(self) -> &'static str {
        match self {
            Self::Topics => "topic",
            Self::Groups => "group",
            Self::Brokers => "broker",
        }
    }
}

impl Scope<'_> {
    /// A link to the page of something in this cluster; only its name where that is too long for one.
    pub(super) fn link(&self, kind: Kind, name: impl Display) -> String {
        let name = name.to_string();
        if name.len() > LONGEST_LINK || name.is_empty() {
            return escape(&name);
        }
        format!("<a href=\"/{}/{}{}\">{}</a>", kind.path(), percent_encoded(&name), self.query(), escape(&name))
    }

    /// A link to the list of all of a kind.
    pub(super) fn link_to_all(&self, kind: Kind, text: &str) -> String {
        format!("<a href=\"/{}{}\">{}</a>", kind.path(), self.query(), escape(text))
    }

    fn query(&self) -> String {
        if self.several { format!("?cluster={}", percent_encoded(&self.cluster.name)) } else { String::new() }
    }
}

/// The whole page around `body`.
pub(super) fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"10\">\n<title>{title}barnabas</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header>{head}</header>\n<main>\n{body}</main>\n<footer>Refreshed every 10 seconds · \
         <a href=\"/metrics\">metrics</a> · <a href=\"/api/status\">JSON</a> · <a href=\"/readyz\">readyz</a></footer>\n\
         </body>\n</html>\n"
    )
}

/// How something is, as a colour; the word beside it says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Calm,
    Warn,
    Bad,
}

impl Mood {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A word in its colour.
pub(super) fn pill(mood: Mood, word: &str) -> String {
    format!("<span class=\"state {}\">{}</span>", mood.class(), escape(word))
}

/// A group's status, and what that means.
pub(super) fn status_pill(status: GroupStatus) -> String {
    let mood = match status {
        GroupStatus::Ok => Mood::Good,
        GroupStatus::Warning => Mood::Warn,
        GroupStatus::Stall | GroupStatus::Rewind | GroupStatus::Stop => Mood::Bad,
    };
    format!("<span class=\"state {}\" title=\"{}\">{}</span>", mood.class(), meaning(status), status.name())
}

/// A group's status in a sentence.
pub(super) fn meaning(status: GroupStatus) -> &'static str {
    match status {
        GroupStatus::Ok => "It keeps up, or has nothing to do.",
        GroupStatus::Warning => "It commits, and falls behind all the same.",
        GroupStatus::Stall => "It has members, and does not move.",
        GroupStatus::Rewind => "It went back to older offsets.",
        GroupStatus::Stop => "It commits no more.",
    }
}

/// A figure under its name.
pub(super) fn figure(page: &mut String, name: &str, value: impl AsRef<str>, attention: bool) {
    let class = if attention { " class=\"attention\"" } else { "" };
    // Writing to a String cannot fail, here and below.
    let _ = write!(page, "<div><dt>{name}</dt><dd{class}>{}</dd></div>", value.as_ref());
}

/// A count that should be zero.
pub(super) fn trouble(page: &mut String, name: &str, count: Option<u32>) {
    let text = count.map_or_else(|| UNKNOWN.to_owned(), grouped);
    figure(page, name, text, count.is_some_and(|count| count > 0));
}

/// Sentences from outside, an item each.
pub(super) fn list<'a>(page: &mut String, class: &str, items: impl Iterator<Item = &'a str>) {
    let _ = write!(page, "<ul class=\"{class}\">");
    for item in items {
        let _ = write!(page, "<li>{}</li>", escape(item));
    }
    page.push_str("</ul>\n");
}

/// Begins a table that scrolls where it is too wide.
pub(super) fn table(page: &mut String, class: &str, heads: &[&str]) {
    let _ = write!(page, "<div class=\"scroll\"><table class=\"{class}\"><tr>");
    for head in heads {
        let _ = write!(page, "<th>{head}</th>");
    }
    page.push_str("</tr>\n");
}

pub(super) fn end_table(page: &mut String) {
    page.push_str("</table></div>\n");
}

/// A row; the cells are markup already.
pub(super) fn row<C: AsRef<str>>(page: &mut String, cells: impl IntoIterator<Item = C>) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{}</td>", cell.as_ref());
    }
    page.push_str("</tr>\n");
}

/// Which part of a long table a page shows; parts count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part(pub(super) usize);

impl Part {
    /// The rows of this part, of all rows.
    pub(super) fn of<T>(self, rows: &[T]) -> &[T] {
        let first = self.0.saturating_sub(1).saturating_mul(ROWS);
        rows.get(first..).map_or(&[][..], |rest| rest.get(..ROWS).unwrap_or(rest))
    }

    /// Links to the other parts, where there are any.
    pub(super) fn links(self, page: &mut String, count: usize, scope: &Scope<'_>) {
        let parts = count.div_ceil(ROWS);
        if parts <= 1 {
            return;
        }
        let query = scope.query();
        let begin = if query.is_empty() { "?".to_owned() } else { format!("{query}&amp;") };
        let _ = write!(page, "<p class=\"parts\">{} row{}, part {} of {parts}", grouped(count), plural(count), self.0);
        for (word, part) in
            [("first", 1), ("previous", self.0.saturating_sub(1)), ("next", self.0 + 1), ("last", parts)]
        {
            if (1..=parts).contains(&part) && part != self.0 {
                let _ = write!(page, " · <a href=\"{begin}page={part}\">{word}</a>");
            }
        }
        page.push_str("</p>\n");
    }
}
