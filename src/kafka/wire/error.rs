//! What can go wrong between us and a broker, said so that a person knows what happened, where, and what to do.
//!
//! Knows nothing of sockets; the connection and the requests build these.

use std::fmt;
use std::time::Duration;

use kafka_protocol::error::ResponseError;

/// A request that failed: where, which one, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// host:port, or several where all were tried.
    pub broker: String,
    /// Kafka's name of the request, such as "Metadata".
    pub request: &'static str,
    /// Why.
    pub kind: ErrorKind,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection came about: the name does not resolve, nothing listens, no route.
    Connect(String),
    /// No answer within this limit; the connection was closed, since a frozen peer would hold up the next request too.
    Timeout(Duration),
    /// The connection ended before the answer.
    Closed(String),
    /// TLS failed, or one side speaks it and the other does not.
    Security(String),
    /// The broker refused the login, in its own words.
    Authentication(String),
    /// What came is not Kafka's protocol.
    Protocol(String),
    /// The broker has no version of this request that we speak.
    Unsupported(String),
    /// The broker answered with an error.
    Kafka(KafkaError, Option<String>),
    /// No broker of that id is known.
    NoSuchBroker(i32),
    /// None of the brokers that were tried answered; why each did not.
    NobodyAnswered(Vec<Error>),
    /// The client was closed.
    Stopped,
}

impl Error {
    /// Trying again soon is of no use: somebody has to change the configuration, the cluster or a password.
    pub fn is_permanent(&self) -> bool {
        self.kind.is_permanent()
    }

    /// The error code, where the broker answered with one.
    pub fn kafka(&self) -> Option<KafkaError> {
        match &self.kind {
            ErrorKind::Kafka(error, _) => Some(*error),
            _ => None,
        }
    }
}

impl ErrorKind {
    /// See [`Error::is_permanent`].
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Security(_) | Self::Authentication(_) | Self::Unsupported(_) => true,
            Self::Kafka(error, _) => error.is_refusal(),
            Self::NobodyAnswered(errors) => errors.iter().any(Error::is_permanent),
            _ => false,
        }
    }

    /// The answer that an error code stands for.
    pub(crate) fn from_code(code: i16, message: Option<&str>) -> Option<Self> {
        KafkaError::from_code(code).map(|error| Self::Kafka(error, message.map(printable)))
    }
}

/// A peer's words, fit to be printed: no control characters, and not without end.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.broker, self.request, self.kind)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(reason) => write!(f, "cannot connect ({reason}); is the broker up, and the address right?"),
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}; is the broker overloaded or frozen?"),
            Self::Closed(reason) => write!(f, "the connection ended: {reason}"),
            Self::Security(reason) => f.write_str(reason),
            Self::Authentication(reason) => write!(f, "login refused: {reason}"),
            Self::Protocol(reason) => write!(f, "not a Kafka broker, or a broken one: {reason}"),
            Self::Unsupported(reason) => f.write_str(reason),
            Self::Kafka(error, message) => {
                write!(f, "{error}")?;
                match message {
                    Some(message) if !message.is_empty() => write!(f, " ({message})"),
                    _ => Ok(()),
                }
            }
            Self::NoSuchBroker(id) => write!(f, "the cluster has no broker {id} at present"),
            Self::NobodyAnswered(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    let separator = if index == 0 { "no broker answered: " } else { "; " };
                    write!(f, "{separator}{}: {}", error.broker, error.kind)?;
                }
                Ok(())
            }
            Self::Stopped => f.write_str("the connections to this cluster were closed"),
        }
    }
}

impl std::error::Error for Error {}

/// An error code of the Kafka protocol; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KafkaError(pub i16);

