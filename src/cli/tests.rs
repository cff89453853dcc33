use super::*;

fn parse_line(line: &str) -> Result<Parsed, Failure> {
    parse(line.split_whitespace().map(OsString::from))
}

fn help(line: &str) -> String {
    match parse_line(line) {
        Ok(Parsed::Text(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

/// Every command that can be typed, found by walking the help.
fn commands() -> Vec<String> {
    let mut found = vec![String::new()];
    let mut index = 0;
    while let Some(command) = found.get(index).cloned() {
        index += 1;
        let text = help(&format!("{command} --help"));
        let listed = text.split("Commands:").nth(1).unwrap_or_default();
        let listed = listed.split("\n\n").next().unwrap_or_default();
        // Names stand at two blanks; the lines of long descriptions are indented further.
        for line in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().expect("a name");
            found.push(format!("{command} {name}").trim().to_owned());
        }
    }
    found
}

#[test]
fn all_commands_of_the_contract_are_there() {
    let commands = commands();
    for command in [
        "run",
        "check",
        "test",
        "status",
        "forwards list",
        "forwards pause",
        "forwards resume",
        "offsets show",
        "offsets set",
        "offsets rename",
        "offsets export",
        "offsets import",
        "dead-letters list",
        "dead-letters show",
        "dead-letters replay",
        "dead-letters purge",
        "dead-letters export",
        "alerts list",
        "alerts test",
        "alerts silence",
        "alerts unsilence",
        "topics list",
        "topics describe",
        "topics create",
        "topics delete",
        "brokers",
        "groups list",
        "groups describe",
        "groups reset",
        "groups delete",
        "consume",
        "produce",
        "completions",
    ] {
        assert!(commands.iter().any(|present| present == command), "{command} is missing in {commands:?}");
    }
}

#[test]
fn each_help_has_two_examples() {
    for command in commands() {
        let text = help(&format!("{command} --help"));
        let examples = text.split("Examples:").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
        let count = examples.lines().filter(|line| line.contains("barnabas")).count();
        assert!(count >= 2, "{command:?}:\n{text}");
        assert!(!text.contains("{command_name}") && !text.contains("{{"), "{command:?}:\n{text}");
    }
}

#[test]
fn the_splitter_knows_which_options_take_a_value() {
    let mut with_value: Vec<String> = Vec::new();
    for command in commands() {
        let text = help(&format!("{command} --help"));
        let usage = text.lines().next().expect("a usage line");
        // [--config <file>] takes one, [--json] does not.
        for option in
            usage.split("[--").skip(1).filter_map(|rest| rest.split(']').next()).filter(|option| !option.is_empty())
        {
            let (name, value) = option.split_once(' ').map_or((option, false), |(name, _)| (name, true));
            let name = format!("--{name}");
            let list = if value { arguments::WITH_VALUE } else { arguments::SWITCHES };
            assert!(list.contains(&name.as_str()), "{command}: {name}");
            if value {
                with_value.push(name);
            }
        }
    }
    for option in arguments::WITH_VALUE {
        assert!(with_value.iter().any(|present| present == option), "{option} belongs to no command");
    }
}

#[track_caller]
fn refused(line: &str, status: u8, contains: &str) {
    match parse_line(line) {
        Err(failure) => {
            let message = failure.to_string();
            assert_eq!(failure.exit_status(), status, "{line}: {message}");
            assert!(message.contains(contains) && !message.contains('\n'), "{line}: {message}");
        }
        Ok(parsed) => panic!("{line}: {parsed:?}"),
    }
}

#[test]
fn bad_usage_is_told_in_one_line() {
    refused("", 2, "a command is missing");
    refused("alarms list", 2, "there is no command \"alarms\"");
    refused("alerts silence", 2, "name");
    refused("run --confg x", 2, "did you mean --config?");
    refused("run --config", 2, "--config");
    refused("run --forward x", 2, "--forward is not understood here; see `barnabas run --help`");
    refused("run --json=true", 2, "--json takes no value");
    refused("forwards", 2, "list pause resume");
    refused("forwards pause", 2, "name; see `barnabas forwards pause --help`");
    refused("offsets set f t", 2, "position");
    refused("dead-letters show seven", 2, "seven");
    refused("produce t --compression zstd", 2, "gzip");
    refused("produce t u", 2, "u is not understood");
}

#[test]
fn values_arrive_as_they_were_typed() {
    let Ok(Parsed::Command(Command::Produce(produce))) = parse_line("produce t --key-separator== --compression=snappy")
    else {
        panic!("a command")
    };
    assert_eq!((produce.key_separator, produce.compression), (Some('='), definitions::ProduceCompression::Snappy));

    let Ok(Parsed::Command(Command::Offsets(definitions::Offsets { command: definitions::OffsetsCommand::Set(set) }))) =
        parse_line("offsets set f t:0 -100 --yes --config=a=b")
    else {
        panic!("a command")
    };
    assert_eq!((set.position.as_str(), set.yes), ("-100", true));
    assert_eq!(set.config.as_deref(), Some(std::path::Path::new("a=b")));
}

#[test]
fn a_forward_may_be_called_help() {
    assert!(matches!(parse_line("forwards pause help"), Ok(Parsed::Command(Command::Forwards(_)))));
}

#[test]
fn the_version_is_printed() {
    assert_eq!(help("--version"), format!("barnabas {}\n", env!("CARGO_PKG_VERSION")));
}
