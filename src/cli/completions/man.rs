//! The manual page, barnabas(1), in the man macros that every system has.

use std::fmt::Write as _;

use super::{Page, value_of};

pub(super) fn page(pages: &[Page]) -> String {
    let mut text = format!(".TH BARNABAS 1 \"\" \"barnabas {}\" \"User Commands\"\n", env!("CARGO_PKG_VERSION"));
    let Some((first, commands)) = pages.split_first() else { return text };
    let summary = super::first_sentence(first.info.description);
    text.push_str(".SH NAME\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "barnabas \\- {}", escaped(&lower_first(summary)));
    text.push_str(".SH SYNOPSIS\n");
    synopsis(&mut text, first);
    text.push_str(".SH DESCRIPTION\n");
    paragraphs(&mut text, first.info.description);
    text.push_str(".SH COMMANDS\n");
    // Those that only have others are named by these.
    for page in commands.iter().filter(|page| page.info.commands.is_empty()) {
        let _ = writeln!(text, ".SS \"{}\"", escaped(page.command.trim_start()));
        synopsis(&mut text, page);
        text.push_str(".PP\n");
        paragraphs(&mut text, page.info.description);
        options(&mut text, page);
        for note in page.info.notes {
            text.push_str(".PP\n");
            paragraphs(&mut text, &filled_in(note, page));
        }
        if !page.info.examples.is_empty() {
            text.push_str(".PP\nExamples:\n.PP\n.nf\n.RS\n");
            for example in page.info.examples {
                paragraphs(&mut text, &filled_in(example, page));
            }
            text.push_str(".RE\n.fi\n");
        }
    }
    text.push_str(".SH EXIT STATUS\n.TP\n0\nIt was done.\n");
    for code in first.info.error_codes {
        let _ = writeln!(text, ".TP\n{}\n{}", code.code, escaped(code.description));
    }
    text.push_str(
        ".SH ENVIRONMENT\n.TP\nBARNABAS_CONFIG\nThe configuration file, where \\-\\-config is not given.\n\
         .SH FILES\n.TP\n/etc/barnabas/barnabas.toml\nThe configuration file, where nothing else is said.\n",
    );
    text
}

fn synopsis(text: &mut String, page: &Page) {
    let pieces = page.synopsis();
    if let Some((command, rest)) = pieces.split_first() {
        let _ = writeln!(text, ".B {}", escaped(command));
        for piece in rest {
            let _ = writeln!(text, "{}", escaped(piece));
        }
    }
}

fn options(text: &mut String, page: &Page) {
    for positional in page.info.positionals.iter().filter(|positional| !positional.hidden) {
        let _ = writeln!(text, ".TP\n.I {}", escaped(&positional.name.to_uppercase()));
        paragraphs(text, positional.description);
    }
    for flag in page.flags() {
        let value = value_of(flag).map(|value| format!(" \\fI{}\\fR", escaped(&value))).unwrap_or_default();
        let _ = writeln!(text, ".TP\n\\fB{}\\fR{value}", escaped(flag.long));
        paragraphs(text, flag.description);
    }
}

fn paragraphs(text: &mut String, paragraphs: &str) {
    for line in paragraphs.lines().filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(text, "{}", escaped(line));
    }
}

/// argh's own placeholders.
fn filled_in(text: &str, page: &Page) -> String {
    text.replace("{command_name}", &format!("barnabas{}", page.command)).replace("{{", "{").replace("}}", "}")
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A line that roff takes for text, whatever is in it.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}
