//! Weighs what a jq program does while it runs, because an event can make an innocent program do too much:
//! `.a * .b` with a text and 10^18, two lists of a million items each for `.a[] as $x | .b[]`.
//!
//! jaq offers no hook for this, so calls of ours are woven into the program's tree (and into jaq's library) wherever
//! it iterates, collects, folds or multiplies. Their names begin with "!", which no program can write.

use std::cell::Cell;

use jaq_core::box_iter::box_once;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::ops::Math;
use jaq_core::path::Part;
use jaq_core::{Cv, DataT, Exn, Lut, Native, ValX, ValXs, data::HasLut};
use jaq_json::{Num, Val};

use super::objects::Templates;
use super::order::Ordered;
use super::syntax::{Term, for_each_child_mut};
use super::{Limits, json};
use crate::logic::sorted_set::SortedSet;

/// What a run fails with that did more than its limit allows.
pub(super) const EXHAUSTED: &str = "it does more work, or builds more, than an event may cause";

/// Which values and which context jaq runs on.
pub(super) struct Kind;

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = &'a Run<'a>;
}

/// One run of a program on one event.
pub(super) struct Run<'a> {
    lut: &'a Lut<Kind>,
    templates: &'a Templates,
    limits: &'a Limits,
    /// Work done, in the unit of `Limits::work`.
    spent: Cell<u64>,
    /// Steps of `reduce` and `foreach`.
    steps: Cell<u32>,
}

impl<'a> HasLut<'a, Kind> for &'a Run<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

/// What a step costs, whatever it does. It takes jaq about a microsecond.
const STEP: u64 = 64;

impl<'a> Run<'a> {
    pub(super) fn new(lut: &'a Lut<Kind>, templates: &'a Templates, limits: &'a Limits) -> Self {
        Self { lut, templates, limits, spent: Cell::new(0), steps: Cell::new(0) }
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.spent.get() > self.limits.work
    }

    pub(super) fn templates(&self) -> &'a Templates {
        self.templates
    }

    pub(super) fn output_bytes(&self) -> usize {
        self.limits.output_bytes
    }

    /// Accounts for `cost` more. Once exhausted it stays so: catching the error does not help.
    pub(super) fn charge(&self, cost: u64) -> Result<(), jaq_json::Error> {
        self.spent.set(self.spent.get().saturating_add(cost));
        if self.is_exhausted() { Err(jaq_json::Error::str(EXHAUSTED)) } else { Ok(()) }
    }

    fn exhaust<T>(&self) -> Result<T, jaq_json::Error> {
        self.spent.set(u64::MAX);
        Err(jaq_json::Error::str(EXHAUSTED))
    }

    /// A value was iterated over or collected.
    fn item(&self, value: &Val) -> Result<(), jaq_json::Error> {
        let size = match value {
            Val::TStr(text) | Val::BStr(text) => text.len() as u64,
            _ => 0,
        };
        self.charge(STEP.saturating_add(size))
    }

    /// A fold comes to its next step with `value`. One step can do to it only what the program says, so that it is
    /// enough to stop what has become enormous.
    fn step(&self, value: &Val) -> Result<(), jaq_json::Error> {
        const CHECK_DEPTH_EVERY: u32 = 1024;
        const MAX_BITS: u64 = 1 << 16;
        self.charge(STEP)?;
        self.steps.set(self.steps.get().wrapping_add(1));
        let enormous = match value {
            Val::TStr(text) | Val::BStr(text) => text.len() as u64 > self.limits.work / 4,
            Val::Arr(items) => items.len() as u64 > self.limits.work / 64,
            Val::Obj(members) => members.len() as u64 > self.limits.work / 256,
            Val::Num(Num::BigInt(integer)) => integer.bits() > MAX_BITS,
            _ => false,
        };
        // Nesting by one level a step would end in a stack overflow when the value is dropped.
        if enormous || (self.steps.get().is_multiple_of(CHECK_DEPTH_EVERY) && is_too_deep(value)) {
            return self.exhaust();
        }
        Ok(())
    }

    /// A step in a path that is assigned to. jaq recurses once for each of them: a thousand fit on a small stack.
    fn step_in_path(&self) -> Result<(), jaq_json::Error> {
        self.charge(self.limits.work / 1000)
    }
}

/// Looks at the first 100,000 values: more than that, and the depth is found at a later step.
fn is_too_deep(value: &Val) -> bool {
    const TOO_DEEP: usize = 1000;
    let mut left = 100_000_usize;
    let mut stack = vec![(value, 0_usize)];
    while let Some((value, depth)) = stack.pop() {
        if depth > TOO_DEEP {
            return true;
        }
        let Some(fewer) = left.checked_sub(1) else { return false };
        left = fewer;
        let deeper = depth.saturating_add(1);
        match value {
            Val::Arr(items) => stack.extend(items.iter().take(left).map(|item| (item, deeper))),
            Val::Obj(members) => stack.extend(members.values().take(left).map(|member| (member, deeper))),
            _ => {}
        }
    }
    false
}

