//! Which topics a forward reads: a name, a glob, or a regular expression, as written in the configuration.
//!
//! Pure: what topics there are, it is told. The characters and the length that a topic's name may have are Kafka's
//! (org.apache.kafka.common.internals.Topic).

use std::fmt;

use regex_lite::Regex;

use crate::logic::glob::glob_matches;

const LONGEST_NAME: usize = 249;
/// Kafka's own topics. A pattern that matches everything does not mean them.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// A topic, or some.
#[derive(Clone, Debug)]
pub enum TopicPattern {
    /// The topic of this name, also an internal one.
    Name(String),
    /// Topics that match this text, in which `*` stands for any characters and `?` for one.
    Glob(String),
    /// Topics whose whole name matches.
    Regex(Regex),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicPatternError {
    /// There is nothing in it.
    Empty,
    /// Kafka has no topics with names of that length.
    TooLong,
    /// `.` and `..` are no names.
    Dots,
    /// A character that Kafka's topics cannot have, and that is not `*` or `?` either.
    Character(char),
    /// It begins with a slash and does not end with one.
    OpenRegex,
    /// The regular expression is wrong, in the words of the library.
    Regex(String),
}

impl TopicPattern {
    /// Reads a pattern as it is written in the configuration: `name`, `glob*`, or `/regex/`.
    ///
    /// # Errors
    ///
    /// No topic could ever match the text, or the regular expression is wrong.
    pub fn parse(text: &str) -> Result<Self, TopicPatternError> {
        if let Some(begun) = text.strip_prefix('/') {
            let regex = begun.strip_suffix('/').ok_or(TopicPatternError::OpenRegex)?;
            if regex.is_empty() {
                return Err(TopicPatternError::Empty);
            }
            // On its own first: "a)|(b" would become a valid one inside our brackets.
            Regex::new(regex).map_err(|error| TopicPatternError::Regex(error.to_string()))?;
            return Regex::new(&format!(r"\A(?:{regex})\z"))
                .map(Self::Regex)
                .map_err(|error| TopicPatternError::Regex(error.to_string()));
        }
        let other = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | '?'));
        match text {
            "" => Err(TopicPatternError::Empty),
            "." | ".." => Err(TopicPatternError::Dots),
            _ if text.len() > LONGEST_NAME => Err(TopicPatternError::TooLong),
            _ => match text.chars().find(other) {
                Some(character) => Err(TopicPatternError::Character(character)),
                None if text.contains(['*', '?']) => Ok(Self::Glob(text.to_owned())),
                None => Ok(Self::Name(text.to_owned())),
            },
        }
    }

    /// Whether the topic of this name is meant. Internal topics are only by their whole names.
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => name == topic,
            _ if INTERNAL.contains(&topic) => false,
            Self::Glob(glob) => glob_matches(glob, topic),
            Self::Regex(regex) => regex.is_match(topic),
        }
    }

    /// A text that tells this pattern from every other; a regular expression in its anchored form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(text) | Self::Glob(text) => text,
            Self::Regex(regex) => regex.as_str(),
        }
    }

    /// The one topic that is meant, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Glob(_) | Self::Regex(_) => None,
        }
    }
}

/// Two patterns are equal when they were written alike.
impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) | (Self::Glob(one), Self::Glob(two)) => one == two,
            (Self::Regex(one), Self::Regex(two)) => one.as_str() == two.as_str(),
            _ => false,
        }
    }
}

impl fmt::Display for TopicPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => write!(f, "no topic's name is longer than {LONGEST_NAME} characters"),
            Self::Dots => f.write_str("no topic is called . or .."),
            Self::Character(character) => write!(
                f,
                "no topic's name contains {character:?} (letters, digits, . _ - only; \
                 * and ? make a glob, slashes around it a regular expression)"
            ),
            Self::OpenRegex => {
                f.write_str("a regular expression stands between two slashes, and the second is missing")
            }
            Self::Regex(reason) => write!(f, "the regular expression is wrong: {reason}"),
        }
    }
}

impl std::error::Error for TopicPatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = TopicPattern::parse(pattern).expect(rule);
        for topic in matching {
            assert!(pattern.matches(topic), "{rule}: {topic} is meant");
        }
        for topic in others {
            assert!(!pattern.matches(topic), "{rule}: {topic} is not meant");
        }
    }

    #[test]
    fn patterns_and_the_topics_they_mean() {
        check("a name is itself", "event", &["event"], &["events", "Event", ""]);
        check("a dot in a name is a dot", "a.b", &["a.b"], &["axb"]);
        check("a star is any characters, also none", "event*", &["event", "event.dead"], &["my-event"]);
        check("in the middle", "a*c*e", &["ace", "abcde", "acce"], &["abcd", "ac"]);
        check("a star takes as little as it must, and more where it must", "*ab", &["ab", "aab", "abab"], &["aba"]);
        check("a question mark is one character", "t?", &["t1"], &["t", "t12"]);
        check("everything, but not Kafka's own", "*", &["event", "__mine"], &["__consumer_offsets"]);
        check("Kafka's own by name", "__consumer_offsets", &["__consumer_offsets"], &[]);
        check("a regular expression covers the whole name", "/ev.*t/", &["event", "evt"], &["event2", "my-event"]);
        check("each side of an alternative", "/a|b/", &["a", "b"], &["ab", "ax", "xb"]);
        check("Kafka's own are not meant by a regular expression", "/.*/", &["event"], &["__transaction_state"]);
        check("flags", "/(?i)event/", &["Event"], &[]);
    }

    #[test]
    fn texts_that_are_no_patterns() {
        let error = |text: &str| TopicPattern::parse(text).unwrap_err();
        assert_eq!(error(""), TopicPatternError::Empty);
        assert_eq!(error("//"), TopicPatternError::Empty);
        assert_eq!(error(".."), TopicPatternError::Dots);
        assert_eq!(error("my topic"), TopicPatternError::Character(' '));
        assert_eq!(error("事件"), TopicPatternError::Character('事'));
        assert_eq!(error("/event"), TopicPatternError::OpenRegex);
        assert_eq!(error("/"), TopicPatternError::OpenRegex);
        assert_eq!(error(&"x".repeat(250)), TopicPatternError::TooLong);
        assert!(matches!(error("/(/"), TopicPatternError::Regex(_)));
        assert!(matches!(error("/a)|(b/"), TopicPatternError::Regex(_)), "not what our anchors would make of it");
    }

    #[test]
    fn a_glob_of_many_stars_is_answered_at_once() {
        let glob = TopicPattern::parse(&"*a".repeat(100)).unwrap();
        assert!(!glob.matches(&"a".repeat(99)));
        assert!(!glob.matches(&format!("{}b", "a".repeat(240))));
    }
}
