//! The text of the file: where a byte stands in it, and how a line of it may be shown. Every secret is masked here,
//! before anything leaves as an error. Knows TOML only as far as finding secrets needs it.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::{Excerpt, Problem};
use super::suggestion::closest;

/// How much of a line is shown, in characters.
const SHOWN: usize = 120;
const MASK: &str = "***";

/// A file's text and the parts of it that nobody may see.
#[derive(Clone, Debug)]
pub(super) struct Source {
    file: String,
    text: String,
    /// Byte ranges, ascending; they may touch and overlap.
    secrets: Vec<Range<usize>>,
}

impl Source {
    /// Masks by what the text looks like, line by line; for a text that is not TOML yet, or never will be.
    pub(super) fn new(file: String, text: String) -> Self {
        let mut secrets = secrets_by_line(&text);
        secrets.extend(secrets_in_urls(&text, false));
        secrets.sort_by_key(|range| range.start);
        Self { file, text, secrets }
    }

    /// Masks by what was parsed: no more than the secrets themselves.
    pub(super) fn mask_exactly(&mut self, table: &DeTable<'_>) {
        let mut secrets = secrets_in_urls(&self.text, true);
        secrets_in_table(&self.text, table, Shown::NoUrl, &mut secrets);
        secrets.sort_by_key(|range| range.start);
        self.secrets = secrets;
    }

    /// A problem with the file as a whole.
    pub(super) fn problem_with_all(&self, message: &str, hint: &str) -> Problem {
        let (file, message, hint) = (self.file.clone(), message.to_owned(), Some(hint.to_owned()));
        Problem { file, position: None, message, excerpt: None, hint }
    }

    /// A problem at `span`, in bytes. Of a span of several lines the first is shown.
    pub(super) fn problem(&self, span: Range<usize>, message: String, hint: Option<String>) -> Problem {
        let (position, line) = self.locate(span.start);
        let excerpt = Some(self.excerpt(line, &span));
        Problem { file: self.file.clone(), position: Some(position), message, excerpt, hint }
    }

    /// The bytes between the quotes of a string; none where they are not the string itself.
    pub(super) fn content_of_string(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let written = self.text.get(span.clone())?;
        if written.contains("${") || written.contains('\r') || written.starts_with('"') && written.contains('\\') {
            return None;
        }
        let quotes = if written.starts_with("'''") || written.starts_with("\"\"\"") { 3 } else { 1 };
        let content = written.get(quotes..written.len().checked_sub(quotes)?)?;
        // TOML drops a newline right after the opening quotes.
        let dropped = usize::from(quotes == 3 && content.starts_with('\n'));
        Some(span.start + quotes + dropped..span.end - quotes)
    }

    /// FILE:LINE:COLUMN of a byte, for warnings.
    pub(super) fn place(&self, byte: usize) -> String {
        let ((line, column), _) = self.locate(byte);
        format!("{}:{line}:{column}", self.file)
    }

    /// Line and column from 1, and the line's bytes.
    fn locate(&self, byte: usize) -> ((usize, usize), Range<usize>) {
        let mut start = 0;
        let mut number = 1;
        for line in self.text.split_inclusive('\n') {
            let end = start + line.len();
            if byte < end {
                break;
            }
            // The end of a file whose last line is not ended belongs to that line.
            if end == self.text.len() && !line.ends_with('\n') {
                break;
            }
            start = end;
            number += 1;
        }
        let line = self.text.get(start..).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let before = line.char_indices().take_while(|(index, _)| start + index < byte).count();
        ((number, before + 1), start..start + line.len())
    }

    fn excerpt(&self, line: Range<usize>, span: &Range<usize>) -> Excerpt {
        let text = self.text.get(line.clone()).unwrap_or_default();
        let mut shown: Vec<(char, bool)> = Vec::new();
        let mut masked = None;
        for (index, c) in text.char_indices() {
            let byte = line.start + index;
            let marked = span.contains(&byte);
            let secret = self.secrets.iter().find(|secret| secret.contains(&byte)).map(|secret| secret.end);
            match secret {
                None => shown.push((if c.is_control() { ' ' } else { c }, marked)),
                Some(end) if masked != Some(end) => shown.extend(MASK.chars().map(|star| (star, marked))),
                Some(_) => {}
            }
            masked = secret;
        }
        let first = shown.iter().position(|(_, marked)| *marked).unwrap_or(shown.len());
        let skipped = if first < SHOWN - 20 { 0 } else { first.saturating_sub(SHOWN / 2) };
        let window: Vec<_> = shown.iter().skip(skipped).take(SHOWN).collect();
        let mut line = String::new();
        let mut marks = String::new();
        if skipped > 0 {
            line.push('…');
            marks.push(' ');
        }
        for (c, marked) in &window {
            line.push(*c);
            marks.push_str(match (marked, is_wide(*c)) {
                (true, false) => "^",
                (true, true) => "^^",
                (false, false) => " ",
                (false, true) => "  ",
            });
        }
        if skipped + window.len() < shown.len() {
            line.push('…');
        }
        if !marks.contains('^') {
            marks.push('^');
        }
        Excerpt { line: line.trim_end().to_owned(), marks: marks.trim_end().to_owned() }
    }
}

