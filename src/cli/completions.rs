//! `barnabas completions`: scripts for shells, and the manual page, made of the same definitions that arguments are read
//! by. Here: the commands as a flat list; a file a shell for the rest. Nothing here knows what a command does.

mod bash;
mod fish;
mod man;
mod zsh;

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use super::definitions::{Barnabas, CompletionTarget, Completions};
use super::failure::Failure;
use super::output::Output;

pub(super) fn completions(command: &Completions, output: &mut Output<'_>) -> Result<(), Failure> {
    let pages = pages();
    output.text(&match command.target {
        CompletionTarget::Bash => bash::script(&pages),
        CompletionTarget::Zsh => zsh::script(&pages),
        CompletionTarget::Fish => fish::script(&pages),
        CompletionTarget::Man => man::page(&pages),
    })
}

/// What the values of an option, or the words of a command, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    /// These; a test holds them against the definitions.
    Words(&'static [&'static str]),
    /// Names of files.
    Files,
    /// Whatever.
    Any,
}

const HELP: (&str, &str) = ("--help", "say what it does and what it takes");

/// A command, and all that may follow it.
struct Page {
    /// The words behind "barnabas", each after a blank; empty for barnabas itself.
    command: String,
    info: CommandInfoWithArgs,
}

/// Something that may be typed.
struct Candidate<'a> {
    word: &'a str,
    description: &'a str,
}

/// Every command, outer ones before inner ones.
fn pages() -> Vec<Page> {
    let mut pages = vec![Page { command: String::new(), info: Barnabas::get_args_info() }];
    let mut index = 0;
    while let Some(page) = pages.get(index) {
        let inner = page.info.commands.iter();
        let inner: Vec<Page> = inner
            .map(|it| Page { command: format!("{} {}", page.command, it.name), info: it.command.clone() })
            .collect();
        pages.extend(inner);
        index += 1;
    }
    pages
}

impl Page {
    /// Commands, fixed words and options, in this order.
    fn candidates(&self) -> Vec<Candidate<'_>> {
        let commands = self
            .info
            .commands
            .iter()
            .map(|it| Candidate { word: it.name, description: first_sentence(it.command.description) });
        let words = match self.words() {
            Values::Words(words) => words,
            Values::Files | Values::Any => &[],
        };
        let words = words.iter().map(|word| Candidate { word, description: "" });
        let options = self.flags().map(|flag| Candidate { word: flag.long, description: flag.description });
        let help = Candidate { word: HELP.0, description: HELP.1 };
        commands.chain(words).chain(options).chain([help]).collect()
    }

    fn flags(&self) -> impl Iterator<Item = &FlagInfo<'static>> {
        self.info.flags.iter().filter(|flag| !flag.hidden && flag.long != HELP.0)
    }

    /// What its positional arguments are.
    fn words(&self) -> Values {
        match self.command.as_str() {
            " completions" => Values::Words(&["bash", "zsh", "fish", "man"]),
            _ => Values::Any,
        }
    }

    /// `barnabas offsets set [--config FILE] FORWARD …`, as pieces.
    fn synopsis(&self) -> Vec<String> {
        let mut pieces = vec![format!("barnabas{}", self.command)];
        if !self.info.commands.is_empty() {
            pieces.push("COMMAND".to_owned());
        }
        for positional in self.info.positionals.iter().filter(|positional| !positional.hidden) {
            let name = positional.name.to_uppercase();
            pieces.push(match positional.optionality {
                Optionality::Required => name,
                Optionality::Optional => format!("[{name}]"),
                Optionality::Repeating | Optionality::Greedy => format!("[{name}…]"),
            });
        }
        pieces.extend(self.flags().map(|flag| match value_of(flag) {
            Some(value) => format!("[{} {value}]", flag.long),
            None => format!("[{}]", flag.long),
        }));
        pieces
    }
}

/// The name of an option's value; none for a switch.
fn value_of(flag: &FlagInfo<'_>) -> Option<String> {
    match flag.kind {
        FlagInfoKind::Switch => None,
        FlagInfoKind::Option { arg_name } => Some(arg_name.to_uppercase()),
    }
}

/// What an option's values are.
fn values_of(flag: &FlagInfo<'_>) -> Values {
    match (flag.long, &flag.kind) {
        ("--format", _) => Values::Words(&["value", "json"]),
        ("--compression", _) => Values::Words(&["none", "gzip", "snappy"]),
        (_, FlagInfoKind::Option { arg_name: "file" }) => Values::Files,
        _ => Values::Any,
    }
}

/// Options with values, each once, with what the values are.
fn options_with_values(pages: &[Page]) -> Vec<(&'static str, Values)> {
    let flags = pages.iter().flat_map(|page| page.info.flags.iter());
    let with_value = flags.filter(|flag| value_of(flag).is_some());
    let mut options: Vec<_> = with_value.map(|flag| (flag.long, values_of(flag))).collect();
    options.sort_by_key(|(name, _)| *name);
    options.dedup_by_key(|(name, _)| *name);
    options
}

fn first_sentence(description: &str) -> &str {
    let end = description.find(". ").or_else(|| description.find(".\n"));
    end.and_then(|end| description.get(..end)).unwrap_or(description).trim_end_matches('.')
}

#[cfg(test)]
mod tests;
