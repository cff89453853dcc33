//! What goes over the control socket: requests and responses, each one line of JSON. Both ends are always the same
//! version's binary or nearly so; an unknown request is answered with an error, never guessed at. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest request but an import, in bytes.
pub const MAX_REQUEST: usize = 1024 * 1024;
/// The longest import: the offsets of a great many partitions.
pub const MAX_IMPORT: usize = 64 * 1024 * 1024;

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
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
        #[serde(default)]
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
        #[serde(default)]
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
}

/// Which dead letters are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    /// Those of one forward; none: of all.
    #[serde(default)]
    pub forward: Option<String>,
    /// At most so many, the newest.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Which dead letters are replayed or purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterSelection {
    /// Every one.
    All,
    /// These.
    Ids(Vec<u64>),
    /// Those that were kept aside longer ago than this.
    OlderThanSeconds(u64),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum ControlResponse {
    /// It was done.
    Done {
        /// A sentence for the person who asked.
        message: String,
    },
    /// What was asked for.
    Document {
        /// JSON with the names of the contract.
        document: Value,
    },
    /// It was not done.
    Error {
        /// What is wrong, and what to do about it.
        message: String,
    },
}

impl ControlResponse {
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
        match serde_json::to_value(document) {
            Ok(document) => Self::Document { document },
            Err(error) => Self::error(format!("the answer cannot be written as JSON: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            assert_eq!(serde_json::from_value::<ControlRequest>(line.clone()).expect("a request"), request, "{line}");
        }
    }

    #[test]
    fn an_unknown_request_is_an_error() {
        assert!(serde_json::from_value::<ControlRequest>(json!({"request": "reboot"})).is_err());
        assert!(serde_json::from_value::<ControlRequest>(json!({"request": "pause-forward"})).is_err());
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
            let line = serde_json::to_string(&response).expect("JSON");
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<ControlResponse>(&line).expect("a response"), response);
        }
    }
}
