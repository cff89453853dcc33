//! Where each key of the file stands, so that what is checked after loading (jq programs, topic patterns, files) is
//! reported like what is checked while loading. Knows places, not what they mean.

use std::ops::Range;

use litemap::LiteMap;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::source::Source;

/// The places of all keys of one file.
#[derive(Clone, Debug)]
pub struct Locations {
    source: Source,
    root: Node,
    /// Index of each `[[forward]]` in the file by its name.
    forwards: LiteMap<String, usize>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    span: Range<usize>,
    children: LiteMap<String, Node>,
}

impl Locations {
    pub(super) fn new(source: Source, table: &DeTable<'_>, forwards: LiteMap<String, usize>) -> Self {
        Self { source, root: Node { span: 0..0, children: children_of_table(table) }, forwards }
    }

    /// An error at the value of a key. `path` names the tables down to it: `["forward", NAME, "filter"]`,
    /// `["forward", NAME, "webhook", "outcome", "0", "when"]`, `["clusters", NAME, "tls", "ca_file"]`. Elements of
    /// arrays go by their index. Where the file does not have the key, the error is at the nearest table around it.
    pub fn error_at(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        let span = self.node(path).span.clone();
        ConfigError { problems: vec![self.source.problem(span, message.into(), None)] }
    }

    /// As `error_at`, at a byte of the string that the key has, such as the place in a jq program where it goes
    /// wrong. Where escapes or `${…}` make the string differ from what is written, the error is at the whole string.
    pub fn error_within(&self, path: &[&str], offset: usize, message: impl Into<String>) -> ConfigError {
        let span = self.node(path).span.clone();
        let place = self.source.content_of_string(&span).filter(|content| offset <= content.len());
        let span = place.map_or(span, |content| {
            let start = content.start + offset;
            start..(start + 1).min(content.end)
        });
        ConfigError { problems: vec![self.source.problem(span, message.into(), None)] }
    }

    fn node(&self, path: &[&str]) -> &Node {
        let mut node = &self.root;
        for step in self.in_the_file(path) {
            match node.children.get(&step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// Forwards go by their name for people and by their index in the file; `[kafka]` is the cluster "default".
    fn in_the_file(&self, path: &[&str]) -> Vec<String> {
        let mut steps: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        match path {
            ["forward", name, ..] => {
                if let (Some(index), Some(step)) = (self.forwards.get(*name), steps.get_mut(1)) {
                    *step = index.to_string();
                }
            }
            ["clusters", "default", rest @ ..] if self.root.children.contains_key("kafka") => {
                steps = std::iter::once("kafka").chain(rest.iter().copied()).map(str::to_owned).collect();
            }
            _ => {}
        }
        steps
    }
}

fn children_of_table(table: &DeTable<'_>) -> LiteMap<String, Node> {
    let node = |value: &toml::Spanned<DeValue<'_>>| Node { span: value.span(), children: children_of(value.get_ref()) };
    table.iter().map(|(key, value)| (key.get_ref().to_string(), node(value))).collect()
}

fn children_of(value: &DeValue<'_>) -> LiteMap<String, Node> {
    match value {
        DeValue::Table(table) => children_of_table(table),
        DeValue::Array(array) => {
            let node = |element: &toml::Spanned<DeValue<'_>>| Node {
                span: element.span(),
                children: children_of(element.get_ref()),
            };
            array.iter().enumerate().map(|(index, element)| (index.to_string(), node(element))).collect()
        }
        _ => LiteMap::new(),
    }
}
