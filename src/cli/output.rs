//! Standard output as commands use it: text, JSON and tables, and the question before something is destroyed. Every
//! write may fail, and a closed pipe ends a command quietly.

use std::io::{BufRead, IsTerminal, Write};

use serde::Serialize;

use super::failure::Failure;
use super::table::Table;
use crate::logic::indented_json::indented;
use crate::logic::printable::printable_json;

/// Where data goes; everything else goes to standard error.
pub(super) struct Output<'a> {
    stream: &'a mut dyn Write,
    terminal: bool,
}

impl<'a> Output<'a> {
    pub(super) fn new(stream: &'a mut dyn Write, terminal: bool) -> Self {
        Self { stream, terminal }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes `text` as it is; it must be printable where it comes from outside.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).map_err(Failure::Output)
    }

    /// One JSON document: indented on a terminal, a line elsewhere.
    pub(super) fn json(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(document).map_err(Failure::failed)?;
        self.text(&if self.terminal { printable_json(&indented(&text)).into_owned() } else { text })?;
        self.text("\n")
    }

    /// Aligned on a terminal, separated by tabs elsewhere.
    pub(super) fn table(&mut self, table: &Table) -> Result<(), Failure> {
        let text = if self.terminal { table.aligned() } else { table.separated() };
        self.text(&text)
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.stream.flush().map_err(Failure::Output)
    }
}

/// Something for the person, on standard error, where it is not in the way of data.
pub(super) fn remark(text: &str) {
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Goes on only where the person means it: `--yes` was given, or they say so at the terminal.
pub(super) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::Usage(format!("this would {what}: it needs --yes where nobody can be asked")));
    }
    let _ = write!(std::io::stderr(), "This will {}. Go on? [y/N] ", crate::logic::printable::printable(what));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::failed)?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed")),
    }
}
