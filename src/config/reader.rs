//! Typed access to the tables of the file. Every problem is noted at its place and reading goes on, so that a person
//! sees all of them at once; what is returned in place of something wrong is never used, because `load` fails then.
//! Knows TOML and no key.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration::{display_duration, parse_duration};
use super::error::Problem;
use super::interpolate::Lookup;
use super::schema::Secret;
use super::size::{display_size, parse_size};
use super::source::Source;
use super::suggestion::closest;

/// The reading of one file: what all its tables share.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) source: &'a Source,
    pub(super) lookup: Lookup<'a>,
    pub(super) notes: RefCell<Notes>,
}

/// What was found wrong or doubtful so far, each with the byte it is about.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: Vec<(usize, Problem)>,
    pub(super) warnings: Vec<(usize, String)>,
    /// A secret stands in the configuration file itself.
    pub(super) holds_a_secret: bool,
}

impl Reading<'_> {
    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        let problem = self.source.problem(span.clone(), message.into(), hint);
        self.notes.borrow_mut().problems.push((span.start, problem));
    }

    /// A problem with the file as a whole.
    pub(super) fn problem_with_file(&self, message: &str, hint: &str) {
        self.notes.borrow_mut().problems.push((0, self.source.problem_with_all(message, hint)));
    }

    pub(super) fn warning(&self, byte: usize, message: impl Display) {
        let warning = format!("{}: {message}", self.source.place(byte));
        self.notes.borrow_mut().warnings.push((byte, warning));
    }

    /// Warns where a file with a secret may be read by everybody on this machine.
    pub(super) fn warn_if_readable_by_others(&self, byte: usize, path: &Path) {
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o004 != 0 {
            let path = path.display();
            self.warning(byte, format!("{path} holds a secret and everybody can read it; `chmod o= {path}`"));
        }
    }
}

/// A string of the file with every `${…}` replaced.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) span: Range<usize>,
    replaced: bool,
}

/// A threshold as it is written.
#[derive(Debug)]
pub(super) enum Figure {
    /// A number, which may be infinite or none at all.
    Number(f64),
    /// A string, which stands for a number together with its unit.
    Text(String),
}

