//! What can go wrong with a request, in one clear line each. Never the URL's query, never a header's value.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::CertificateError;

use super::connector::Stage;

/// Settings that no request can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Not an http or https URL with a host. The URL is not repeated: it may hold a secret.
    Url,
    /// Not an HTTP method.
    Method(String),
    /// The header of that name has a name or value that HTTP does not allow.
    Header(String),
    /// Neither a host name nor an address.
    ServerName(String),
    /// The URL is https and no TLS configuration was given.
    NoTls,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the webhook's url is not an http:// or https:// URL with a host"),
            Self::Method(method) => write!(f, "the webhook's method {method:?} is not an HTTP method"),
            Self::Header(name) => {
                write!(f, "the webhook's header {name:?} has a name or value that HTTP does not allow")
            }
            Self::ServerName(name) => write!(f, "{name:?} cannot be the name in a certificate: set tls.server_name"),
            Self::NoTls => f.write_str("the webhook's url is https, but no TLS configuration was loaded"),
        }
    }
}

impl std::error::Error for EndpointError {}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    Unresolved { host: String, reason: String },
    Tcp { target: String, address: SocketAddr, source: io::Error },
    Tls { target: String, reason: String },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved { host, reason } => write!(f, "cannot resolve {host}: {reason}"),
            Self::Tcp { target, address, source } if *target == address.to_string() => {
                write!(f, "cannot connect to {target}: {}", io_reason(source))
            }
            Self::Tcp { target, address, source } => {
                write!(f, "cannot connect to {target} ({address}): {}", io_reason(source))
            }
            Self::Tls { target, reason } => write!(f, "no TLS session with {target}: {reason}"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectError> for ureq::Error {
    fn from(error: ConnectError) -> Self {
        Self::Other(Box::new(error))
    }
}

/// What went wrong, without the number that only a programmer looks up.
pub(super) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "time limit".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed by the other side".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

/// Why TLS was refused, and what to do about it where that is plain.
pub(super) fn tls_reason(error: &rustls::Error) -> String {
    match error {
        // A bad signature is what an authority of the same name gives: made anew, with another key.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate comes from an authority that is not trusted; tls.ca_file names one".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("{error}; tls.server_name says which name to expect"),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        _ => error.to_string(),
    }
}

/// Why a request has no answer. The endpoint may have taken it, except where there was no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No name, no connection, no TLS session: nothing was sent. The text says which.
    Unreachable(String),
    /// No connection within this time.
    ConnectTimeLimit(Duration),
    /// No whole answer within this time; whether one had begun.
    TimeLimit {
        /// The limit.
        limit: Duration,
        /// A part of the answer had come.
        answering: bool,
    },
    /// The connection ended before the first byte of an answer.
    Closed,
    /// The connection ended in the middle of the answer.
    ClosedWhileAnswering,
    /// What came is not HTTP, or not as it announces itself.
    NotHttp(String),
}

impl SendError {
    /// `timeout` and `connect_timeout` are the limits that applied.
    pub(super) fn new(error: ureq::Error, stage: Stage, timeout: Duration, connect_timeout: Duration) -> Self {
        match error {
            ureq::Error::Timeout(_) if stage == Stage::Connecting => {
                Self::ConnectTimeLimit(connect_timeout.min(timeout))
            }
            ureq::Error::Timeout(_) => Self::TimeLimit { limit: timeout, answering: stage == Stage::Answering },
            ureq::Error::Other(source) => Self::Unreachable(source.to_string()),
            ureq::Error::Io(source) if is_close(&source) && stage == Stage::Answering => Self::ClosedWhileAnswering,
            ureq::Error::Io(source) if is_close(&source) => Self::Closed,
            ureq::Error::Io(source) => Self::NotHttp(io_reason(&source)),
            ureq::Error::Protocol(source) => Self::NotHttp(source.to_string()),
            ureq::Error::LargeResponseHeader(..) => Self::NotHttp("the head of the answer is too long".to_owned()),
            other => Self::NotHttp(other.to_string()),
        }
    }
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => f.write_str(reason),
            Self::ConnectTimeLimit(limit) => write!(f, "no connection within {limit:?}"),
            Self::TimeLimit { limit, answering: false } => write!(f, "no answer within {limit:?}"),
            Self::TimeLimit { limit, answering: true } => write!(f, "the answer was not complete within {limit:?}"),
            Self::Closed => f.write_str("the connection was closed before an answer"),
            Self::ClosedWhileAnswering => f.write_str("the connection was closed in the middle of the answer"),
            Self::NotHttp(reason) => write!(f, "the answer is not valid HTTP: {reason}"),
        }
    }
}

impl std::error::Error for SendError {}
