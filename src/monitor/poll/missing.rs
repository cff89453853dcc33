//! What could not be seen, as sentences: each once, and not without end. Pure.
//!
//! Two polls that miss the same say the same, word for word, since each change is told: so there is no count in a
//! sentence, and no time that was measured.

use crate::kafka::wire::Error;
use crate::logic::sorted_set::SortedSet;

/// More sentences than this are left out: the last in the alphabet, in whatever order they came.
const MOST: usize = 50;
/// Stands for those.
const MORE: &str = "and more that could not be seen";

/// The sentences of one poll.
#[derive(Debug, Default)]
pub(super) struct Missing {
    sentences: SortedSet<String>,
    left_out: bool,
}

impl Missing {
    pub(super) fn say(&mut self, sentence: String) {
        self.sentences.insert(sentence);
        if self.sentences.len() > MOST {
            self.sentences.pop_last();
            self.left_out = true;
        }
    }

    /// `what` is unknown because `broker` answered a request with `error`, or not at all.
    pub(super) fn of_broker(&mut self, broker: i32, what: &str, error: &Error) {
        self.say(format!("{what} of broker {broker}: {error}"));
    }

    /// In alphabetical order.
    pub(super) fn sentences(self) -> Vec<String> {
        let mut sentences: Vec<String> = self.sentences.into_iter().collect();
        if self.left_out {
            sentences.push(MORE.to_owned());
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(sentences: impl Iterator<Item = usize>) -> Vec<String> {
        let mut missing = Missing::default();
        sentences.for_each(|number| missing.say(format!("{number:03}")));
        missing.sentences()
    }

    #[test]
    fn a_sentence_is_said_once_and_their_number_is_bounded() {
        assert_eq!(say([7, 7, 7].into_iter()), ["007"]);
        let sentences = say(0..60);
        assert_eq!((sentences.len(), sentences.last().map(String::as_str)), (MOST + 1, Some(MORE)));
    }

    #[test]
    fn what_is_said_depends_neither_on_the_order_nor_on_how_much_is_left_out() {
        let said = say(0..60);
        assert_eq!(say((0..60).rev()), said);
        assert_eq!(say((0..200).rev()), said, "140 more");
        assert_eq!(say((0..60).chain(0..60)), said);
    }
}
