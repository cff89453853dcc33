//! The tree of a jq program: parsing it, walking it, and saying where it is wrong. Knows nothing of what is allowed.

use jaq_core::compile;
use jaq_core::load::lex::{self, StrPart};
use jaq_core::load::parse as tree;
use jaq_core::path::Part;

use super::JqError;

pub(super) type Term<'s> = tree::Term<&'s str>;
pub(super) type Def<'s> = tree::Def<&'s str>;
pub(super) type Pattern<'s> = tree::Pattern<&'s str>;

/// Parses a program: one term, no `import` or `include`.
pub(super) fn parse(source: &str) -> Result<Term<'_>, JqError> {
    let tokens = lex::Lexer::new(source).lex().map_err(|errors| lexical(source, &errors))?;
    if let Some(lex::Token(word @ ("import" | "include" | "module"), lex::Tok::Word)) = tokens.first() {
        return Err(JqError::new(format!("`{word}` is not available: a program is one text"), source, word));
    }
    tree::Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let Some((expected, found)) = errors.into_iter().next() else { return JqError::new("no jq", source, source) };
        let part = lex::Token::opt_as_str(found, source);
        let found = if part.is_empty() { "the end".to_owned() } else { format!("`{}`", beginning(part)) };
        JqError::new(format!("expected {}, found {found}", expected.as_str()), source, part)
    })
}

fn lexical(source: &str, errors: &[lex::Error<&str>]) -> JqError {
    let Some((expected, part)) = errors.first() else { return JqError::new("no jq", source, source) };
    JqError::new(format!("expected {}, found `{}`", expected.as_str(), beginning(part)), source, part)
}

fn beginning(part: &str) -> String {
    super::short_line(&part, 30)
}

/// Says what jaq's compiler did not find.
pub(super) fn undefined<P>(source: &str, errors: &compile::Errors<&str, P>) -> JqError {
    let first = errors.iter().flat_map(|(_file, errors)| errors).next();
    let Some((name, undefined)) = first else { return JqError::new("it does not compile", source, source) };
    let name_and_arity = match undefined {
        compile::Undefined::Filter(arity) => format!("{name}/{arity}"),
        _ => (*name).to_owned(),
    };
    JqError::new(format!("the {} `{name_and_arity}` is not defined", undefined.as_str()), source, name)
}

/// The text of the main file, which stands for the program.
pub(super) const ENTRY: &str = "barnabas_entry";

/// The definition behind `ENTRY`.
pub(super) fn entry(main: &str) -> Def<'_> {
    tree::Def { name: ENTRY, args: Vec::new(), body: Term::Call(main, Vec::new()) }
}

/// Whether the program reads the variable `name` anywhere. A variable of its own with that name counts, too.
pub(super) fn mentions(term: &Term<'_>, name: &str) -> bool {
    let mut found = matches!(term, Term::Var(variable) if *variable == name);
    for_each_child(term, &mut |child| found = found || mentions(child, name));
    found
}

/// Calls `f` for every term directly below `term`, those in patterns and definitions included.
pub(super) fn for_each_child<'t, 's>(term: &'t Term<'s>, f: &mut dyn FnMut(&'t Term<'s>)) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => f(inner),
        Term::Str(_, parts) => parts.iter().for_each(|part| {
            if let StrPart::Term(inner) = part {
                f(inner);
            }
        }),
        Term::Obj(entries) => entries.iter().for_each(|(key, value)| {
            f(key);
            value.iter().for_each(&mut *f);
        }),
        Term::BinOp(left, operator, right) => {
            f(left);
            if let tree::BinaryOp::Pipe(Some(pattern)) = operator {
                for_each_in_pattern(pattern, f);
            }
            f(right);
        }
        Term::Fold(_, generator, pattern, arguments) => {
            f(generator);
            for_each_in_pattern(pattern, f);
            arguments.iter().for_each(f);
        }
        Term::TryCatch(body, catch) => {
            f(body);
            catch.iter().for_each(|catch| f(catch));
        }
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().for_each(|(condition, branch)| {
                f(condition);
                f(branch);
            });
            otherwise.iter().for_each(|otherwise| f(otherwise));
        }
        Term::Def(definitions, body) => {
            definitions.iter().for_each(|definition| f(&definition.body));
            f(body);
        }
        Term::Call(_, arguments) => arguments.iter().for_each(f),
        Term::Path(head, path) => {
            f(head);
            path.0.iter().for_each(|(part, _optional)| match part {
                Part::Index(index) => f(index),
                Part::Range(from, to) => from.iter().chain(to).for_each(&mut *f),
            });
        }
    }
}

fn for_each_in_pattern<'t, 's>(pattern: &'t Pattern<'s>, f: &mut dyn FnMut(&'t Term<'s>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| for_each_in_pattern(item, f)),
        Pattern::Obj(entries) => entries.iter().for_each(|(key, value)| {
            f(key);
            for_each_in_pattern(value, f);
        }),
    }
}

/// `for_each_child`, to change them.
pub(super) fn for_each_child_mut<'s>(term: &mut Term<'s>, f: &mut dyn FnMut(&mut Term<'s>)) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => f(inner),
        Term::Str(_, parts) => parts.iter_mut().for_each(|part| {
            if let StrPart::Term(inner) = part {
                f(inner);
            }
        }),
        Term::Obj(entries) => entries.iter_mut().for_each(|(key, value)| {
            f(key);
            value.iter_mut().for_each(&mut *f);
        }),
        Term::BinOp(left, operator, right) => {
            f(left);
            if let tree::BinaryOp::Pipe(Some(pattern)) = operator {
                for_each_in_pattern_mut(pattern, f);
            }
            f(right);
        }
        Term::Fold(_, generator, pattern, arguments) => {
            f(generator);
            for_each_in_pattern_mut(pattern, f);
            arguments.iter_mut().for_each(f);
        }
        Term::TryCatch(body, catch) => {
            f(body);
            catch.iter_mut().for_each(|catch| f(catch));
        }
        Term::IfThenElse(branches, otherwise) => {
            branches.iter_mut().for_each(|(condition, branch)| {
                f(condition);
                f(branch);
            });
            otherwise.iter_mut().for_each(|otherwise| f(otherwise));
        }
        Term::Def(definitions, body) => {
            definitions.iter_mut().for_each(|definition| f(&mut definition.body));
            f(body);
        }
        Term::Call(_, arguments) => arguments.iter_mut().for_each(f),
        Term::Path(head, path) => {
            f(head);
            path.0.iter_mut().for_each(|(part, _optional)| match part {
                Part::Index(index) => f(index),
                Part::Range(from, to) => from.iter_mut().chain(to).for_each(&mut *f),
            });
        }
    }
}

fn for_each_in_pattern_mut<'s>(pattern: &mut Pattern<'s>, f: &mut dyn FnMut(&mut Term<'s>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter_mut().for_each(|item| for_each_in_pattern_mut(item, f)),
        Pattern::Obj(entries) => entries.iter_mut().for_each(|(key, value)| {
            f(key);
            for_each_in_pattern_mut(value, f);
        }),
    }
}
