//! The arguments as argh wants them: it knows no `--key=value`, takes -100 for an option, and `help` for a cry for help
//! wherever it stands. Pure; what the commands and options mean is in `definitions`.

use std::ffi::OsString;

use super::failure::Failure;
use crate::config::closest;
use crate::logic::printable::printable;

/// Options that are followed by a value. A test holds this against the definitions.
pub(super) const WITH_VALUE: &[&str] = &[
    "--bootstrap-server",
    "--cluster",
    "--compression",
    "--config",
    "--count",
    "--for",
    "--format",
    "--forward",
    "--from",
    "--jq",
    "--key-separator",
    "--limit",
    "--older-than",
    "--partition",
    "--partitions",
    "--replication-factor",
    "--response",
    "--setting",
];

/// Options that stand alone. The same test holds this one, too.
pub(super) const SWITCHES: &[&str] = &[
    "--all",
    "--api-versions",
    "--connect",
    "--disks",
    "--dry-run",
    "--internal",
    "--follow",
    "--json",
    "--version",
    "--watch",
    "--yes",
];

/// Arguments that argh understands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments(Vec<String>);

impl Arguments {
    /// Splits `--key=value`, but not within values nor after `--`; lets negative numbers stand for themselves; and makes
    /// of a cry for help, wherever it stands, one for the command that it stands with.
    pub(super) fn split(arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut arguments = arguments.map(|argument| {
            argument.into_string().map_err(|argument| {
                Failure::Usage(format!("the argument {:?} is not UTF-8", printable(&argument.to_string_lossy())))
            })
        });
        let (mut options, mut words, mut help) = (Vec::new(), Words::default(), false);
        while let Some(argument) = arguments.next().transpose()? {
            match argument.split_once('=') {
                _ if argument == "--" => {
                    for word in arguments.by_ref() {
                        words.push_behind_dashes(word?);
                    }
                }
                _ if argument == "--help" || argument == "-h" => help = true,
                _ if WITH_VALUE.contains(&argument.as_str()) => {
                    options.push(argument);
                    options.extend(arguments.next().transpose()?);
                }
                Some((option, value)) if WITH_VALUE.contains(&option) => {
                    options.extend([option.to_owned(), value.to_owned()]);
                }
                Some((option, _)) if SWITCHES.contains(&option) => {
                    return Err(Failure::Usage(format!("{option} takes no value")));
                }
                _ if SWITCHES.contains(&argument.as_str()) => options.push(argument),
                _ if argument.starts_with('-') && !is_negative_number(&argument) => return Err(unknown(&argument)),
                _ => words.push(argument),
            }
        }
        Ok(Self(if help { words.with_help() } else { words.with_options(options) }))
    }

    pub(super) fn as_strs(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// argh's complaint as one line, and where to read on.
    pub(super) fn explain(&self, complaint: &str) -> String {
        let complaint = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
        let first = self.0.first().map_or("", String::as_str);
        match complaint.strip_prefix("Unrecognized argument: ") {
            Some(word) if word == first && !word.starts_with('-') => {
                format!("there is no command {word:?}; `barnabas --help` lists those there are")
            }
            Some(word) => format!("{word} is not understood here; see `{} --help`", self.command()),
            None => format!("{complaint}; see `{} --help`", self.command()),
        }
    }

    /// `barnabas offsets set`: the command that the arguments name, as far as they do.
    fn command(&self) -> String {
        const WITH_SUBCOMMANDS: &[&str] = &["forwards", "offsets", "dead-letters", "topics", "groups"];
        let mut words = self.0.iter().filter(|word| !word.starts_with('-')).map(String::as_str);
        let mut command = "barnabas".to_owned();
        if let Some(first) = words.next() {
            command.push(' ');
            command.push_str(first);
            if let (true, Some(second)) = (WITH_SUBCOMMANDS.contains(&first), words.next()) {
                command.push(' ');
                command.push_str(second);
            }
        }
        command
    }
}

/// What is no option, in its order.
#[derive(Default)]
struct Words {
    /// Commands among them, which argh has to see before it sees their options.
    plain: Vec<String>,
    /// From the first that argh would take for an option.
    behind_dashes: Vec<String>,
}

impl Words {
    fn push(&mut self, word: String) {
        if self.behind_dashes.is_empty() && !word.starts_with('-') {
            self.plain.push(word);
        } else {
            self.behind_dashes.push(word);
        }
    }

    fn push_behind_dashes(&mut self, word: String) {
        self.behind_dashes.push(word);
    }

    /// Options belong to the innermost command and may therefore follow all its words.
    fn with_options(self, options: Vec<String>) -> Vec<String> {
        let mut all = self.plain;
        all.extend(options);
        if !self.behind_dashes.is_empty() {
            all.push("--".to_owned());
            all.extend(self.behind_dashes);
        }
        all
    }

