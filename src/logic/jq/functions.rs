//! The functions that programs may call: jaq's library without what reaches out of the event, and ours in place of
//! those that an event could use to end the process (a JSON reader without a limit on depth, sorts that panic on
//! their own order, regular expressions whose groups begin before one another).

use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Bind, Ctx, Cv, ValX, ValXs};
use jaq_json::{Error, Val};
use jaq_std::ValT as _;
use regex_lite::{Regex, RegexBuilder};

use super::guard::{self, Kind, Run};
use super::order::Ordered;
use super::syntax::Def;
use super::{json, objects};

/// Definitions that call natives which are left out, and those that are natives here: jaq finds out the type of a value
/// with up to six comparisons, which costs as much as building a small object.
const DEFINITIONS_LEFT_OUT: &[&str] = &[
    "stderr",
    "debug",
    "halt",
    "halt_error",
    "type",
    "isboolean",
    "isnumber",
    "isstring",
    "isarray",
    "isobject",
    "not",
    "true",
    "false",
];

/// Natives that are left out, and those that ours replace.
const NATIVES_LEFT_OUT: &[&str] = &[
    "halt",
    "env",
    "debug_empty",
    "stderr_empty",
    "fromjson",
    "tojson",
    "sort",
    "sort_by",
    "group_by",
    "matches",
    "split_matches",
    "split_",
];

/// The definitions of the library, weighed like the program.
pub(super) fn definitions() -> Vec<Def<'static>> {
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let mut kept: Vec<_> = all.filter(|definition| !DEFINITIONS_LEFT_OUT.contains(&definition.name)).collect();
    kept.iter_mut().for_each(|definition| guard::weave(&mut definition.body));
    kept
}

/// The functions that are written in Rust.
pub(super) fn natives() -> impl Iterator<Item = Fun<Kind>> {
    let theirs = jaq_core::funs::<Kind>().chain(jaq_std::funs::<Kind>()).chain(jaq_json::funs::<Kind>());
    let theirs = theirs.filter(|(name, ..)| !NATIVES_LEFT_OUT.contains(name));
    theirs.chain(guard::functions()).chain(objects::functions()).chain(ours())
}

fn ours() -> Vec<Fun<Kind>> {
    let function = || [Bind::Fun(())].into();
    vec![
        run(("fromjson", v(0), |cv| bome(from_json(&cv.1)))),
        run(("tojson", v(0), |cv| bome(guard::json(cv.0.data(), &cv.1)))),
        run(("sort", v(0), |cv| bome(sort(cv.1)))),
        run(("sort_by", function(), |cv| one(sort_by(cv)))),
        run(("group_by", function(), |cv| one(group_by(cv)))),
        run(("matches", v(2), |cv| regex(cv, false, true))),
        run(("split_matches", v(2), |cv| regex(cv, true, true))),
        run(("split_", v(2), |cv| regex(cv, true, false))),
        run(("type", v(0), |cv| one(Ok(Val::from(type_of(&cv.1).to_owned()))))),
        run(("isboolean", v(0), |cv| one(Ok(Val::Bool(matches!(cv.1, Val::Bool(_))))))),
        run(("isnumber", v(0), |cv| one(Ok(Val::Bool(matches!(cv.1, Val::Num(_))))))),
        run(("isstring", v(0), |cv| one(Ok(Val::Bool(matches!(cv.1, Val::TStr(_) | Val::BStr(_))))))),
        run(("isarray", v(0), |cv| one(Ok(Val::Bool(matches!(cv.1, Val::Arr(_))))))),
        run(("isobject", v(0), |cv| one(Ok(Val::Bool(matches!(cv.1, Val::Obj(_))))))),
        run(("not", v(0), |cv| one(Ok(Val::Bool(matches!(cv.1, Val::Null | Val::Bool(false))))))),
        run(("true", v(0), |_| one(Ok(Val::Bool(true))))),
        run(("false", v(0), |_| one(Ok(Val::Bool(false))))),
    ]
}

fn type_of(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::TStr(_) | Val::BStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
    }
}

fn one<'a>(result: ValX<'a, Val>) -> ValXs<'a, Val> {
    jaq_core::box_iter::box_once(result)
}

fn from_json(text: &Val) -> Result<Val, Error> {
    let bytes = text.as_utf8_bytes().ok_or_else(|| Error::typ(text.clone(), "string"))?;
    json::parse(bytes).map_err(|error| Error::str(format_args!("cannot parse as JSON: {error}")))
}

fn items(array: Val) -> Result<Vec<Val>, Error> {
    array.into_seq().map_err(|value| Error::typ(value, "array"))
}

fn sort(array: Val) -> Result<Val, Error> {
    let mut items: Vec<Ordered> = items(array)?.into_iter().map(Ordered).collect();
    items.sort();
    Ok(items.into_iter().map(|Ordered(item)| item).collect())
}