impl KafkaError {
    /// The offset asked for is below the log start or above the log end.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// The topic or the partition does not exist, or is not on this broker.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// The partition has no leader at the moment.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// The broker did not get done in the time that the request gave it.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// The group's coordinator is reading its log and cannot answer yet.
    pub const COORDINATOR_LOAD_IN_PROGRESS: Self = Self(14);
    /// There is no coordinator at the moment.
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    /// The group has another coordinator.
    pub const NOT_COORDINATOR: Self = Self(16);
    /// We are not allowed to.
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    /// We are not allowed to ask about, or change, the group.
    pub const GROUP_AUTHORIZATION_FAILED: Self = Self(30);
    /// We are not allowed to ask about, or change, the cluster as a whole.
    pub const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    /// There is such a topic already.
    pub const TOPIC_ALREADY_EXISTS: Self = Self(36);
    /// The broker is not the controller, or there is none at the moment.
    pub const NOT_CONTROLLER: Self = Self(41);
    /// The broker does not know the request, or this version of it, or has it turned off.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// The group has members.
    pub const NON_EMPTY_GROUP: Self = Self(68);
    /// There is no such group, or it is of another type.
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);

    /// None for code 0, which means success.
    pub fn from_code(code: i16) -> Option<Self> {
        (code != 0).then_some(Self(code))
    }

    /// Kafka's own name, such as `NOT_LEADER_OR_FOLLOWER`.
    pub fn name(self) -> String {
        let Some(known) = ResponseError::try_from_code(self.0) else { return "NONE".to_owned() };
        if let ResponseError::Unknown(code) = known {
            return format!("UNKNOWN_ERROR_{code}");
        }
        let mut name = String::new();
        for letter in known.to_string().chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    /// Our picture of topics, leaders or ids is out of date: ask for metadata, then try again.
    pub fn needs_metadata(self) -> bool {
        matches!(self.0, 3 | 5 | 6 | 9 | 13 | 56 | 72 | 74 | 75 | 78 | 100 | 103)
    }

    /// The coordinator moved or is not ready: find it again, then try again.
    pub fn needs_coordinator(self) -> bool {
        matches!(self, Self::COORDINATOR_LOAD_IN_PROGRESS | Self::COORDINATOR_NOT_AVAILABLE | Self::NOT_COORDINATOR)
    }

    /// Authorisation, or something the broker will never do: say it, do not hammer.
    pub fn is_refusal(self) -> bool {
        matches!(self.0, 17 | 29 | 30 | 31 | 33 | 34 | 35 | 53 | 58 | 65 | 76)
    }

    fn advice(self) -> Option<&'static str> {
        match self.0 {
            3 => Some("check the topic's name"),
            17 => Some("no topic can have this name"),
            22 | 25 | 68 => Some("the group has live members; stop them, or use another group"),
            29 => Some("give this user READ and DESCRIBE on the topic"),
            30 => Some("give this user READ and DESCRIBE on the group"),
            31 => Some("give this user DESCRIBE on the cluster"),
            69 => Some("check the group's name"),
            73 => Some("the brokers have delete.topic.enable = false"),
            76 => Some("the topic is compressed with a codec that this version of the request cannot carry"),
            _ => None,
        }
    }
}

impl fmt::Display for KafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error {})", self.name(), self.0)?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_that_kafka_gives_them() {
        assert_eq!(KafkaError(6).name(), "NOT_LEADER_OR_FOLLOWER");
        assert_eq!(KafkaError(29).name(), "TOPIC_AUTHORIZATION_FAILED");
        assert_eq!(KafkaError(-1).name(), "UNKNOWN_SERVER_ERROR");
        assert_eq!(KafkaError(9999).name(), "UNKNOWN_ERROR_9999");
        assert_eq!(KafkaError::from_code(0), None);
    }

    #[test]
    fn an_error_says_where_what_why_and_what_to_do() {
        let error = |kind| Error { broker: "kafka-1:9092".to_owned(), request: "Fetch", kind };
        let text = error(ErrorKind::Kafka(KafkaError(29), None)).to_string();
        assert_eq!(
            text,
            "kafka-1:9092: Fetch: TOPIC_AUTHORIZATION_FAILED (error 29); give this user READ and DESCRIBE on the topic"
        );
        let nobody = ErrorKind::NobodyAnswered(vec![error(ErrorKind::Authentication("no".to_owned()))]);
        assert!(nobody.is_permanent(), "a wrong password stays wrong, whichever broker says so");
        assert!(!ErrorKind::Timeout(Duration::from_secs(1)).is_permanent());
        assert_eq!(printable("a\u{1b}[31mb\n"), "a[31mb");
    }
}