/// Takes two columns on a terminal (East Asian scripts), so that the marks stand where they should.
fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
        | 0xff00..=0xff60 | 0x20000..=0x3fffd)
}

/// Whether a value under this name is not to be shown. Mistyped names count: it is those that get shown.
pub(super) fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["password", "passwd", "secret", "token", "authorization", "cookie", "credential", "passphrase"];
    let name = name.to_ascii_lowercase().replace('_', "-");
    if name.ends_with("-file") {
        return false;
    }
    name.contains("api-key")
        || name.contains("apikey")
        || WORDS.iter().any(|word| name.contains(word))
        || closest(&name, ["password", "authorization", "robot-secret"]).is_some()
}

/// What may be shown of a table's values, besides those whose names speak of a secret.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    All,
    /// All but URLs: of robots and heartbeats the path alone lets everybody post.
    NoUrl,
    Nothing,
}

/// Tables at the top level, also mistyped, in which of a URL no more is secret than its user and its query. The others
/// have channels and heartbeats.
fn has_public_urls(name: &str) -> bool {
    closest(name, ["forward", "alert"]).is_some()
}

fn secrets_in_table(text: &str, table: &DeTable<'_>, shown: Shown, found: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        let key = key.get_ref();
        // A URL without a scheme, or written with escapes, is not found by its looks.
        let odd_url =
            key == "url" && text.get(value.span()).is_none_or(|url| !url.contains("://") || url.contains('\\'));
        let url =
            shown == Shown::NoUrl && (key == "url" || text.get(value.span()).is_some_and(|it| it.contains("://")));
        let is_table = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
        let secret = odd_url || is_secret_name(key) || key.eq_ignore_ascii_case("headers") || url && !is_table;
        let shown = match shown {
            _ if secret => Shown::Nothing,
            Shown::NoUrl if has_public_urls(key) => Shown::All,
            shown => shown,
        };
        secrets_in_value(text, value, shown, found);
    }
}

fn secrets_in_value(text: &str, value: &toml::Spanned<DeValue<'_>>, shown: Shown, found: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => secrets_in_table(text, table, shown, found),
        DeValue::Array(array) => array.iter().for_each(|element| secrets_in_value(text, element, shown, found)),
        _ if shown == Shown::Nothing => found.push(value.span()),
        _ => {}
    }
}

/// Everything right of the key in a line that speaks of a secret, and the lines after it up to the next key.
fn secrets_by_line(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut in_headers = false;
    let mut has_secret_urls = true;
    let mut goes_on = false;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let is_key = line.split_once('=').is_some_and(|(key, _)| looks_like_a_key(key));
        goes_on &= !is_key;
        let is_table = line.trim_start().starts_with('[');
        if is_table {
            in_headers = speaks_of_a_secret(line) || goes_on && in_headers;
            let words = line.trim_start().trim_start_matches('[').replace(['"', '\''], "");
            has_secret_urls = !words.split(['.', ']']).next().is_some_and(|name| has_public_urls(name.trim()));
        }
        let is_header = in_headers && !is_table;
        // A key without its `=` still has a value.
        let value = line.find(['=', '"', '\'', '{']);
        let is_secret_url = has_secret_urls && (line.contains("url") || line.contains("://"));
        if goes_on || is_header && !is_key {
            found.push(start..end);
        } else if let Some(value) = value.filter(|_| is_header || is_secret_url || speaks_of_a_secret(line)) {
            found.push(start + value..end);
            // Only such a value goes on in the next line: one that may, or one whose quote is missing.
            let quotes = line.matches(['"', '\'']).count();
            let nothing_yet = line.get(value + 1..).is_some_and(|rest| rest.trim().is_empty());
            goes_on = nothing_yet
                || quotes % 2 == 1
                || ["\"\"\"", "'''", "[", "{"].iter().any(|opening| line.contains(opening));
            in_headers |= line.contains('{') && !line.contains('}');
        } else if !is_table && !line.trim_start().starts_with('#') && speaks_of_a_secret(line) {
            // The value stands in the next line.
            goes_on = true;
        }
        start = end;
    }
    found
}

fn speaks_of_a_secret(text: &str) -> bool {
    // A stray quote may be what is wrong with the file, also within a word.
    let unquoted = text.replace(['"', '\''], "");
    unquoted.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).any(is_secret_name)
        || text.to_ascii_lowercase().contains("headers")
        || text.contains("url") && (!text.contains("://") || text.contains('\\'))
}

fn looks_like_a_key(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '"' | '\'' | ' '))
}

