//! The command line: what may be typed, which command it is, and how its end is told (exit status, one line on
//! standard error). One file a command; no rule of the business lives here.

mod alerts;
mod arguments;
mod ask;
mod brokers;
mod check;
mod cluster;
mod completions;
mod configuration;
mod consume;
mod dead_letters;
mod definitions;
mod failure;
mod forwards;
mod groups;
mod offline;
mod offsets;
mod output;
mod produce;
mod run;
mod runtime;
mod status;
mod table;
mod test;
mod topics;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use argh::FromArgs;

use arguments::Arguments;
use definitions::{Barnabas, Command};
use failure::Failure;
use output::Output;

/// Does what the arguments (without the program's name) say, and tells how it ended.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    let mut buffered = std::io::BufWriter::new(stdout.lock());
    let mut output = Output::new(&mut buffered, terminal);
    let ended = dispatch(arguments, &mut output).and_then(|()| output.flush());
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody has seen enough: `barnabas … | head`.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // What was done before it failed was done, and may be read.
            let _ = output.flush();
            let _ = writeln!(std::io::stderr(), "barnabas: {failure}");
            ExitCode::from(failure.exit_status())
        }
    }
}

fn dispatch(arguments: impl Iterator<Item = OsString>, output: &mut Output<'_>) -> Result<(), Failure> {
    let command = match parse(arguments)? {
        Parsed::Text(text) => return output.text(&text),
        Parsed::Command(command) => command,
    };
    match command {
        Command::Run(command) => run::run(command),
        Command::Check(command) => check::check(command, output),
        Command::Test(command) => test::test(command, output),
        Command::Status(command) => status::status(command, output),
        Command::Forwards(command) => forwards::forwards(command, output),
        Command::Offsets(command) => offsets::offsets(command, output),
        Command::DeadLetters(command) => dead_letters::dead_letters(command, output),
        Command::Alerts(command) => alerts::alerts(command, output),
        Command::Topics(command) => topics::topics(command, output),
        Command::Brokers(command) => brokers::brokers(command, output),
        Command::Groups(command) => groups::groups(command, output),
        Command::Consume(command) => consume::consume(command, output),
        Command::Produce(command) => produce::produce(command, output),
        Command::Completions(command) => completions::completions(&command, output),
    }
}

/// What the arguments ask for.
#[derive(Debug)]
enum Parsed {
    /// Something to print, and no more: help or the version.
    Text(String),
    Command(Command),
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Parsed, Failure> {
    let arguments = Arguments::split(arguments)?;
    let parsed = match Barnabas::from_args(&["barnabas"], &arguments.as_strs()) {
        Ok(parsed) => parsed,
        Err(early) if early.status.is_ok() => return Ok(Parsed::Text(early.output)),
        Err(early) => return Err(Failure::Usage(arguments.explain(&early.output))),
    };
    match parsed {
        Barnabas { version: true, .. } => Ok(Parsed::Text(format!("barnabas {}\n", env!("CARGO_PKG_VERSION")))),
        Barnabas { command: Some(command), .. } => Ok(Parsed::Command(command)),
        Barnabas { command: None, .. } => {
            Err(Failure::Usage("a command is missing; `barnabas --help` lists them".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
