//! Builds objects whose names stand in the program, `{a: .x, b: .y}`, in one go.
//!
//! jaq adds up one object for each member, which takes the square of their number: two thirds of what a mapping of
//! twelve members cost. Here the names are laid out once, when the program is compiled; a run copies them and fills
//! in the values. What an object is does not change, several outputs of a value included.

use jaq_core::load::lex::StrPart;
use jaq_core::load::{Arena, parse};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::path::{Opt, Part, Path};
use jaq_core::{Cv, ValXs};
use jaq_json::{Map, Val};
use jaq_std::ValT as _;

use super::guard::Kind;
use super::syntax::{Term, for_each_child_mut};

/// Objects with their names in place and no values.
#[derive(Debug, Default)]
pub(super) struct Templates(Vec<Map>);

impl Templates {
    /// Replaces what can be built in one go by calls to `!object`. The texts of numbers are kept in `arena`.
    pub(super) fn weave<'s>(&mut self, term: &mut Term<'s>, arena: &'s Arena) {
        for_each_child_mut(term, &mut |child| self.weave(child, arena));
        let Term::Obj(entries) = term else { return };
        let mut template = Map::default();
        for (name, _) in &*entries {
            let Some(name) = constant_name(name) else { return };
            template.insert(Val::from(name), Val::Null);
        }
        // A name that comes twice: the last value counts, and the first must be computed nevertheless.
        if template.len() != entries.len() || !(FEWEST..=MOST).contains(&template.len()) {
            return;
        }
        let number = arena.alloc(self.0.len().to_string());
        self.0.push(template);
        let values = std::mem::take(entries).into_iter().map(value);
        *term = Term::Call("!object", std::iter::once(Term::Num(number)).chain(values).collect());
    }
}

fn constant_name(name: &Term<'_>) -> Option<String> {
    match name {
        Term::Var(variable) => variable.strip_prefix('$').map(str::to_owned),
        Term::Str(None, parts) => {
            let mut name = String::new();
            for part in parts {
                match part {
                    StrPart::Str(text) => name.push_str(text),
                    StrPart::Char(character) => name.push(*character),
                    StrPart::Term(_) => return None,
                }
            }
            Some(name)
        }
        _ => None,
    }
}

/// `{a: f}` is f, `{$x}` is $x, and `{a}` is .a
fn value<'s>((name, value): (Term<'s>, Option<Term<'s>>)) -> Term<'s> {
    match (name, value) {
        (_, Some(value)) => value,
        (variable @ Term::Var(_), None) => variable,
        (name, None) => {
            let parts: Vec<(Part<Term<'s>>, Opt)> = vec![(Part::Index(name), Opt::Essential)];
            parse::Term::Path(Box::new(Term::Id), Path(parts))
        }
    }
}

/// The sizes for which there is a function. More members are as jaq does them.
const FEWEST: usize = 2;
const MOST: usize = 24;

/// `!object` of the number of a template and its values.
pub(super) fn functions() -> Vec<Fun<Kind>> {
    macro_rules! of_size {
        ($($size:literal)*) => { vec![$(run(("!object", v($size + 1), |cv| object::<$size>(cv))),)*] };
    }
    of_size!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24)
}

fn object<'a, const SIZE: usize>(mut cv: Cv<'a, Kind>) -> ValXs<'a, Val> {
    // The last argument comes first.
    let values: [Val; SIZE] = std::array::from_fn(|_| cv.0.pop_var());
    let number = cv.0.pop_var().as_isize().and_then(|number| usize::try_from(number).ok());
    let Templates(templates) = cv.0.data().templates();
    let template = number.and_then(|number| templates.get(number));
    let mut object = template.cloned().unwrap_or_default();
    for (member, value) in object.values_mut().rev().zip(values) {
        *member = value;
    }
    bome(Ok(Val::obj(object)))
}
