//! The jq programs of forwards and channels, compiled, with errors that say where in the configuration file they are.
//! Between the two: the configuration knows no jq, and jq no files.

use crate::config::schema::{ForwardSettings, NotifyBody, NotifySettings, TransportSettings};
use crate::config::{ConfigError, Loaded};
use crate::logic::jq::{JqError, Limits, Program};
use crate::logic::outcome::OutcomeRules;
use crate::logic::prepare::Steps;

/// What a forward runs on its events and on the responses to them.
#[derive(Debug)]
pub struct Programs {
    /// From a record to request bodies.
    pub steps: Steps,
    /// From a response to an outcome.
    pub outcomes: OutcomeRules,
}

/// Compiles the programs of `forward`, which is one of `loaded`'s.
///
/// # Errors
/// The first step and the first rule that are refused, each at its place in the file.
pub fn compile(loaded: &Loaded, forward: &ForwardSettings) -> Result<Programs, ConfigError> {
    let steps = Steps::compile(&forward.steps, Limits::for_records_of(forward.max_record_size)).map_err(|refused| {
        let index = refused.index.to_string();
        let path: &[&str] = match refused.key {
            "required" => &["forward", &forward.name, "required", &index],
            key => &["forward", &forward.name, key],
        };
        error_at(loaded, path, &refused.error)
    });
    let outcomes = OutcomeRules::compile(&forward.webhook.outcomes).map_err(|(index, error)| {
        let path = ["forward", &forward.name, "webhook", "outcome", &index.to_string(), "when"];
        error_at(loaded, &path, &error)
    });
    match (steps, outcomes) {
        (Ok(steps), Ok(outcomes)) => Ok(Programs { steps, outcomes }),
        (steps, outcomes) => Err(joined([steps.err(), outcomes.err()].into_iter().flatten())),
    }
}

/// Compiles the programs of all forwards, in the order of the file. Those of channels, which compile their own when they
/// begin, are tried, too.
///
/// # Errors
/// What is refused in any of them.
pub fn compile_all(loaded: &Loaded) -> Result<Vec<Programs>, ConfigError> {
    let (mut programs, mut errors) = (Vec::new(), Vec::new());
    for forward in &loaded.config.forwards {
        match compile(loaded, forward) {
            Ok(compiled) => programs.push(compiled),
            Err(error) => errors.push(error),
        }
    }
    for channel in &loaded.config.channels {
        errors.extend(try_channel(loaded, channel));
    }
    if errors.is_empty() { Ok(programs) } else { Err(joined(errors.into_iter())) }
}

/// What is refused of a channel's programs.
fn try_channel(loaded: &Loaded, channel: &NotifySettings) -> Vec<ConfigError> {
    let TransportSettings::Webhook(settings) = &channel.transport else { return Vec::new() };
    let table = ["notify", &channel.channel.name, "webhook"];
    let mut errors = Vec::new();
    if let NotifyBody::Jq(program) = &settings.body
        && let Err(error) = Program::compile(program, None)
    {
        errors.push(error_at(loaded, &[&table[..], &["body"]].concat(), &error));
    }
    if let Err((index, error)) = OutcomeRules::compile(&settings.webhook.outcomes) {
        let rule = ["outcome", &index.to_string(), "when"];
        errors.push(error_at(loaded, &[&table[..], &rule[..]].concat(), &error));
    }
    errors
}

fn error_at(loaded: &Loaded, path: &[&str], error: &JqError) -> ConfigError {
    match error.offset {
        Some(offset) => loaded.locations.error_within(path, offset, &error.message),
        None => loaded.locations.error_at(path, &error.message),
    }
}

fn joined(errors: impl Iterator<Item = ConfigError>) -> ConfigError {
    ConfigError { problems: errors.flat_map(|error| error.problems).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    fn compiled(forward: &str) -> Result<usize, Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("barnabas.toml");
        let text = format!(
            "[kafka]\nbootstrap_servers = [\"localhost:9092\"]\n[state]\ndir = \"state\"\n\
             [[forward]]\nname = \"a\"\ntopics = [\"t\"]\nstart = \"latest\"\n{forward}"
        );
        std::fs::write(&path, text).expect("written");
        let loaded = load(&path, &Environment::default()).expect("a configuration");
        compile_all(&loaded).map(|programs| programs.len()).map_err(|error| {
            let place = |problem: &crate::config::Problem| format!("{:?}", problem.position.expect("a place"));
            error.problems.iter().map(place).collect()
        })
    }

    #[test]
    fn programs_are_refused_at_their_place() {
        const WEBHOOK: &str = "[forward.webhook]\nurl = \"http://localhost/\"\n";
        assert_eq!(compiled(WEBHOOK), Ok(1));
        assert_eq!(compiled(&format!("filter = '.a == '\n{WEBHOOK}")), Err(vec!["(9, 17)".to_owned()]));
        let two = format!(
            "required = [\"a\", \".b.[\"]\n{WEBHOOK}[[forward.webhook.outcome]]\nwhen = 'nosuch'\nthen = \"drop\"\n"
        );
        let refused = compiled(&two).expect_err("two are refused");
        assert_eq!(refused.len(), 2, "{refused:?}");
        let channels = format!(
            "{WEBHOOK}[notify.a.webhook]\nurl = \"http://localhost/\"\nbody = '.x |'\n\
             [[notify.a.webhook.outcome]]\nwhen = 'nosuch'\nthen = \"drop\"\n"
        );
        let of_channels = compiled(&channels).expect_err("two of a channel");
        assert_eq!(of_channels.len(), 2, "{of_channels:?}");
        assert!(of_channels[0].starts_with("(13, ") && of_channels[1].starts_with("(15, "), "{of_channels:?}");
        assert!(refused[0].starts_with("(9, ") && refused[1].starts_with("(13, "), "{refused:?}");
    }
}
