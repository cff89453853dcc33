//! The invariants of ARCHITECTURE.md that imports can show: which part uses which, which library belongs to which part,
//! and who may touch files, sockets, threads and the clock. Reads the sources as text; test code is left out.
//!
//! A change that fails here changes the architecture: change the table and the page with it, or find another way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the crate may use of the others. `*`: all of them.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", &[]),
    ("lib", &[]),
    ("cli", &["*"]),
    (
        "daemon",
        &[
            "clock",
            "config",
            "control",
            "forward",
            "http",
            "logging",
            "monitor",
            "service",
            "state",
            "state_documents",
            "status",
        ],
    ),
    ("forward", &["clock", "config", "http_client", "kafka", "logic", "state", "status", "tls"]),
    ("monitor", &["clock", "config", "http_client", "jmx", "kafka", "logic", "notify", "state", "status", "tls"]),
    ("kafka", &["clock", "config", "logic", "tcp", "tls"]),
    ("http_client", &["clock", "config", "logic"]),
    ("notify", &["clock", "config", "http_client", "logic", "tls"]),
    ("http", &["clock", "config", "logic", "status"]),
    ("jmx", &["clock", "config", "http_client", "logic", "tcp", "tls"]),
    ("state", &["clock", "logic"]),
    ("state_documents", &["control", "logic", "state"]),
    ("control", &["logic"]),
    ("config", &["logic"]),
    ("programs", &["config", "logic"]),
    ("status", &["logic"]),
    ("logging", &["clock", "config", "logic"]),
    ("tcp", &["config"]),
    ("tls", &["config"]),
    ("clock", &["logic"]),
    ("service", &[]),
    ("logic", &[]),
];

/// Who may say this word. Places are paths below src/, without `.rs`; a folder means all that is in it.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("redb", &["state"]),
    ("TableDefinition", &["state/table"]),
    ("toml", &["config"]),
    ("kafka_protocol", &["kafka"]),
    (
        "litemap",
        &["cli", "config", "daemon", "forward", "http/metrics/alerts", "kafka", "logic", "monitor", "status/made_up"],
    ),
    ("rskafka", &["kafka/producer"]),
    ("rsasl", &["kafka/sasl"]),
    ("flate2", &["kafka/records"]),
    ("snap", &["kafka/records"]),
    ("lz4_flex", &["kafka/records"]),
    ("ruzstd", &["kafka/records"]),
    ("crc32c", &["kafka/records", "state/codec"]),
    ("ureq", &["http_client"]),
    ("mail_send", &["notify/mail", "notify/smtp"]),
    ("smtp_proto", &["notify/smtp"]),
    ("ring", &["logic/alert/robots", "tls"]),
    ("hyper", &["http", "config/webhook"]),
    ("argh", &["cli"]),
    ("jaq_core", &["logic/jq"]),
    ("jaq_json", &["logic/jq", "logic/prepare", "logic/outcome", "logic/record_json"]),
    ("jaq_std", &["logic/jq"]),
    ("sd_notify", &["service"]),
    ("tracing_subscriber", &["logging"]),
    (
        "tokio",
        &[
            "cli", "clock", "control", "daemon", "forward", "http", "jmx", "kafka", "monitor", "notify", "service",
            "state", "status", "tcp",
        ],
    ),
    ("std::fs", &["cli", "config", "control", "http/metrics", "logging", "notify/command", "state", "tls"]),
    ("std::thread", &["cli", "forward", "http_client", "notify/webhook", "state"]),
    ("std::process", &["cli", "main", "notify/command", "state"]),
    ("std::env", &["cli", "config/interpolate", "main"]),
    ("std::net", &["config", "http", "http_client", "notify/smtp", "tcp", "tls"]),
    // What serde derives for reading is ten times as large as logic/from_json.
    ("Deserialize", &[]),
    ("Instant::now", &["clock"]),
    ("SystemTime", &["clock"]),
];

/// Within kafka/: what reads bytes knows no connection, and connections know no records.
const NEVER: &[(&str, &[&str])] = &[
    ("logic", &["tokio", "std::fs", "std::net", "std::thread", "std::env", "tracing", "async fn"]),
    ("kafka/records", &["tokio", "kafka_protocol", "crate::kafka::wire", "crate::kafka::reader", "async fn"]),
    ("kafka/wire", &["crate::kafka::reader", "crate::kafka::records", "crate::kafka::fetch"]),
    ("kafka", &["crate::logic::route", "crate::logic::prepare"]),
    ("state", &["crate::logic::route"]),
    ("logic/route", &["crate::logic::jq"]),
    ("logic/java_serial", &["crate::logic::broker_load"]),
    ("logic/broker_load", &["crate::logic::java_serial"]),
    ("config", &["crate::logic::jq"]),
    (
        "control",
        &[
            "crate::logic::alert",
            "crate::logic::jq",
            "crate::logic::prepare",
            "crate::logic::route",
            "crate::logic::watch",
        ],
    ),
    ("notify", &["crate::logic::route", "crate::logic::prepare", "crate::logic::watch"]),
];

/// A file that nobody can see whole is two.
const LONGEST_FILE: usize = 600;

