//! What is wrong with a configuration, as a person reads it: file:line:column, the line, and a hint. Holds text that
//! was masked already (source.rs does that), so it may be shown and logged anywhere.

use std::fmt;

/// How many problems are shown; a file that is of another kind altogether has hundreds.
const SHOWN: usize = 20;

/// Why a configuration is refused: every problem that was found, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named to us.
    pub file: String,
    /// Line and column, both from 1; none where the file as a whole is meant.
    pub position: Option<(usize, usize)>,
    /// What is wrong, in one line.
    pub message: String,
    /// The line with its secrets masked, and the marks to go under it.
    pub excerpt: Option<Excerpt>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A line of the file and the marks under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without control characters and secrets.
    pub line: String,
    /// Spaces, then `^`s.
    pub marks: String,
}

impl ConfigError {
    /// The file as a whole cannot be used.
    pub(super) fn of_file(file: &str, message: String) -> Self {
        let problem = Problem { file: file.to_owned(), position: None, message, excerpt: None, hint: None };
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.message)?,
            None => write!(f, "{}: {}", self.file, self.message)?,
        }
        if let (Some((line, _)), Some(excerpt)) = (self.position, &self.excerpt) {
            write!(f, "\n{line:>5} | {}\n      | {}", excerpt.line, excerpt.marks)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n   {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more problems"),
        }
    }
}

impl std::error::Error for ConfigError {}