/// User, password and query of whatever looks like a URL. Where quotes cannot be relied on it goes on to the end of its
/// line.
fn secrets_in_urls(text: &str, ends_with_its_quote: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(index) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + index + 3;
        from = start;
        let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let quote = text.get(line_start..start).and_then(|before| before.chars().rfind(|c| matches!(c, '"' | '\'')));
        let quote = quote.filter(|_| ends_with_its_quote);
        let rest = text.get(start..).unwrap_or_default();
        let end = start + rest.find(|c| c == '\n' || Some(c) == quote).unwrap_or(rest.len());
        let url = text.get(start..end).unwrap_or_default();
        let query = url.find('?');
        let before_query = url.get(..query.unwrap_or(url.len())).unwrap_or_default();
        let authority = before_query.split('/').next().unwrap_or_default();
        let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
        if let Some(at) = before_query.rfind('@') {
            found.push(start..start + at);
        } else if !authority.ends_with(']') && port.contains(|c: char| !c.is_ascii_digit()) {
            // What looks like a bad port is a password whose `@` is missing.
            found.push(start..start + authority.len());
        }
        if let Some(query) = query {
            found.push(start + query + 1..end);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, needle: &str) -> String {
        let source = Source::new("f.toml".to_owned(), text.to_owned());
        let start = text.find(needle).unwrap();
        source.problem(start..start + needle.len(), "wrong".to_owned(), None).to_string()
    }

    #[test]
    fn a_problem_points_at_its_place() {
        assert_eq!(shown("a = 1\n  b = 2\n", "b"), "f.toml:2:3: wrong\n    2 |   b = 2\n      |   ^");
        assert_eq!(shown("a = 1\nb = 22", "22"), "f.toml:2:5: wrong\n    2 | b = 22\n      |     ^^");
        assert_eq!(shown("\"警报\" = 1", "1"), "f.toml:1:8: wrong\n    1 | \"警报\" = 1\n      |          ^");
        assert_eq!(shown("x = '''a\nb'''", "'''a\nb'''"), "f.toml:1:5: wrong\n    1 | x = '''a\n      |     ^^^^");
        assert_eq!(shown("a\t= 1\r\nb = 2", "= 1"), "f.toml:1:3: wrong\n    1 | a = 1\n      |   ^^^");
    }

    #[test]
    fn the_end_of_the_file_is_a_place_too() {
        for (text, place) in [("", "f:1:1"), ("a", "f:1:2"), ("a\n", "f:2:1"), ("a\nb", "f:2:2")] {
            let source = Source::new("f".to_owned(), text.to_owned());
            assert_eq!(source.place(text.len()), place, "{text:?}");
            assert!(source.problem(text.len()..text.len(), String::new(), None).to_string().ends_with('^'));
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("a = \"{}HERE{}\"", "x".repeat(500), "y".repeat(500));
        let shown = shown(&text, "HERE");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].chars().count() < SHOWN + 12 && lines[1].contains("…xxx") && lines[1].contains("yyy…"));
        let column = |text: &str, needle| text.find(needle).map(|byte| text[..byte].chars().count());
        assert_eq!(column(lines[1], "HERE"), column(lines[2], "^^^^"));
    }

    #[test]
    fn secrets_are_masked_also_in_what_is_no_toml() {
        for text in [
            "password = \"hunter2\nx",
            "sasl = { username = \"u\", password = \"hunter2\" x",
            "passwort = hunter2 x",
            "passwrod = hunter2 x",
            "secret = \"\"\"\nx hunter2",
            "[forward.webhook.headers]\nX-Whatever = hunter2 x",
            "headers = { X-Whatever = \"hunter2\" x",
            "headers = {\n  X-Whatever = \"hunter2\" x",
            "url = \"https://h/p?key=hunter2 x",
            "url = \"https://user:hunter2@h/p\" x",
            "url = 'https://user:hun@hunter2@h/p?a' x",
            "url = \"https:\\u002f/h/p\\u003fkey=hunter2 x",
            "url = \"h/p?key=hunter2 x",
            "\"token\" = 'hunter2' x",
            "a.api_key = 'hunter2' x",
        ] {
            let shown = shown(text, "x");
            assert!(!shown.contains("hunter2"), "{text}\n{shown}");
        }
    }

    #[test]
    fn what_was_parsed_is_masked_exactly() {
        let text = "sasl = { mechanism = \"PLAN\", password = \"hunter2\", password_file = \"f\" }";
        let mut source = Source::new("f".to_owned(), text.to_owned());
        source.mask_exactly(DeTable::parse(text).unwrap().get_ref());
        let shown = source.problem(0..4, String::new(), None).to_string();
        assert!(shown.contains("{ mechanism = \"PLAN\", password = ***, password_file = \"f\" }"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a\"'=\\[\\n\\r?:/@ 警]{0,40}", start in 0_usize..60, length in 0_usize..60) {
            let source = Source::new("f".to_owned(), text);
            let _ = source.problem(start..start + length, String::new(), None).to_string();
        }
    }
}
