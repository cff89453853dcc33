//! What goes over the control socket: requests and responses, each one line of JSON. Both ends are always the same
//! version's binary or nearly so; an unknown request is answered with an error, never guessed at. Pure.

use serde::Serialize;
use serde_json::{Value, json};

use crate::logic::from_json::{self, FromJson, Members, Unreadable, from_json};

/// The longest request but an import, in bytes.
pub const MAX_REQUEST: usize = 1024 * 1024;
/// The longest import: the offsets of a great many partitions.
pub const MAX_IMPORT: usize = 64 * 1024 * 1024;

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum ControlRequest {
    /// The document of `status --json`.
    Status,
    /// Send nothing more for this forward, also after a restart.
    PauseForward {
        /// The forward.
        name: String,
    },
    /// Go on with it.
    ResumeForward {
        /// The forward.
        name: String,
    },
    /// The document of `offsets show --json`.
    OffsetsShow,
    /// Go on reading somewhere else.
    OffsetsSet {
        /// The forward.
        forward: String,
        /// The topic.
        topic: String,
        /// One partition of it; none: all.
        partition: Option<i32>,
        /// A POSITION as the person wrote it (see `logic::position`).
        position: String,
    },
    /// A forward was renamed in the configuration: give its offsets the new name.
    OffsetsRename {
        /// The name in the state.
        old: String,
        /// The name in the configuration.
        new: String,
    },
    /// The document of offsets.json.
    OffsetsExport,
    /// Replaces the stored offsets by those of such a document.
    OffsetsImport {
        /// What an export gave.
        document: Value,
    },
    /// The document of `dead-letters list --json`.
    DeadLettersList {
        /// Which of them.
        filter: DeadLetterFilter,
    },
    /// The document of `dead-letters show ID --json`.
    DeadLetterShow {
        /// As the list gives it.
        id: u64,
    },
    /// Deliver them again.
    DeadLettersReplay {
        /// Which of them.
        selection: DeadLetterSelection,
    },
    /// Delete them.
    DeadLettersPurge {
        /// Which of them.
        selection: DeadLetterSelection,
    },
    /// All of them, with value and headers, as an array.
    DeadLettersExport,
    /// Send a test notice over a channel.
    AlertsTest {
        /// The channel; none: all.
        channel: Option<String>,
    },
    /// Tell nobody of a rule for a while, also after a restart.
    AlertsSilence {
        /// The rule.
        name: String,
        /// From now on.
        for_seconds: u64,
    },
    /// Tell of it again.
    AlertsUnsilence {
        /// The rule.
        name: String,
    },
}

impl ControlRequest {
    /// How the line of an import begins: what else is that long is refused while it arrives.
    pub(crate) const IMPORT_PREFIX: &'static [u8] = br#"{"request":"offsets-import""#;

    /// Reads a line.
    ///
    /// # Errors
    /// Why it is no request, in words.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        from_json::read(line)
    }
}

impl FromJson for ControlRequest {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        let word: String = members.take("request");
        let request = match word.as_str() {
            "status" => Self::Status,
            "pause-forward" => Self::PauseForward { name: members.take("name") },
            "resume-forward" => Self::ResumeForward { name: members.take("name") },
            "offsets-show" => Self::OffsetsShow,
            "offsets-set" => Self::OffsetsSet {
                forward: members.take("forward"),
                topic: members.take("topic"),
                partition: members.take("partition"),
                position: members.take("position"),
            },
            "offsets-rename" => Self::OffsetsRename { old: members.take("old"), new: members.take("new") },
            "offsets-export" => Self::OffsetsExport,
            "offsets-import" => Self::OffsetsImport { document: members.take("document") },
            "dead-letters-list" => Self::DeadLettersList { filter: members.take_or_default("filter") },
            "dead-letter-show" => Self::DeadLetterShow { id: members.take("id") },
            "dead-letters-replay" => Self::DeadLettersReplay { selection: members.take("selection") },
            "dead-letters-purge" => Self::DeadLettersPurge { selection: members.take("selection") },
            "dead-letters-export" => Self::DeadLettersExport,
            "alerts-test" => Self::AlertsTest { channel: members.take("channel") },
            "alerts-silence" => {
                Self::AlertsSilence { name: members.take("name"), for_seconds: members.take("for_seconds") }
            }
            "alerts-unsilence" => Self::AlertsUnsilence { name: members.take("name") },
            unknown => return Err(Unreadable::because(format!("unknown request {unknown:?}"))),
        };
        members.end_of_all(request)
    }
}

/// Which dead letters are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetterFilter {
    /// Those of one forward; none: of all.
    pub forward: Option<String>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

from_json!(DeadLetterFilter { forward, limit });

/// Which dead letters are replayed or purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterSelection {
    /// Every one.
    All,
    /// These.
    Ids(Vec<u64>),
    /// Those that were kept aside longer ago than this.
    OlderThanSeconds(u64),
}