struct Source {
    /// Below src/, without `.rs` and `/mod`.
    place: String,
    text: String,
    /// Without comments and tests.
    code: String,
}

impl Source {
    fn is_in(&self, place: &str) -> bool {
        self.place == place || self.place.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    }

    fn module(&self) -> &str {
        self.place.split('/').next().unwrap()
    }

    fn is_test(&self) -> bool {
        let name = self.place.rsplit('/').next().unwrap();
        self.place.split('/').any(|part| part == "tests")
            || name.ends_with("_tests")
            || ["simulation", "simulated_disk", "fake_peer"].contains(&name)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 100, "the sources were not found");
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let place = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
        let place = place.strip_suffix("/mod").unwrap_or(&place).to_owned();
        Source { code: code_of(&text), place, text }
    };
    files.iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The lines before the tests of the file, without those that are comments. An import of tests alone goes with its
/// `#[cfg(test)]`.
fn code_of(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut for_tests = false;
    let lines = before_tests.lines().filter(|line| {
        let line = line.trim_start();
        let skipped = line.starts_with("//") || for_tests;
        for_tests = line == "#[cfg(test)]";
        !skipped
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `code` uses this library, path or type. A library is meant where a path begins with it: `tokio` is neither in
/// `tokio_rustls::TlsConnector` nor in `crate::tokio::x`, `snap` not in `snapshot`.
fn uses(code: &str, word: &str) -> bool {
    let is_library = word.chars().all(|character| !character.is_uppercase() && !":! ".contains(character));
    let wanted = if is_library { format!("{word}::") } else { word.to_owned() };
    let part_of_a_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(&wanted).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + wanted.len()..].chars().next();
        let begins = !before.is_some_and(|character| part_of_a_word(character) || (is_library && character == ':'));
        begins && (is_library || !after.is_some_and(part_of_a_word))
    })
}

fn modules_used(code: &str) -> BTreeSet<&str> {
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap())
        .collect()
}

/// All that is wrong at once.
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn each_module_uses_only_what_the_picture_shows() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let module = source.module();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("src/{module} is new: it needs a line in MAY_USE and in ARCHITECTURE.md"));
            continue;
        };
        for used in modules_used(&source.code) {
            if used != module && !allowed.contains(&used) && *allowed != ["*"] {
                wrong.push(format!("src/{}.rs uses crate::{used}, which {module} must not know", source.place));
            }
        }
    }
    none(&wrong);
}

#[test]
fn each_library_belongs_to_one_part() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (word, places) in BELONGS_TO {
            if uses(&source.code, word) && !places.iter().any(|place| source.is_in(place)) {
                wrong.push(format!("src/{}.rs uses {word}, which belongs to {places:?}", source.place));
            }
        }
        for (place, words) in NEVER.iter().filter(|(place, _)| source.is_in(place)) {
            let used = words.iter().filter(|word| uses(&source.code, word));
            wrong.extend(used.map(|word| format!("src/{}.rs uses {word}, which {place} must not", source.place)));
        }
    }
    none(&wrong);
}

#[test]
fn each_place_of_the_tables_exists() {
    let sources = sources();
    let mut wrong = Vec::new();
    let modules = MAY_USE.iter().map(|(module, _)| *module);
    for place in modules.chain(NEVER.iter().map(|(place, _)| *place)) {
        if !sources.iter().any(|source| source.is_in(place)) {
            wrong.push(format!("there is no src/{place} any more"));
        }
    }
    for (word, places) in BELONGS_TO {
        let unused =
            places.iter().filter(|place| !sources.iter().any(|source| source.is_in(place) && uses(&source.code, word)));
        wrong.extend(unused.map(|place| format!("src/{place} does not use {word} any more")));
    }
    none(&wrong);
}

#[test]
fn each_file_says_what_it_is_for_and_can_be_seen_whole() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !source.is_test() && !source.text.starts_with("//!") {
            wrong.push(format!("src/{}.rs does not say what it is for", source.place));
        }
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("src/{}.rs has {lines} lines, more than {LONGEST_FILE}", source.place));
        }
    }
    none(&wrong);
}

#[test]
fn words_are_told_apart() {
    for (code, word, expected) in [
        ("use tokio::sync::mpsc;", "tokio", true),
        ("let x = tokio::spawn(f());", "tokio", true),
        ("use tokio_rustls::TlsConnector;", "tokio", false),
        ("let snapshot = snap;", "snap", false),
        ("snap::raw::decompress_len(b)", "snap", true),
        ("use crate::config::toml::x;", "toml", false),
        ("std::time::Instant::now()", "Instant::now", true),
    ] {
        assert_eq!(uses(code, word), expected, "{word} in {code}");
    }
    let code = code_of(
        "use a::b;\n// use tokio::x;\n#[cfg(test)]\nuse redb::y;\nfn f() {}\n#[cfg(test)]\nmod tests {\nuse toml::z;\n}\n",
    );
    assert_eq!(code.lines().collect::<Vec<_>>(), ["use a::b;", "#[cfg(test)]", "fn f() {}"]);
    assert_eq!(
        modules_used("use crate::clock;\nuse crate::logic::moment::Moment;"),
        BTreeSet::from(["clock", "logic"])
    );
}