/// The items, each behind what the function gives for it, in the order of that.
fn keyed<'a>(mut cv: Cv<'a, Kind>) -> ValX<'a, Vec<(Vec<Ordered>, Val)>, Val> {
    let (id, context): (_, Ctx<'a, Kind>) = cv.0.pop_fun();
    let mut keyed = Vec::new();
    for item in items(cv.1)? {
        let key = id.run((context.clone(), item.clone())).map(|key| key.map(Ordered));
        keyed.push((key.collect::<Result<Vec<_>, _>>()?, item));
    }
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(keyed)
}

fn sort_by<'a>(cv: Cv<'a, Kind>) -> ValX<'a, Val> {
    Ok(keyed(cv)?.into_iter().map(|(_, item)| item).collect())
}

fn group_by<'a>(cv: Cv<'a, Kind>) -> ValX<'a, Val> {
    let mut groups: Vec<Vec<Val>> = Vec::new();
    let mut last = None;
    for (key, item) in keyed(cv)? {
        match groups.last_mut() {
            Some(group) if last.as_ref() == Some(&key) => group.push(item),
            _ => groups.push(vec![item]),
        }
        last = Some(key);
    }
    Ok(groups.into_iter().map(|group| group.into_iter().collect::<Val>()).collect())
}

/// jaq's `matches`, `split_matches` and `split_` for `. =~ regex` with flags.
fn regex<'a>(mut cv: Cv<'a, Kind>, mismatches: bool, matches: bool) -> ValXs<'a, Val> {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    bome(search(cv.0.data(), &cv.1, &pattern, &flags, mismatches, matches))
}

fn search(
    run: &Run<'_>,
    text: &Val,
    pattern: &Val,
    flags: &Val,
    mismatches: bool,
    matches: bool,
) -> Result<Val, Error> {
    /// What a match costs in memory: an object for each of its groups.
    const MATCH: u64 = 400;
    let string = |value: &Val| {
        let bytes = value.as_utf8_bytes().ok_or_else(|| Error::typ(value.clone(), "string"))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    };
    let (text, flags) = (string(text)?, string(flags)?);
    let regex = compile(&string(pattern)?, &flags)?;
    run.charge(text.len() as u64)?;

    let (mut found, mut end, mut place) = (Vec::new(), 0, Place::default());
    for captures in regex.captures_iter(&text) {
        let Some(whole) = captures.get(0) else { continue };
        if flags.contains('n') && whole.is_empty() {
            continue;
        }
        if mismatches {
            found.push(Val::from(text.get(end..whole.start()).unwrap_or_default().to_owned()));
            end = whole.end();
        }
        if matches {
            run.charge(MATCH.saturating_mul(captures.len() as u64))?;
            let groups = captures.iter().zip(regex.capture_names());
            let groups = groups.filter_map(|(group, name)| Some(describe(&text, &mut place, group?, name)));
            found.push(groups.collect());
        }
        if !flags.contains('g') {
            break;
        }
    }
    if mismatches {
        found.push(Val::from(text.get(end..).unwrap_or_default().to_owned()));
    }
    Ok(found.into_iter().collect())
}

fn compile(pattern: &str, flags: &str) -> Result<Regex, Error> {
    let mut builder = RegexBuilder::new(pattern);
    for flag in flags.chars() {
        match flag {
            'g' | 'n' => {}
            'i' => drop(builder.case_insensitive(true)),
            'x' => drop(builder.ignore_whitespace(true)),
            's' => drop(builder.dot_matches_new_line(true)),
            'm' => drop(builder.multi_line(true)),
            'l' => drop(builder.swap_greed(true)),
            'p' => drop(builder.multi_line(true).dot_matches_new_line(true)),
            flag => return Err(Error::str(format_args!("invalid regex flag: {flag}"))),
        }
    }
    builder.build().map_err(|error| Error::str(format_args!("invalid regex: {error}")))
}

/// A place in a text, in bytes and in characters, so that the next one need not be counted from the beginning.
#[derive(Default)]
struct Place {
    bytes: usize,
    characters: usize,
}

impl Place {
    fn characters_before(&mut self, text: &str, bytes: usize) -> usize {
        let between = |from: usize, to: usize| text.get(from..to).map_or(0, |part| part.chars().count());
        self.characters = if bytes >= self.bytes {
            self.characters.saturating_add(between(self.bytes, bytes))
        } else {
            self.characters.saturating_sub(between(bytes, self.bytes))
        };
        self.bytes = bytes;
        self.characters
    }
}

fn describe(text: &str, place: &mut Place, group: regex_lite::Match<'_>, name: Option<&str>) -> Val {
    let key = |name: &str| Val::from(name.to_owned());
    let mut members = jaq_json::Map::default();
    members.insert(key("offset"), Val::from(place.characters_before(text, group.start())));
    members.insert(key("length"), Val::from(group.as_str().chars().count()));
    members.insert(key("string"), key(group.as_str()));
    if let Some(name) = name {
        members.insert(key("name"), key(name));
    }
    Val::obj(members)
}
