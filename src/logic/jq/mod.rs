//! jq programs: compiled once, run on events that anybody may have written.
//!
//! The program is the operator's, the event is not: nothing in an event may end the process, hold it up for ever or
//! fill its memory. `refuse` turns down at load what may not end, `guard` weighs what the rest does while it runs,
//! `json` reads and writes strictly. What is left (a regular expression on a huge text) is short enough for the
//! deadline of the thread that runs it. Knows nothing of Kafka or HTTP.

mod functions;
mod guard;
pub mod json;
mod objects;
mod order;
mod path;
mod refuse;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;

use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::{Compiler, Ctx, Vars};
pub use jaq_json::Val;

use guard::{Kind, Run};
use objects::Templates;
pub use path::{Path, Step};

/// The stack, in bytes, that a thread needs to run any program on any event in any build.
pub const STACK_SIZE: usize = 16 << 20;

/// What running a program may cost. Beyond it the run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many outputs.
    pub outputs: usize,
    /// Bytes of JSON text that one output, or all outputs together, may take.
    pub output_bytes: usize,
    /// Work in bytes: a step costs 64 and, where it is a text, its size. 64 MiB are one to two seconds.
    pub work: u64,
}

impl Limits {
    /// The limits for programs on records of at most `max_record_size` bytes.
    pub fn for_records_of(max_record_size: usize) -> Self {
        const MIB: usize = 1 << 20;
        let work = (32 * MIB).saturating_add(max_record_size.saturating_mul(8)).min(256 * MIB);
        Self {
            outputs: 1000,
            // A small record may well become a larger request.
            output_bytes: max_record_size.max(MIB),
            work: work as u64,
        }
    }
}

/// Why a program was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JqError {
    /// What is wrong with it.
    pub message: String,
    /// Where, in bytes from the beginning of the program.
    pub offset: Option<usize>,
}

impl fmt::Display for JqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{} (at byte {offset} of the jq program)", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for JqError {}

impl JqError {
    /// `part` is a slice of `source` where it can be pointed at.
    fn new(message: impl Into<String>, source: &str, part: &str) -> Self {
        let offset = (part.as_ptr() as usize).checked_sub(source.as_ptr() as usize);
        Self { message: message.into(), offset: offset.filter(|offset| *offset <= source.len()) }
    }
}

/// A compiled program. It can be shared between threads.
pub struct Program {
    filter: jaq_core::Filter<Kind>,
    templates: Templates,
    variable: Variable,
}

/// What becomes of the one global variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// There is none.
    None,
    /// There is one, and the program does not look at it.
    Unused,
    /// There is one, and the program reads it.
    Used,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("variable", &self.variable).finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles `source`; `variable` (with its "$") is the global variable that it may read.
    ///
    /// # Errors
    ///
    /// `source` is no jq, calls what does not exist here, or may not end.
    pub fn compile(source: &str, variable: Option<&'static str>) -> Result<Self, JqError> {
        let mut term = syntax::parse(source)?;
        refuse::check(source, &term)?;
        let used = match variable {
            Some(name) if syntax::mentions(&term, name) => Variable::Used,
            Some(_) => Variable::Unused,
            None => Variable::None,
        };
        let arena = Arena::default();
        let mut templates = Templates::default();
        templates.weave(&mut term, &arena);
        guard::weave(&mut term);

        // The program becomes a definition, since only definitions can be handed over as a tree, not as text.
        const MAIN: &str = "!main";
        let main = parse::Def { name: MAIN, args: Vec::new(), body: term };
        // The main file has to be text, and no text can name what only we may call: it calls an alias.
        let mut definitions: Vec<syntax::Def<'_>> = functions::definitions();
        definitions.extend([main, syntax::entry(MAIN)]);
        let modules = Loader::new(definitions)
            .load(&arena, File { code: syntax::ENTRY, path: () })
            .map_err(|_| JqError { message: "the jq library does not load".into(), offset: None })?;
        let filter = Compiler::default()
            .with_funs(functions::natives())
            .with_global_vars(variable)
            .compile(modules)
            .map_err(|errors| syntax::undefined(source, &errors))?;
        Ok(Self { filter, templates, variable: used })
    }

    /// Whether the program reads its global variable; where it does not, null will do.
    pub fn reads_variable(&self) -> bool {
        self.variable == Variable::Used
    }

    /// Runs the program on `input`.
    ///
    /// # Errors
    ///
    /// The program fails or exceeds a limit: a short line that says so.
    pub fn run(&self, input: Val, variable: Val, limits: &Limits) -> Result<Vec<Val>, String> {
        let run = Run::new(&self.filter.lut, &self.templates, limits);
        let variables = (self.variable != Variable::None).then_some(variable);
        let context = Ctx::<Kind>::new(&run, Vars::new(variables));
        let mut outputs = Vec::new();
        for output in self.filter.id.run((context, input)) {
            if outputs.len() == limits.outputs {
                return Err(format!("it gives more than {} outputs", limits.outputs));
            }
            outputs.push(output.map_err(|exception| match exception.get_err() {
                Ok(error) => error_line(&error),
                Err(_) => "it ends in a break without a label".to_owned(),
            })?);
        }
        // A `try` in the program may have swallowed this one.
        if run.is_exhausted() { Err(guard::EXHAUSTED.to_owned()) } else { Ok(outputs) }
    }
}

/// jaq's error texts hold the whole value: this much of one is kept, in characters.
const ERROR_LENGTH: usize = 250;

/// The beginning of an error text. One that is a string shows itself in quotes, which are not part of what it says.
fn error_line(error: &jaq_json::Error) -> String {
    let line = short_line(error, ERROR_LENGTH);
    match line.strip_prefix('"') {
        Some(text) => text.strip_suffix('"').unwrap_or(text).to_owned(),
        None => line,
    }
}

/// The beginning of what `text` displays, in one line without control characters: at most `length` characters. What
/// would come after is not even formatted.
pub fn short_line(text: &impl fmt::Display, length: usize) -> String {
    let mut line = ShortLine { text: String::new(), left: length };
    // An error here is our own: enough was written.
    let _ = fmt::write(&mut line, format_args!("{text}"));
    line.text
}

struct ShortLine {
    text: String,
    left: usize,
}

impl fmt::Write for ShortLine {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for character in part.chars() {
            let Some(left) = self.left.checked_sub(1) else {
                self.text.push('…');
                return Err(fmt::Error);
            };
            self.left = left;
            self.text.push(if character.is_control() || is_invisible(character) { ' ' } else { character });
        }
        Ok(())
    }
}

/// Characters that turn the direction of a line or break it, though Unicode does not call them controls.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