/// A table of the file, and which of its keys were asked for.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) reading: &'a Reading<'a>,
    table: &'a DeTable<'a>,
    /// Where the table begins in the file.
    pub(super) span: Range<usize>,
    /// Its dotted name, empty for the top level.
    name: String,
    /// One of several, as in `[[forward]]`.
    repeated: bool,
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The top level of the file.
    pub(super) fn top(reading: &'a Reading<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::new(reading, table.get_ref(), 0..0, String::new(), false)
    }

    fn new(reading: &'a Reading<'a>, table: &'a DeTable<'a>, span: Range<usize>, name: String, repeated: bool) -> Self {
        Self { reading, table, span, name, repeated, asked: Vec::new(), refused: Vec::new() }
    }

    /// How the table is written in the file: `[[forward]]`, `[forward.webhook]`.
    pub(super) fn title(&self) -> String {
        if self.repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }

    /// Where a key of this table is: `in [[forward]]`.
    pub(super) fn place(&self) -> String {
        if self.name.is_empty() { "at the top level".to_owned() } else { format!("in {}", self.title()) }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the value of a key is an array.
    pub(super) fn is_array(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Array(_)))
    }

    /// The place of a key's value, or of the table where the key is missing.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Notes a problem with the value of `key`.
    pub(super) fn problem_at(&self, key: &str, message: impl Display, hint: Option<String>) {
        let message = format!("`{key}` {}: {message}", self.place());
        self.reading.problem(self.span_of(key), message, hint);
    }

    /// Notes that `key` is missing, unless it is there.
    pub(super) fn require(&self, key: &str, example: &str) {
        if !self.has(key) {
            let hint = Some(format!("for example: {example}"));
            self.reading.problem(self.span.clone(), format!("`{key}` is missing {}", self.place()), hint);
        }
    }

    /// Refuses a key that the documentation of later versions has.
    pub(super) fn refuse_for_now(&mut self, key: &'static str, instead: &str) {
        self.refused.push(key);
        if let Some((name, _)) = self.table.get_key_value(key) {
            let message = format!("`{key}` {} is not supported by this version yet", self.place());
            self.reading.problem(name.span(), message, Some(instead.to_owned()));
        }
    }

    /// Notes the keys that nobody asked for. Call it last.
    pub(super) fn finish(self) {
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) || self.refused.contains(&name) {
                continue;
            }
            let hint = match closest(name, self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    format!("known here: {}", known.join(", "))
                }
            };
            self.reading.problem(key.span(), format!("unknown key `{name}` {}", self.place()), Some(hint));
        }
    }

    /// These keys exist here, though nobody asks for them this time.
    pub(super) fn known(&mut self, keys: &[&'static str]) {
        self.asked.extend_from_slice(keys);
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let found = value.get_ref().type_str();
        let message = format!("`{key}` {}: expected {expected}, found {}", self.place(), with_article(found));
        self.reading.problem(value.span(), message, None);
    }

    fn expand(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<Text> {
        let written = match value.get_ref() {
            DeValue::String(text) => text,
            _ => {
                self.wrong_type(key, value, expected);
                return None;
            }
        };
        match self.reading.lookup.expand(written) {
            Ok(expanded) => {
                for path in &expanded.files {
                    self.reading.warn_if_readable_by_others(value.span().start, path);
                }
                Some(Text { value: expanded.value, span: value.span(), replaced: expanded.replaced })
            }
            Err(message) => {
                self.reading.problem(value.span(), format!("`{key}` {}: {message}", self.place()), None);
                None
            }
        }
    }

    /// A string that is not empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, "a string", |text| Ok(text.to_owned()))
    }

    /// A string that may be empty, with its place.
    pub(super) fn any_text(&mut self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        self.expand(key, value, "a string")
    }

    /// A string that `parse` understands and that is not empty.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let text = self.expand(key, value, expected)?;
        self.parse_text(key, &text, parse)
    }

    fn parse_text<T>(&self, key: &str, text: &Text, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = if text.value.trim().is_empty() {
            Err(if text.replaced { "it is empty after `${…}` was replaced" } else { "it is empty" }.to_owned())
        } else {
            parse(&text.value)
        };
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.reading.problem(text.span.clone(), format!("`{key}` {}: {message}", self.place()), None);
                None
            }
        }
    }

    /// As `parsed`, for what may also be written as a date and time of TOML's own.
    pub(super) fn parsed_or_datetime<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if let Some(value) = self.table.get(key)
            && let DeValue::Datetime(datetime) = value.get_ref()
        {
            self.asked.push(key);
            let text = Text { value: datetime.to_string(), span: value.span(), replaced: false };
            return self.parse_text(key, &text, parse);
        }
        self.parsed(key, expected, parse)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let value = self.value(key)?;
        let text = self.expand(key, value, "a string")?;
        let found = choices.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = closest(&text.value, words.iter().copied()).map(|word| format!("did you mean \"{word}\"?"));
            let message = format!("`{key}` {} must be one of: {}", self.place(), words.join(", "));
            self.reading.problem(text.span, message, hint);
        }
        found.map(|(_, choice)| *choice)
    }

    /// An array of strings, each understood by `parse`; the array must not be empty.
    pub(super) fn list<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        Some(texts.iter().filter_map(|text| self.parse_text(key, text, &parse)).collect())
    }

    /// An array of strings with their places; the array must not be empty.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Text>> {
        let texts = self.texts_or_none(key)?;
        if let Some(DeValue::Array(array)) = self.table.get(key).map(Spanned::get_ref)
            && array.is_empty()
        {
            self.problem_at(key, "it is empty", None);
        }
        Some(texts)
    }

    /// An array of strings with their places, which may be empty.
    pub(super) fn texts_or_none(&mut self, key: &'static str) -> Option<Vec<Text>> {
        let value = self.value(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, "an array of strings, as in [\"…\"]");
            return None;
        };
        Some(array.iter().filter_map(|element| self.expand(key, element, "strings in the array")).collect())
    }

    /// A number, or a string that stands for one.
    pub(super) fn figure(&mut self, key: &'static str) -> Option<Figure> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                if number.is_none() {
                    self.problem_at(key, "it is too large", None);
                }
                number.map(|number| Figure::Number(number as f64))
            }
            DeValue::Float(float) => float.as_str().parse().ok().map(Figure::Number),
            _ => self.expand(key, value, "a number").map(|text| Figure::Text(text.value)),
        }
    }

    /// A whole number within a range.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, value, "an integer");
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        self.in_range(key, number, &range, u64::to_string)
    }

    /// A duration within a range.
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let duration = self.parsed(key, "a duration such as \"10s\"", parse_duration)?;
        self.in_range(key, Some(duration), &range, |duration| display_duration(*duration))
    }

    /// A duration within a range, or the word never.
    pub(super) fn duration_or_never(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Option<Duration>> {
        let duration = self.parsed(key, "a duration such as \"10s\", or \"never\"", |text| match text {
            "never" => Ok(None),
            _ => parse_duration(text).map(Some).map_err(|message| format!("{message}; or \"never\"")),
        })?;
        match duration {
            None => Some(None),
            some => self.in_range(key, some, &range, |duration| display_duration(*duration)).map(Some),
        }
    }

    /// A size in bytes within a range.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let size = self.parsed(key, "a size such as \"8MiB\"", parse_size)?;
        self.in_range(key, Some(size), &range, |size| display_size(*size))
    }

    fn in_range<T: PartialOrd>(
        &self,
        key: &str,
        value: Option<T>,
        range: &RangeInclusive<T>,
        display: impl Fn(&T) -> String,
    ) -> Option<T> {
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let (least, most) = (display(range.start()), display(range.end()));
            self.problem_at(key, format!("it must be from {least} to {most}"), None);
        }
        value
    }

    /// A path, made absolute from the folder of the configuration file.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(|path| self.reading.lookup.folder.join(path))
    }

    /// The path of a file that can be read now.
    pub(super) fn readable_file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        let readable = std::fs::File::open(&path).and_then(|file| file.metadata());
        match readable {
            Ok(metadata) if metadata.is_file() => return Some(path),
            Ok(_) => self.problem_at(key, format!("{} is not a file", path.display()), None),
            Err(error) => self.problem_at(key, format!("cannot read {}: {error}", path.display()), None),
        }
        None
    }

    /// A secret that stands under `key`, or in the file that `file_key` names; exactly one of them must be there.
    pub(super) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<Secret> {
        let direct = self.any_text(key);
        let path = self.text(file_key);
        match (self.has(key), self.has(file_key)) {
            (true, true) => {
                self.problem_at(file_key, format!("`{key}` is there, too; keep one of them"), None);
                return None;
            }
            (false, false) => {
                self.require(key, &format!("{file_key} = \"…\""));
                return None;
            }
            _ => {}
        }
        let content = match (direct, path) {
            (Some(text), _) => {
                self.note_secret(&text);
                text.value
            }
            (None, Some(path)) => match self.reading.lookup.read(&path) {
                Ok((path, content)) => {
                    self.reading.warn_if_readable_by_others(self.span_of(file_key).start, &path);
                    content
                }
                Err(message) => {
                    self.problem_at(file_key, message, None);
                    return None;
                }
            },
            (None, None) => return None,
        };
        if content.is_empty() {
            self.problem_at(if self.has(key) { key } else { file_key }, "it is empty", None);
        }
        Some(Secret::new(content))
    }

    /// Takes note of a secret that stands in the configuration file itself.
    pub(super) fn note_secret(&self, text: &Text) {
        if !text.replaced {
            self.reading.notes.borrow_mut().holds_a_secret = true;
        }
    }

    /// The strings of a table whose keys are the user's, in the order of the file.
    pub(super) fn entries(&mut self, key: &'static str) -> Vec<(&'a str, Range<usize>, Text)> {
        let Some(table) = self.value(key).and_then(|value| self.table_in(key, value)) else {
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let text = |(name, value): (&'a Spanned<_>, _)| -> Option<(&'a str, Range<usize>, Text)> {
            let name_text: &std::borrow::Cow<'a, str> = name.get_ref();
            Some((name_text.as_ref(), name.span(), self.expand(key, value, "strings as values")?))
        };
        entries.into_iter().filter_map(text).collect()
    }

    fn table_in(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<&'a DeTable<'a>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            DeValue::Array(_) => {
                self.wrong_type(key, value, "a table (single brackets)");
                None
            }
            _ => {
                self.wrong_type(key, value, "a table");
                None
            }
        }
    }

    /// A table in this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        let table = self.table_in(key, value)?;
        Some(Self::new(self.reading, table, value.span(), self.child_name(key), false))
    }

    /// The tables in this one whose names are the user's, in the order of the file.
    pub(super) fn named_sections(&mut self, key: &'static str) -> Vec<(&'a str, Range<usize>, Self)> {
        let Some(mut outer) = self.section(key) else {
            return Vec::new();
        };
        let mut names: Vec<_> = outer.table.iter().collect();
        names.sort_by_key(|(name, _)| name.span().start);
        let mut sections = Vec::new();
        for (name, value) in names {
            let key: &str = name.get_ref().as_ref();
            if let Some(table) = outer.table_in(key, value) {
                let section = Self::new(self.reading, table, value.span(), outer.child_name(key), false);
                sections.push((key, name.span(), section));
            }
        }
        outer.asked.clear();
        sections
    }

    /// The tables of an array, as in `[[forward]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let name = self.child_name(key);
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(key, value, &format!("tables in double brackets, [[{name}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in array.iter() {
            match element.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Self::new(self.reading, table, element.span(), name.clone(), true));
                }
                _ => self.wrong_type(key, element, &format!("tables, [[{name}]]")),
            }
        }
        sections
    }

    fn child_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
