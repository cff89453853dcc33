use std::ffi::OsString;
use std::process::Command;

use super::*;

/// What bash offers for the last of `words`, by the script itself.
fn bash_offers(words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "{}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_barnabas\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        bash::script(&pages()),
        quoted.join(" "),
        words.len() - 1
    );
    let done = Command::new("bash").args(["--norc", "-c", &script]).output().expect("bash");
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn check(rule: &str, line: &str, offered: &[&str]) {
    // A blank at the end: a new word begins.
    let mut words: Vec<&str> = vec!["barnabas"];
    words.extend(line.split(' '));
    assert_eq!(bash_offers(&words), offered, "{rule}");
}

#[test]
fn bash_completes_commands_options_and_values() {
    check("a command", "pro", &["produce"]);
    check("its subcommands", "forwards ", &["list", "pause", "resume", "--help"]);
    check(
        "options of the innermost command",
        "groups list --",
        &["--bootstrap-server", "--config", "--cluster", "--json", "--help"],
    );
    check("a subcommand of the same name elsewhere", "dead-letters list --l", &["--limit"]);
    check("options in between", "groups --cluster x li", &["list"]);
    check("a value that is called as a command is", "groups --cluster list de", &["describe", "delete"]);
    check("a value", "consume event --format ", &["value", "json"]);
    check("a value behind =", "consume event --format = j", &["json"]);
    check("right behind =", "consume event --format =", &["value", "json"]);
    check("fixed words", "completions z", &["zsh"]);
    check("nothing is known of a topic's name", "consume ev", &[]);
}

#[test]
fn bash_offers_files_where_files_are_meant() {
    let offered = bash_offers(&["barnabas", "run", "--config", "/etc/pass"]);
    assert!(offered.iter().any(|file| file == "/etc/passwd"), "{offered:?}");
}

#[test]
fn words_that_are_offered_are_taken() {
    let taken = |line: &str| super::super::parse(line.split(' ').map(OsString::from)).is_ok();
    for page in pages() {
        if let Values::Words(words) = page.words() {
            assert!(words.iter().all(|word| taken(&format!("{} {word}", page.command.trim()))), "{}", page.command);
        }
        for flag in page.flags() {
            let Values::Words(words) = values_of(flag) else { continue };
            let line = |word: &str| format!("{} x {} {word}", page.command.trim(), flag.long);
            assert!(words.iter().all(|word| taken(&line(word))), "{} {}", page.command, flag.long);
            assert!(!taken(&line("nonsense")), "{} {}", page.command, flag.long);
        }
    }
}

#[test]
fn every_command_and_option_is_in_every_script() {
    let pages = pages();
    let (zsh, fish, man) = (zsh::script(&pages), fish::script(&pages), man::page(&pages));
    for page in &pages {
        assert!(zsh.contains(&format!("'{}') candidates=(", page.command)), "{}", page.command);
        assert!(fish.contains(&format!("\"__barnabas_is '{}'\"", page.command)), "{}", page.command);
        if page.info.commands.is_empty() {
            assert!(man.contains(&format!(".SS \"{}\"", page.command.trim().replace('-', "\\-"))), "{}", page.command);
        }
        for flag in page.flags() {
            assert!(zsh.contains(&format!("'{}:", flag.long)), "{}", flag.long);
            assert!(fish.contains(&format!("-l {}", flag.long.trim_start_matches('-'))), "{}", flag.long);
        }
    }
    assert!(!man.contains("{command_name}") && !man.contains("{{"), "{man}");
}
