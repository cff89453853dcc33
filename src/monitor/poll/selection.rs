//! Which topics and groups are watched: names, globs and regular expressions as written, and those that are excluded.
//!
//! Groups may have any characters in their names, so nothing is refused but a broken regular expression. Pure.

use regex_lite::Regex;

use crate::config::schema::Selection;

/// A selection, ready to be asked about names.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Everything,
    Name(String),
    Regex(Regex),
}

impl Patterns {
    /// # Errors
    /// A regular expression is wrong: which, and why.
    pub(super) fn compile(selection: &Selection) -> Result<Self, String> {
        let compile = |texts: &[String]| texts.iter().map(|text| Pattern::compile(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self { include: compile(&selection.include)?, exclude: compile(&selection.exclude)? })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.include.iter().any(|pattern| pattern.matches(name)) && !self.excludes(name)
    }

    /// As `matches`, for a topic that may be Kafka's own. Those hold replicas and have leaders like any other, so they
    /// are left out only where they are excluded by name.
    pub(super) fn matches_topic(&self, name: &str, internal: bool) -> bool {
        if internal {
            return !self.exclude.iter().any(|pattern| matches!(pattern, Pattern::Name(excluded) if excluded == name));
        }
        self.matches(name)
    }

    /// The names that are written out, and so are expected to exist.
    pub(super) fn expected(&self) -> impl Iterator<Item = &str> {
        let names = self.include.iter().filter_map(|pattern| match pattern {
            Pattern::Name(name) => Some(name.as_str()),
            _ => None,
        });
        names.filter(|name| !self.excludes(name))
    }

    fn excludes(&self, name: &str) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches(name))
    }
}

impl Pattern {
    fn compile(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let between_slashes = text.strip_prefix('/').and_then(|begun| begun.strip_suffix('/'));
        let regex = match between_slashes.filter(|regex| !regex.is_empty()) {
            Some(regex) => {
                // On its own first: "a)|(b" would become a valid one inside our brackets.
                Regex::new(regex).map_err(|error| format!("the regular expression {text} is wrong: {error}"))?;
                format!(r"\A(?:{regex})\z")
            }
            None if text.contains(['*', '?']) => {
                let escaped = regex_lite::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
                format!(r"(?s)\A{escaped}\z")
            }
            None => return Ok(Self::Name(text.to_owned())),
        };
        Regex::new(&regex).map(Self::Regex).map_err(|error| format!("the pattern {text} is wrong: {error}"))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Name(wanted) => wanted == name,
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Patterns::compile(&Selection { include: texts(include), exclude: texts(exclude) }).unwrap()
    }

    #[track_caller]
    fn check(rule: &str, patterns: &Patterns, matching: &[&str], others: &[&str]) {
        for name in matching {
            assert!(patterns.matches(name), "{rule}: {name}");
        }
        for name in others {
            assert!(!patterns.matches(name), "{rule}: not {name}");
        }
    }

    #[test]
    fn patterns_and_the_names_they_mean() {
        check("everything", &patterns(&["*"], &[]), &["a", "", "my group\n#1"], &[]);
        check("a name is itself, whatever is in it", &patterns(&["a (b) #1"], &[]), &["a (b) #1"], &["a b 1"]);
        check("globs", &patterns(&["event-*", "t?"], &[]), &["event-", "event-a.b", "t1"], &["event", "t12"]);
        check("a dot in a glob is a dot", &patterns(&["a.*"], &[]), &["a.b"], &["ab"]);
        check("regular expressions cover the name", &patterns(&["/a|b.*/"], &[]), &["a", "bc"], &["ac", "xb"]);
        check(
            "what is excluded is not watched",
            &patterns(&["*"], &["test-*", "/tmp.*/"]),
            &["a"],
            &["test-1", "tmpx"],
        );
        check("slashes in names", &patterns(&["/", "//", "/a"], &[]), &["/", "//", "/a"], &["a"]);
    }

    #[test]
    fn a_wrong_regular_expression_is_named() {
        let selection = |text: &str| Selection { include: vec![text.to_owned()], exclude: Vec::new() };
        assert!(Patterns::compile(&selection("/(/")).unwrap_err().contains("/(/"));
        assert!(Patterns::compile(&selection("/a)|(b/")).is_err());
    }

    #[test]
    fn kafkas_own_topics_are_watched_unless_excluded_by_name() {
        let own = "__consumer_offsets";
        assert!(patterns(&["event"], &["*"]).matches_topic(own, true));
        assert!(!patterns(&["*"], &[own]).matches_topic(own, true));
        assert!(!patterns(&["event"], &[]).matches_topic("other", false));
    }

    #[test]
    fn only_names_that_are_written_out_are_expected() {
        let patterns = patterns(&["a", "b*", "/c/", "d"], &["d"]);
        assert_eq!(patterns.expected().collect::<Vec<_>>(), ["a"]);
    }
}
