//! Configurations for tests: one forward from a topic to a receiver, with what a test adds to it. Text only: starts nothing.

use super::kafka::Kafka;

/// The forward's name in every test.
pub(crate) const FORWARD: &str = "f";

/// A configuration of nothing but the cluster.
pub(crate) fn kafka_section(kafka: &Kafka) -> String {
    format!("[kafka]\nbootstrap_servers = {}\n", kafka.bootstrap_toml())
}

/// A configuration in the making.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    before: String,
    forward: String,
    webhook: String,
    after: String,
}

impl Config {
    /// All of `topic`, from its beginning, to `url`, with retries that a test has the time for.
    pub(crate) fn new(kafka: &Kafka, topic: &str, url: &str) -> Self {
        Self {
            before: kafka_section(kafka),
            forward: format!("[[forward]]\nname = {FORWARD:?}\ntopics = [{topic:?}]\nstart = \"earliest\"\n"),
            webhook: format!("[forward.webhook]\nurl = {url:?}\n"),
            after: "[forward.retry]\ninitial = \"50ms\"\nmax = \"500ms\"\n".to_owned(),
        }
    }

    /// Further keys of `[kafka]`.
    pub(crate) fn kafka(mut self, keys: &str) -> Self {
        push(&mut self.before, keys);
        self
    }

    /// Further keys of `[[forward]]`.
    pub(crate) fn forward(mut self, keys: &str) -> Self {
        push(&mut self.forward, keys);
        self
    }

    /// Another `start` than the beginning.
    pub(crate) fn start_at(mut self, start: &str) -> Self {
        self.forward = self.forward.replace("start = \"earliest\"", &format!("start = {start:?}"));
        self
    }

    /// Further keys of `[forward.webhook]`, and its outcomes.
    pub(crate) fn webhook(mut self, keys: &str) -> Self {
        push(&mut self.webhook, keys);
        self
    }

    /// Other waits than a test's usual ones.
    pub(crate) fn retry(mut self, initial: &str, max: &str) -> Self {
        self.after = format!("[forward.retry]\ninitial = {initial:?}\nmax = {max:?}\n");
        self
    }

    /// Further tables.
    pub(crate) fn tables(mut self, text: &str) -> Self {
        push(&mut self.after, text);
        self
    }

    pub(crate) fn text(&self) -> String {
        [&*self.before, &self.forward, &self.webhook, &self.after].concat()
    }
}

fn push(text: &mut String, keys: &str) {
    text.push_str(keys);
    text.push('\n');
}