/// Weaves the calls below into a program or a definition of the library.
pub(super) fn weave(term: &mut Term<'_>) {
    for_each_child_mut(term, &mut |child| weave(child));
    match term {
        Term::Recurse => *term = pipe(std::mem::take(term), "!item"),
        Term::Path(_, path) if path.0.iter().any(|(part, _)| matches!(part, Part::Range(None, None))) => {
            *term = pipe(std::mem::take(term), "!item");
        }
        Term::Arr(Some(inner)) if may_be_many(inner) => **inner = pipe(std::mem::take(inner), "!item"),
        Term::Fold(_, _, _, arguments) => {
            if let Some(update) = arguments.get_mut(1) {
                let step = Box::new(Term::Call("!step", Vec::new()));
                *update = Term::BinOp(step, BinaryOp::Pipe(None), Box::new(std::mem::take(update)));
            }
        }
        // Without a format an interpolated value becomes its JSON text: ours, which has a limit.
        Term::Str(None, parts) => parts.iter_mut().for_each(|part| {
            if let StrPart::Term(inner) = part {
                *inner = pipe(std::mem::take(inner), "!text");
            }
        }),
        Term::Obj(entries) => {
            for (key, value) in entries.iter_mut() {
                let constant = matches!(key, Term::Str(..) | Term::Var(_));
                if !constant && value.is_some() {
                    *key = pipe(std::mem::take(key), "!name");
                }
            }
            *term = sum_of_members(std::mem::take(entries));
        }
        Term::BinOp(left, operator, right) => {
            let (operand, function) = match operator {
                BinaryOp::Math(math) => (None, function(*math)),
                BinaryOp::UpdateMath(math) => (Some("$!operand"), function(*math)),
                _ => return,
            };
            let Some(function) = function else { return };
            let (left, right) = (std::mem::take(&mut **left), std::mem::take(&mut **right));
            *term = match operand {
                None => Term::Call(function, vec![left, right]),
                // `a *= b` is `b as $operand | a |= . * $operand`
                Some(operand) => {
                    let product = Term::Call(function, vec![Term::Id, Term::Var(operand)]);
                    let update = Term::BinOp(Box::new(left), BinaryOp::Update, Box::new(product));
                    let bind = BinaryOp::Pipe(Some(Pattern::Var(operand)));
                    Term::BinOp(Box::new(right), bind, Box::new(update))
                }
            };
        }
        _ => {}
    }
}

/// An object as the sum of its members, from the left. jaq would add them up from the right, and copy all that it has
/// for each further member: for twelve of them that is half of the work. Outputs and their order are the same.
fn sum_of_members<'s>(entries: Vec<(Term<'s>, Option<Term<'s>>)>) -> Term<'s> {
    let members = entries.into_iter().map(|entry| Term::Obj(vec![entry]));
    members
        .reduce(|sum, member| Term::BinOp(Box::new(sum), BinaryOp::Math(Math::Add), Box::new(member)))
        .unwrap_or(Term::Obj(Vec::new()))
}

fn pipe<'s>(term: Term<'s>, function: &'s str) -> Term<'s> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(Term::Call(function, Vec::new())))
}

/// Whether an event decides how many outputs the term has. What is written out, such as `[.a, .b]`, needs no weighing.
fn may_be_many(term: &Term<'_>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Str(..) | Term::Arr(_) | Term::Var(_) => false,
        Term::BinOp(left, BinaryOp::Comma, right) => may_be_many(left) || may_be_many(right),
        Term::Path(head, path) => {
            may_be_many(head)
                || !path.0.iter().all(|(part, _)| matches!(part, Part::Index(Term::Str(..) | Term::Num(_))))
        }
        _ => true,
    }
}

fn function(math: Math) -> Option<&'static str> {
    match math {
        Math::Mul => Some("!times"),
        Math::Sub => Some("!minus"),
        Math::Div => Some("!over"),
        Math::Add | Math::Rem => None,
    }
}

