//! The pages for people: HTML documents that work without scripts, on a phone, by day and by night. A pure rendering of
//! what is on the board; everything in them that has a name from outside is escaped, and everything long is bounded.

mod alerts;
mod broker;
mod chart;
mod cluster;
mod forward;
mod group;
mod lists;
mod overview;
mod partition_map;
mod parts;
mod topic;
mod words;

use parts::{Kind, Part, Scope, document};
use words::{escape, percent_decoded};

use crate::logic::moment::Timestamp;
use crate::status::{ClusterPublication, StatusBoard};

/// A page, and whether what it was asked for exists.
#[derive(Debug)]
pub(super) enum Page {
    Found(String),
    Missing(String),
}

/// The page at `path`; none: there are no pages there.
pub(super) fn page(path: &str, query: Option<&str>, board: &StatusBoard, now: Timestamp) -> Option<Page> {
    if path == "/" {
        return Some(Page::Found(overview::render(board, now)));
    }
    let path = path.strip_prefix('/')?;
    let (word, name) = path.split_once('/').map_or((path, None), |(word, name)| (word, Some(name)));
    let kind = [Kind::Topics, Kind::Groups, Kind::Brokers].into_iter().find(|kind| kind.path() == word)?;
    let name = name.filter(|name| !name.is_empty());
    let asked = Asked { kind, name: name.map(percent_decoded), query: query.unwrap_or_default(), now };
    let clusters = board.clusters();
    Some(asked.render(&clusters).map_or_else(|| Page::Missing(asked.missing(&clusters)), Page::Found))
}

/// What a page about clusters was asked for.
struct Asked<'a> {
    kind: Kind,
    /// None: all of the kind. None inside: no name can be read from the path.
    name: Option<Option<String>>,
    query: &'a str,
    now: Timestamp,
}

impl Asked<'_> {
    /// None: there is nothing of this name.
    fn render(&self, clusters: &[ClusterPublication]) -> Option<String> {
        let wanted = self.parameter("cluster");
        let part = Part(self.parameter("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1));
        let several = clusters.len() > 1;
        let mut scopes = clusters
            .iter()
            .filter(|cluster| wanted.as_ref().is_none_or(|wanted| *wanted == cluster.name))
            .filter_map(|cluster| Some(Scope { cluster, view: cluster.view.as_deref()?, several, now: self.now }));
        match (&self.name, self.kind) {
            (Some(None), _) | (None, Kind::Brokers) => None,
            (None, Kind::Topics) => scopes.next().map(|scope| lists::topics(&scope, part)),
            (None, Kind::Groups) => scopes.next().map(|scope| lists::groups(&scope, part)),
            (Some(Some(name)), Kind::Topics) => scopes.find_map(|scope| topic::render(&scope, name, part)),
            (Some(Some(name)), Kind::Groups) => scopes.find_map(|scope| group::render(&scope, name, part)),
            (Some(Some(name)), Kind::Brokers) => scopes.find_map(|scope| broker::render(&scope, name, part)),
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| percent_decoded(value))
    }

    fn missing(&self, clusters: &[ClusterPublication]) -> String {
        let what = match &self.name {
            Some(Some(name)) => format!("no {} {}", self.kind.one(), escape(name)),
            Some(None) | None => format!("no such list of {}", self.kind.path()),
        };
        let place = match (self.parameter("cluster"), clusters) {
            _ if clusters.is_empty() => "no cluster is watched".to_owned(),
            (Some(cluster), _) => format!("not in cluster {}", escape(&cluster)),
            (None, _) => "not in a watched cluster".to_owned(),
        };
        let body = format!(
            "<section class=\"card\"><div><h2>There is {what}</h2></div><p>At least {place}: it may be gone, left out by \
             [monitor], or not have been seen yet. <a href=\"/\">Back to all</a></p></section>\n"
        );
        document("not found · ", "<h1><a href=\"/\">barnabas</a></h1>", &body)
    }
}

#[cfg(test)]
mod tests;
