//! What could not be seen, as sentences: each once, and not without end. Pure.

use std::collections::BTreeSet;

use crate::kafka::wire::Error;

/// More sentences than this are counted only.
const MOST: usize = 50;

/// The sentences of one poll.
#[derive(Debug, Default)]
pub(super) struct Missing {
    sentences: BTreeSet<String>,
    left_out: usize,
}

impl Missing {
    pub(super) fn say(&mut self, sentence: String) {
        if self.sentences.contains(&sentence) {
            return;
        }
        if self.sentences.len() < MOST {
            self.sentences.insert(sentence);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// `what` is unknown because `broker` answered a request with `error`, or not at all.
    pub(super) fn of_broker(&mut self, broker: i32, what: &str, error: &Error) {
        self.say(format!("{what} of broker {broker}: {error}"));
    }

    /// In alphabetical order, so that two polls that miss the same say the same.
    pub(super) fn sentences(self) -> Vec<String> {
        let mut sentences: Vec<String> = self.sentences.into_iter().collect();
        if self.left_out > 0 {
            sentences.push(format!("and {} more that could not be seen", self.left_out));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_said_once_and_their_number_is_bounded() {
        let mut missing = Missing::default();
        (0..3).for_each(|_| missing.say("again".to_owned()));
        assert_eq!(missing.sentences(), ["again"]);
        let mut missing = Missing::default();
        (0..60).for_each(|number| missing.say(format!("{number}")));
        let sentences = missing.sentences();
        assert_eq!(sentences.len(), MOST + 1);
        assert_eq!(sentences.last().map(String::as_str), Some("and 10 more that could not be seen"));
    }
}
