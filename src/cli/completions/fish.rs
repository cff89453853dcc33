//! Completion for fish.

use std::fmt::Write as _;

use super::{Page, Values, first_sentence, options_with_values, value_of, values_of};

pub(super) fn script(pages: &[Page]) -> String {
    let names: Vec<&str> = options_with_values(pages).iter().map(|(name, _)| *name).collect();
    let commands: Vec<String> = pages.iter().skip(1).map(|page| format!("'{}'", page.command)).collect();
    let mut lines = String::new();
    for page in pages {
        add_page(&mut lines, page);
    }
    format!(
        r#"# Completion of barnabas for fish: barnabas completions fish > ~/.config/fish/completions/barnabas.fish
function __barnabas_command
    # Which command the words before the cursor name.
    set -l command ''
    set -l option ''
    for word in (commandline -opc)[2..-1]
        if test -n "$option"
            set option ''
            continue
        end
        switch $word
            case {options}
                set option $word
            case '-*'
            case '*'
                contains -- "$command $word" {commands}; and set command "$command $word"
        end
    end
    echo "$command"
end
function __barnabas_is
    set -l command (__barnabas_command)
    test "$command" = "$argv[1]"
end
complete -c barnabas -f
{lines}"#,
        options = names.join(" "),
        commands = commands.join(" "),
    )
}

fn add_page(lines: &mut String, page: &Page) {
    let condition = format!("-n \"__barnabas_is '{}'\"", page.command);
    // Writing to a String cannot fail.
    for inner in &page.info.commands {
        let description = quoted(first_sentence(inner.command.description));
        let _ = writeln!(lines, "complete -c barnabas {condition} -a {} -d {description}", inner.name);
    }
    if let Values::Words(words) = page.words() {
        let _ = writeln!(lines, "complete -c barnabas {condition} -a {}", quoted(&words.join(" ")));
    }
    for flag in page.flags() {
        let long = flag.long.trim_start_matches('-');
        let value = match (value_of(flag), values_of(flag)) {
            (None, _) => String::new(),
            (Some(_), Values::Words(words)) => format!(" -x -a {}", quoted(&words.join(" "))),
            (Some(_), Values::Files) => " -r -F".to_owned(),
            (Some(_), Values::Any) => " -x".to_owned(),
        };
        let description = quoted(flag.description);
        let _ = writeln!(lines, "complete -c barnabas {condition} -l {long}{value} -d {description}");
    }
    let _ = writeln!(lines, "complete -c barnabas {condition} -l help -d {}", quoted(super::HELP.1));
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