    fn with_help(self) -> Vec<String> {
        let mut all = self.plain;
        all.push("--help".to_owned());
        all
    }
}

/// Refused here, because what follows an unknown option may be its value or not.
fn unknown(argument: &str) -> Failure {
    let option = argument.split_once('=').map_or(argument, |(option, _)| option);
    let hint = closest(option, WITH_VALUE.iter().chain(SWITCHES).copied());
    let hint = hint.map_or_else(|| "see `barnabas --help`".to_owned(), |close| format!("did you mean {close}?"));
    Failure::Usage(format!("no command has an option {option}; {hint}"))
}

fn is_negative_number(argument: &str) -> bool {
    argument.strip_prefix('-').is_some_and(|digits| digits.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &[&str]) -> Result<Vec<String>, String> {
        Arguments::split(line.iter().map(OsString::from))
            .map(|arguments| arguments.0)
            .map_err(|failure| failure.to_string())
    }

    #[track_caller]
    fn check(rule: &str, given: &[&str], expected: &[&str]) {
        assert_eq!(split(given).expect("arguments"), expected, "{rule}");
    }

    #[test]
    fn arguments_become_argh_s() {
        check("nothing to do", &["run", "--config", "a.toml"], &["run", "--config", "a.toml"]);
        check("a value behind =", &["run", "--config=a=b.toml"], &["run", "--config", "a=b.toml"]);
        check("an empty value", &["produce", "t", "--key-separator="], &["produce", "t", "--key-separator", ""]);
        check(
            "a value that holds one",
            &["produce", "t", "--key-separator", "--a=b"],
            &["produce", "t", "--key-separator", "--a=b"],
        );
        check("= as a value", &["produce", "t", "--key-separator", "="], &["produce", "t", "--key-separator", "="]);
        check("== as an option", &["produce", "t", "--key-separator=="], &["produce", "t", "--key-separator", "="]);
        check(
            "options before the command",
            &["--config", "f", "offsets", "show"],
            &["offsets", "show", "--config", "f"],
        );
        check("options in between", &["offsets", "--json", "show"], &["offsets", "show", "--json"]);
        check(
            "a negative number is a word, and options may follow it",
            &["offsets", "set", "f", "t", "-100", "--yes"],
            &["offsets", "set", "f", "t", "--yes", "--", "-100"],
        );
        check(
            "a negative number as a value",
            &["dead-letters", "list", "--limit", "-1"],
            &["dead-letters", "list", "--limit", "-1"],
        );
        check("behind -- all are words", &["produce", "--", "--json=x"], &["produce", "--", "--json=x"]);
        check("a word with =", &["produce", "a=b"], &["produce", "a=b"]);
        check("a missing value is left to argh", &["run", "--config"], &["run", "--config"]);
        check("nothing", &[], &[]);
    }

    #[test]
    fn help_is_for_the_command_that_it_stands_with() {
        check("behind the command", &["run", "--help"], &["run", "--help"]);
        check("in front of it", &["--help", "run"], &["run", "--help"]);
        check("among options", &["run", "--help", "--config", "x"], &["run", "--help"]);
        check("the short form", &["offsets", "-h", "set"], &["offsets", "set", "--help"]);
        check("a value is none", &["run", "--config", "--help"], &["run", "--config", "--help"]);
        check("behind -- it is a word", &["produce", "--", "--help"], &["produce", "--", "--help"]);
    }

    #[test]
    fn a_switch_takes_no_value() {
        assert_eq!(split(&["status", "--json=yes"]), Err("--json takes no value".to_owned()));
    }

    #[test]
    fn an_unknown_option_is_refused_before_its_value_is_taken_for_a_word() {
        for (given, hint) in
            [("--confg", "did you mean --config?"), ("--confg=x", "did you mean --config?"), ("-", "see")]
        {
            let refused = split(&["run", given, "x"]).expect_err(given);
            assert!(refused.contains(hint), "{refused}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let refused = Arguments::split([OsString::from_vec(vec![b'a', 0xff])].into_iter());
        assert!(matches!(refused, Err(Failure::Usage(_))), "{refused:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_argument_is_lost_but_by_help(words in proptest::collection::vec("[a-z0-9]{1,6}|-[0-9]{1,3}|--json|--config=[a-z]{0,3}", 0..8)) {
            let given: Vec<&str> = words.iter().map(String::as_str).collect();
            let split = split(&given).expect("arguments");
            for word in words {
                let kept = match word.split_once('=') {
                    Some((_, value)) => split.iter().any(|kept| kept == value),
                    None => split.contains(&word),
                };
                proptest::prop_assert!(kept, "{word}");
            }
        }
    }
}