/// None of them.
impl Default for DeadLetterSelection {
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

impl FromJson for DeadLetterSelection {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        if value.as_str() == Some("all") {
            return Ok(Self::All);
        }
        let mut members = Members::of(value)?;
        let (ids, older_than_seconds) = (members.take("ids"), members.take("older_than_seconds"));
        match (ids, older_than_seconds) {
            (Some(ids), None) => members.end_of_all(Self::Ids(ids)),
            (None, Some(seconds)) => members.end_of_all(Self::OlderThanSeconds(seconds)),
            _ => Err(Unreadable::expected("all, ids or older_than_seconds")),
        }
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlResponse {
    /// It was done.
    Done {
        /// A sentence for the person who asked.
        message: String,
    },
    /// What was asked for.
    Document {
        /// The text of JSON with the names of the contract, in one line.
        json: String,
    },
    /// It was not done.
    Error {
        /// What is wrong, and what to do about it.
        message: String,
    },
}

impl ControlResponse {
    /// What stands before the text of a document, which is neither taken apart nor put together on its way.
    const BEFORE_DOCUMENT: &'static str = r#"{"answer":"document","document":"#;
    const BEHIND_DOCUMENT: &'static str = "}";

    /// It was done; `message` is a sentence for the person who asked.
    pub fn done(message: impl Into<String>) -> Self {
        Self::Done { message: message.into() }
    }

    /// It was not done, because of `message`.
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error { message: message.into() }
    }

    /// What was asked for; an error where it cannot be put into JSON.
    pub fn document(document: &impl Serialize) -> Self {
        match serde_json::to_string(document) {
            Ok(json) => Self::Document { json },
            Err(error) => Self::error(format!("the answer cannot be written as JSON: {error}")),
        }
    }

    /// The line that goes over the socket, without its end.
    pub(crate) fn line(&self) -> String {
        let (answer, message) = match self {
            Self::Document { json } => return [Self::BEFORE_DOCUMENT, json, Self::BEHIND_DOCUMENT].concat(),
            Self::Done { message } => ("done", message),
            Self::Error { message } => ("error", message),
        };
        json!({"answer": answer, "message": message}).to_string()
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Why it is no answer, in words.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim_end();
        let document = line.strip_prefix(Self::BEFORE_DOCUMENT);
        match document.and_then(|document| document.strip_suffix(Self::BEHIND_DOCUMENT)) {
            Some(json) => Ok(Self::Document { json: json.to_owned() }),
            None => from_json::read(line.as_bytes()),
        }
    }
}

/// All answers but a document.
impl FromJson for ControlResponse {
    fn from_json(value: &Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        let (answer, message): (String, String) = (members.take("answer"), members.take("message"));
        match answer.as_str() {
            "done" => members.end(Self::Done { message }),
            "error" => members.end(Self::Error { message }),
            _ => Err(Unreadable::expected("done, document or error")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_a_person_could_type_into_the_socket() {
        let cases = [
            (json!({"request": "status"}), ControlRequest::Status),
            (json!({"request": "pause-forward", "name": "a"}), ControlRequest::PauseForward { name: "a".into() }),
            (
                json!({"request": "offsets-set", "forward": "a", "topic": "t", "partition": null, "position": "end-5"}),
                ControlRequest::OffsetsSet {
                    forward: "a".into(),
                    topic: "t".into(),
                    partition: None,
                    position: "end-5".into(),
                },
            ),
            (
                json!({"request": "dead-letters-list"}),
                ControlRequest::DeadLettersList { filter: DeadLetterFilter::default() },
            ),
            (
                json!({"request": "dead-letters-replay", "selection": "all"}),
                ControlRequest::DeadLettersReplay { selection: DeadLetterSelection::All },
            ),
            (
                json!({"request": "dead-letters-purge", "selection": {"older_than_seconds": 60}}),
                ControlRequest::DeadLettersPurge { selection: DeadLetterSelection::OlderThanSeconds(60) },
            ),
            (json!({"request": "alerts-test"}), ControlRequest::AlertsTest { channel: None }),
            (
                json!({"request": "alerts-silence", "name": "topic-backlog", "for_seconds": 7200}),
                ControlRequest::AlertsSilence { name: "topic-backlog".into(), for_seconds: 7200 },
            ),
            (
                json!({"request": "alerts-unsilence", "name": "topic-backlog"}),
                ControlRequest::AlertsUnsilence { name: "topic-backlog".into() },
            ),
        ];
        for (line, request) in cases {
            assert_eq!(ControlRequest::parse(line.to_string().as_bytes()), Ok(request), "{line}");
        }
    }

    #[test]
    fn an_unknown_request_is_an_error() {
        for (line, expected) in [
            (json!({"request": "reboot"}), "unknown request \"reboot\""),
            (json!({"request": "pause-forward"}), "`name`: it is missing"),
            (json!({"request": "status", "at": "once"}), "`at`: unknown member; known here: request"),
            (json!({"request": "dead-letters-purge", "selection": {}}), "`selection`: expected all, ids or"),
        ] {
            let error = ControlRequest::parse(line.to_string().as_bytes()).expect_err("no request");
            assert!(error.starts_with(expected), "{line}: {error}");
        }
    }

    #[test]
    fn an_import_can_be_told_from_its_beginning() {
        let line = serde_json::to_vec(&ControlRequest::OffsetsImport { document: json!({}) }).expect("JSON");
        assert!(line.starts_with(ControlRequest::IMPORT_PREFIX), "{}", String::from_utf8_lossy(&line));
    }

    #[test]
    fn responses_survive_the_way() {
        for response in [
            ControlResponse::done("paused"),
            ControlResponse::error("no forward is called \"b\""),
            ControlResponse::document(&json!([{"id": "1"}, null, 1.5])),
        ] {
            let line = response.line();
            assert!(!line.contains('\n'));
            assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
            assert_eq!(ControlResponse::parse(&format!("{line}\n")), Ok(response));
        }
    }
}
