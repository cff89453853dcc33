//! What a jq program may not do, decided on its tree before it ever runs: loops that may not end, and functions that
//! reach out of the event. jaq cannot be interrupted, so this is the first of the limits; `guard` is the second.

use jaq_core::load::parse::BinaryOp;
use jaq_core::path::Part;

use super::JqError;
use super::syntax::{Def, Term, for_each_child};

/// Functions that are left out, whatever their arguments, and why.
const LEFT_OUT: &[(&[&str], &str)] = &[
    (&["halt", "halt_error"], "it would end the process; `error` fails the event"),
    (&["env", "input_filename", "input_line_number", "get_search_list"], "a program sees the event alone"),
    (&["input", "inputs"], "a program sees one event at a time"),
    (&["debug", "stderr", "debug_empty", "stderr_empty"], "a program writes nothing but its outputs"),
    (&["repeat", "while", "until"], "it may not end; use `range`, `limit` or `reduce` over the event"),
    (&["combinations"], "its outputs may outgrow any memory"),
];

/// The most values that `range` may give.
const LONGEST_RANGE: f64 = 1e6;

/// Refuses what may not end or reaches out of the event.
pub(super) fn check(source: &str, term: &Term<'_>) -> Result<(), JqError> {
    Checker { source, scope: Vec::new() }.term(term)
}

/// A filter that the program defines, or a parameter of one.
struct Defined<'t> {
    name: &'t str,
    arity: usize,
    /// We are inside its body: calling it now is recursion.
    open: bool,
}

struct Checker<'t> {
    source: &'t str,
    scope: Vec<Defined<'t>>,
}

impl<'t> Checker<'t> {
    fn term(&mut self, term: &'t Term<'t>) -> Result<(), JqError> {
        match term {
            Term::Def(definitions, body) => {
                let outside = self.scope.len();
                for definition in definitions {
                    self.definition(definition)?;
                }
                self.term(body)?;
                self.scope.truncate(outside);
                return Ok(());
            }
            Term::Call(name, arguments) => self.call(name, arguments)?,
            Term::Var(name @ ("$ENV" | "$__prog_args")) => {
                return Err(self.refuse(name, "a program sees the event alone"));
            }
            _ => {}
        }
        let mut result = Ok(());
        for_each_child(term, &mut |child| {
            if result.is_ok() {
                result = self.term(child);
            }
        });
        result
    }

    fn definition(&mut self, definition: &'t Def<'t>) -> Result<(), JqError> {
        let place = self.scope.len();
        self.scope.push(Defined { name: definition.name, arity: definition.args.len(), open: true });
        let parameters = definition.args.iter().filter(|name| !name.starts_with('$'));
        self.scope.extend(parameters.map(|name| Defined { name, arity: 0, open: false }));
        self.term(&definition.body)?;
        self.scope.truncate(place.saturating_add(1));
        if let Some(defined) = self.scope.last_mut() {
            defined.open = false;
        }
        Ok(())
    }

    fn call(&self, name: &'t str, arguments: &[Term<'t>]) -> Result<(), JqError> {
        let arity = arguments.len();
        match self.scope.iter().rev().find(|defined| defined.name == name && defined.arity == arity) {
            Some(Defined { open: true, .. }) => {
                return Err(self.refuse(name, "a definition that calls itself may not end"));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        if let Some((_, why)) = LEFT_OUT.iter().find(|(names, _)| names.contains(&name)) {
            return Err(self.refuse(name, why));
        }
        match (name, arguments) {
            ("range", bounds) if arity <= 3 => self.range(name, bounds),
            ("recurse", [step] | [step, _]) if !descends(step) => {
                Err(self.refuse(name, "it may not end unless its argument descends, as `.children[]?` does"))
            }
            _ => Ok(()),
        }
    }

    fn range(&self, name: &'t str, bounds: &[Term<'t>]) -> Result<(), JqError> {
        let numbers: Option<Vec<f64>> = bounds.iter().map(literal).collect();
        let (from, to, by) = match numbers.as_deref() {
            Some([to]) => (0.0, *to, 1.0),
            Some([from, to]) => (*from, *to, 1.0),
            Some([from, to, by]) => (*from, *to, *by),
            _ => {
                return Err(self.refuse(
                    name,
                    "its bounds must be numbers in the program, or an event could make it run for ever",
                ));
            }
        };
        if by == 0.0 || (to - from) / by > LONGEST_RANGE {
            return Err(self.refuse(name, "it may give at most 1000000 values"));
        }
        Ok(())
    }

    fn refuse(&self, name: &str, why: &str) -> JqError {
        JqError::new(format!("`{name}` is refused: {why}"), self.source, name)
    }
}

/// A number that stands in the program.
fn literal(term: &Term<'_>) -> Option<f64> {
    match term {
        Term::Num(text) => text.parse().ok(),
        Term::Neg(inner) => literal(inner).map(|number| -number),
        _ => None,
    }
}

/// Whether following this path over and over comes to an end: it goes down through names and indices, and at least
/// once into all members. Without that `null | .parent` is null, for ever.
fn descends(term: &Term<'_>) -> bool {
    match term {
        Term::Path(head, path) if matches!(**head, Term::Id) => {
            let fixed = |part: &Part<Term<'_>>| match part {
                Part::Index(index) => matches!(index, Term::Str(..) | Term::Num(_)),
                Part::Range(from, to) => from.is_none() && to.is_none(),
            };
            path.0.iter().all(|(part, _)| fixed(part)) && path.0.iter().any(|(part, _)| matches!(part, Part::Range(..)))
        }
        // `.[] | .children[]`, `.children | .[]`
        Term::BinOp(left, BinaryOp::Pipe(None), right) => descends(left) && descends(right),
        _ => false,
    }
}