/// The functions that are woven in.
pub(super) fn functions() -> Vec<Fun<Kind>> {
    let weigh = |name, weigh: Native<Kind>| (name, v(0), weigh);
    vec![
        weigh(
            "!item",
            Native::new(|cv| pass(cv, Run::item))
                .with_paths(|cv| match cv.0.data().item(&cv.1.0) {
                    Ok(()) => box_once(Ok(cv.1)),
                    Err(error) => box_once(Err(Exn::from(error))),
                })
                .with_update(|cv, f| match cv.0.data().item(&cv.1) {
                    Ok(()) => f(cv.1),
                    Err(error) => bome(Err(error)),
                }),
        ),
        weigh(
            "!step",
            Native::new(|cv| pass(cv, Run::step))
                .with_paths(|cv| match cv.0.data().step(&cv.1.0) {
                    Ok(()) => box_once(Ok(cv.1)),
                    Err(error) => box_once(Err(Exn::from(error))),
                })
                .with_update(|cv, f| match cv.0.data().step_in_path() {
                    Ok(()) => f(cv.1),
                    Err(error) => bome(Err(error)),
                }),
        ),
        run(("!text", v(0), |cv| bome(text(cv.0.data(), cv.1)))),
        run(("!name", v(0), |cv| {
            bome(match cv.1 {
                name @ Val::TStr(_) => Ok(name),
                _ => Err(jaq_json::Error::str("the name of a member must be a string")),
            })
        })),
        run(("!times", v(2), |cv| binary(cv, times))),
        run(("!minus", v(2), |cv| binary(cv, minus))),
        run(("!over", v(2), |cv| binary(cv, over))),
    ]
}

fn pass<'a>(cv: Cv<'a, Kind>, weigh: fn(&Run<'a>, &Val) -> Result<(), jaq_json::Error>) -> ValXs<'a, Val> {
    let result: ValX<'a, Val> = weigh(cv.0.data(), &cv.1).map(|()| cv.1).map_err(Exn::from);
    box_once(result)
}

/// The JSON text of a value; a string as it is.
pub(super) fn text(run: &Run<'_>, value: Val) -> Result<Val, jaq_json::Error> {
    match value {
        Val::TStr(text) | Val::BStr(text) => Ok(Val::TStr(text)),
        value => json(run, &value),
    }
}

/// The JSON text of a value, also of a string.
pub(super) fn json(run: &Run<'_>, value: &Val) -> Result<Val, jaq_json::Error> {
    json::write(value, run.output_bytes()).map(Val::utf8_str).map_err(jaq_json::Error::str)
}

type Operator = fn(&Run<'_>, Val, Val) -> Result<Val, jaq_json::Error>;

fn binary<'a>(mut cv: Cv<'a, Kind>, operator: Operator) -> ValXs<'a, Val> {
    let right = cv.0.pop_var();
    let left = cv.0.pop_var();
    bome(operator(cv.0.data(), left, right))
}

/// A text times a number repeats it, and a product of large integers is as long as both.
fn times(run: &Run<'_>, left: Val, right: Val) -> Result<Val, jaq_json::Error> {
    const MAX_BITS: u64 = 1 << 16;
    match (&left, &right) {
        (Val::TStr(text) | Val::BStr(text), Val::Num(count)) | (Val::Num(count), Val::TStr(text) | Val::BStr(text)) => {
            let count = match count {
                Num::Int(count) => u64::try_from(*count).unwrap_or(0),
                // Beyond an isize; jaq would take a negative one for zero, and so may be refused.
                Num::BigInt(_) => u64::MAX,
                _ => 0,
            };
            run.charge((text.len() as u64).saturating_mul(count).max(count))?;
        }
        (Val::Num(Num::BigInt(left)), Val::Num(Num::BigInt(right)))
            if left.bits().saturating_add(right.bits()) > MAX_BITS =>
        {
            return run.exhaust();
        }
        _ => {}
    }
    left * right
}

/// Lists are subtracted in our order of values, not in jaq's (see `order`).
fn minus(_run: &Run<'_>, left: Val, right: Val) -> Result<Val, jaq_json::Error> {
    match (left, right) {
        (Val::Arr(left), Val::Arr(right)) => {
            let unwanted: SortedSet<Ordered> = right.iter().cloned().map(Ordered).collect();
            let kept = left.iter().filter(|item| !unwanted.contains(&Ordered((*item).clone())));
            Ok(kept.cloned().collect())
        }
        (left, right) => left - right,
    }
}

/// A text divided by a text is split, and each part costs more than its bytes.
fn over(run: &Run<'_>, left: Val, right: Val) -> Result<Val, jaq_json::Error> {
    const PART: u64 = 64;
    if let (Val::TStr(text) | Val::BStr(text), Val::TStr(separator) | Val::BStr(separator)) = (&left, &right) {
        let parts = match separator.first() {
            Some(first) => text.iter().filter(|byte| *byte == first).count(),
            None => text.len(),
        };
        run.charge(PART.saturating_mul(parts as u64))?;
    }
    left / right
}
