//! Paths to a place in an event, as `required` names them: `.tags.host`, `.a["b c"]`, `.list[0]`, or a plain name.

use jaq_core::load::lex::StrPart;
use jaq_core::path::Part;

use super::syntax::{self, Term};
use super::{JqError, Val};

/// A path to a place in an event.
#[derive(Clone, Debug)]
pub struct Path(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug)]
pub enum Step {
    /// Into the member of an object.
    Member(Val),
    /// Into an item of an array; negative: from the end.
    Item(i64),
}

impl Path {
    /// `source` with a dot in front is a path in jq's words; without one it is the name of a member, dots and all.
    ///
    /// # Errors
    ///
    /// It is no path, or one that leads to more than one place.
    pub fn parse(source: &str) -> Result<Self, JqError> {
        if !source.starts_with('.') {
            return Ok(Self(vec![Step::Member(Val::from(source.to_owned()))]));
        }
        let refused = || JqError::new("expected a name, or a path such as .tags.host", source, source);
        let Term::Path(head, path) = syntax::parse(source)? else { return Err(refused()) };
        if !matches!(*head, Term::Id) {
            return Err(refused());
        }
        let steps = path.0.iter().map(|(part, _optional)| step(part)).collect::<Option<_>>();
        steps.map(Self).ok_or_else(refused)
    }

    /// The value at this path of `event`, if there is one.
    pub fn find<'v>(&self, event: &'v Val) -> Option<&'v Val> {
        self.0.iter().try_fold(event, |value, step| match (value, step) {
            (Val::Obj(members), Step::Member(name)) => members.get(name),
            (Val::Arr(items), Step::Item(index)) => {
                let index = match usize::try_from(*index) {
                    Ok(index) => index,
                    Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
                };
                items.get(index)
            }
            _ => None,
        })
    }
}

fn step(part: &Part<Term<'_>>) -> Option<Step> {
    match part {
        Part::Index(Term::Str(None, parts)) => {
            let mut name = String::new();
            for part in parts {
                match part {
                    StrPart::Str(text) => name.push_str(text),
                    StrPart::Char(character) => name.push(*character),
                    StrPart::Term(_) => return None,
                }
            }
            Some(Step::Member(Val::from(name)))
        }
        Part::Index(Term::Num(number)) => number.parse().ok().map(Step::Item),
        Part::Index(Term::Neg(inner)) => match &**inner {
            Term::Num(number) => number.parse::<i64>().ok()?.checked_neg().map(Step::Item),
            _ => None,
        },
        _ => None,
    }
}
