//! Why a broker's figures could not be read: at which step, and what to change, on which side. Knows no socket.

use std::fmt;
use std::time::Duration;

use crate::logic::java_serial::views::Exception;

/// A reading that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JmxError {
    /// Where, without user and password.
    pub target: String,
    /// How far it came.
    pub step: Step,
    /// Why not further.
    pub reason: Reason,
}

/// The steps of a reading, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The settings are looked at.
    Settings,
    /// The JMX port (the JVM's registry) is connected to, and greeted.
    Registry,
    /// The registry is asked for the object `jmxrmi`.
    Lookup,
    /// The object's own port, which the registry named, is connected to, and greeted.
    Object(u16),
    /// User and password are presented.
    Login,
    /// The figures are read.
    Read,
    /// An HTTP request to Jolokia or the exporter.
    Request,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The URL is none of the known ones; a sentence.
    Url(String),
    /// The `tls` table cannot be used, or TLS failed; a sentence.
    Tls(String),
    /// No connection; the system's words.
    Connect(String),
    /// Nothing within the time limit on the whole reading.
    Timeout(Duration),
    /// The connection ended.
    Closed,
    /// Whoever answers does not speak RMI; what it seems to be.
    NotRmi(String),
    /// The answer makes no sense.
    Malformed(String),
    /// `tls` is configured and the JVM offers its object without: the password is not sent.
    ObjectWithoutTls,
    /// The JVM offers its object by TLS only, and `tls` is not configured.
    ObjectWantsTls,
    /// The JVM answered with an exception.
    Exception(Exception),
    /// The HTTP answer was none of use; a sentence.
    Http(String),
    /// It is a JVM that shows nothing of a Kafka broker.
    NoBroker,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Registry => f.write_str("connecting to the JMX port"),
            Self::Lookup => f.write_str("looking up jmxrmi"),
            Self::Object(port) => write!(f, "connecting to the object's port {port}"),
            Self::Login => f.write_str("logging in"),
            Self::Read => f.write_str("reading the figures"),
            Self::Request => f.write_str("asking for the figures"),
        }
    }
}

impl fmt::Display for JmxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.target, self.step, self.reason)?;
        match advice(&self.step, &self.reason) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(text) | Self::Tls(text) | Self::NotRmi(text) | Self::Http(text) => f.write_str(text),
            Self::Connect(text) => write!(f, "cannot connect ({text})"),
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Malformed(text) => write!(f, "the answer makes no sense: {text}"),
            Self::ObjectWithoutTls => f.write_str("`tls` is configured, and the JVM offers its object without TLS"),
            Self::ObjectWantsTls => f.write_str("the JVM offers its object by TLS only"),
            Self::Exception(exception) => {
                write!(f, "{}", exception.class)?;
                if !exception.message.is_empty() {
                    write!(f, ": {}", exception.message)?;
                }
                for (class, message) in &exception.causes {
                    write!(f, ", caused by {class}: {message}")?;
                }
                Ok(())
            }
            Self::NoBroker => f.write_str("this JVM shows no figures of a Kafka broker"),
        }
    }
}

impl std::error::Error for JmxError {}

/// What to do, where it is plain.
fn advice(step: &Step, reason: &Reason) -> Option<String> {
    let advice = match (step, reason) {
        (Step::Registry, Reason::Connect(_)) => {
            "does the broker run with com.sun.management.jmxremote.port (JMX_PORT) set to this port?"
        }
        (Step::Registry, Reason::Timeout(_)) => {
            "the broker's process is stopped or overloaded, a firewall drops the connection, or it is no JMX port"
        }
        (Step::Registry, Reason::Closed) => {
            "is it the JMX port (com.sun.management.jmxremote.port), or another of the broker's? If it wants TLS, set `tls`"
        }
        (Step::Object(port), Reason::Timeout(_) | Reason::Connect(_)) => {
            return Some(format!(
                "a firewall may let only the JMX port through: set com.sun.management.jmxremote.rmi.port on the broker \
                 to the JMX port, so that both are one, or open port {port} (it changes at every start unless it is set)"
            ));
        }
        (Step::Lookup | Step::Login | Step::Read, Reason::Timeout(_)) => {
            "the broker's process is stopped or overloaded"
        }
        (Step::Object(_), Reason::Closed) => {
            "something between here and the broker closes it; java.rmi.server.hostname plays no part, since the \
             configured host is used"
        }
        (_, Reason::ObjectWithoutTls) => {
            "set com.sun.management.jmxremote.ssl=true on the broker, or remove `tls`: the password would travel \
             unencrypted"
        }
        (_, Reason::ObjectWantsTls) => "set `tls` (tls = { ca_file = \"…\" } for a certificate of your own)",
        (Step::Login, Reason::Exception(exception)) if exception.class == "java.lang.SecurityException" => {
            if exception.message.contains("required") {
                "set `username` and `password_file`; the broker has com.sun.management.jmxremote.authenticate=true"
            } else {
                "check `username` and the password against the broker's com.sun.management.jmxremote.password.file"
            }
        }
        (Step::Lookup, Reason::Exception(exception)) if exception.class == "java.rmi.NotBoundException" => {
            "it is an RMI registry, but no JMX: set com.sun.management.jmxremote.port on the broker"
        }
        (Step::Read, Reason::Exception(exception)) if exception.class == "java.lang.SecurityException" => {
            "give the user `readonly` in com.sun.management.jmxremote.access.file"
        }
        (Step::Request, Reason::Closed) => "is it an HTTP port? For a JVM's own JMX port use a jmx:// URL",
        (_, Reason::NoBroker) => {
            "is the port a broker's? The JMX exporter and Jolokia may also be told to leave Kafka's objects out"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}
