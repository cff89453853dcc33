//! The configuration after it was read and checked: plain data, every default filled in, every path absolute, every
//! `${…}` replaced. Knows nothing of TOML.

mod monitor;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::logic::alert::Rule;
use crate::logic::outcome::{LogLevel, OutcomeRule};
use crate::logic::prepare::StepSettings;
use crate::logic::retry::RetrySettings;
use crate::logic::start_position::{OnOutOfRange, Start};

use litemap::LiteMap;
pub use monitor::{
    CommandSettings, EmailSettings, Encryption, HeartbeatSettings, JmxSettings, MonitorSettings, NotifyBody,
    NotifySettings, NotifyWebhookSettings, Selection, TransportSettings,
};

/// The whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// `[process]`: how long a stop may take.
    pub shutdown_timeout: Duration,
    /// `[kafka]` and `[clusters.NAME]`, by name; `[kafka]` is "default".
    pub clusters: LiteMap<String, ClusterSettings>,
    /// `[state]`.
    pub state: StateSettings,
    /// `[control]`: the path of the Unix socket.
    pub control_socket: PathBuf,
    /// `[log]`.
    pub log: LogSettings,
    /// `[http]`; none: no port is opened.
    pub http: Option<HttpSettings>,
    /// `[[forward]]`, in the order of the file.
    pub forwards: Vec<ForwardSettings>,
    /// `[monitor]`; none: no cluster is watched.
    pub monitor: Option<MonitorSettings>,
    /// `[[alert]]`, in the order of the file.
    pub alerts: Vec<Rule>,
    /// `[notify.NAME]`, in the order of the file.
    pub channels: Vec<NotifySettings>,
    /// What a person should be told at every start: a password in the clear, a public page.
    pub warnings: Vec<String>,
}

/// A value that never appears in logs, pages or error texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `value` from `Debug` and `Display`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the peer that must get it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A host name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Where to ask first; at least one.
    pub bootstrap_servers: Vec<HostPort>,
    /// What brokers log and account us under.
    pub client_id: String,
    /// The limit on a connect and on every request.
    pub request_timeout: Duration,
    /// What brokers advertise → what can be reached from here.
    pub addresses: LiteMap<HostPort, HostPort>,
    /// None: plain text.
    pub tls: Option<TlsSettings>,
    /// None: no login.
    pub sasl: Option<SaslSettings>,
}

/// The `tls` table, the same everywhere. All none: the public roots that are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file of the authorities to trust instead of the public roots.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain.
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub key_file: Option<PathBuf>,
    /// The name to expect in the peer's certificate instead of the host that was connected to.
    pub server_name: Option<String>,
    /// The SHA-256 of the peer's certificate (DER): that very one is accepted, and no other.
    pub fingerprint_sha256: Option<[u8; 32]>,
}

/// The `sasl` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslSettings {
    /// How the password is proved.
    pub mechanism: SaslMechanism,
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// SASL mechanisms (RFC 4616, RFC 5802, RFC 7677).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// PLAIN: the password travels.
    Plain,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// The folder that only we write.
    pub dir: PathBuf,
    /// How long a settled record may wait to be stored; zero: before its sender takes the next one.
    pub commit_interval: Duration,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe level that is written.
    pub level: LogThreshold,
    /// Text or JSON lines.
    pub format: LogFormat,
    /// None: standard error.
    pub file: Option<PathBuf>,
    /// The size in bytes at which the file is rotated.
    pub max_size: u64,
    /// How many rotated files are kept.
    pub keep_files: u32,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogThreshold {
    /// One of the levels that an outcome rule may also name.
    Level(LogLevel),
    /// Everything.
    Trace,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where the read-only pages are served.
    pub listen: SocketAddr,
    /// Names that a Host header may give besides addresses and localhost.
    pub hosts: Vec<String>,
}

/// `[[forward]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSettings {
    /// Its unique name; it names the offsets in the state.
    pub name: String,
    /// The cluster it reads from.
    pub cluster: String,
    /// Names, globs or `/regex/`, as written.
    pub topics: Vec<String>,
    /// The consumer group whose offsets are taken over or mirrored.
    pub group: Option<String>,
    /// Where offsets are kept.
    pub offsets: OffsetsMode,
    /// Where to begin with a topic that has no stored offset.
    pub start: Start,
    /// What to do when the stored offset no longer exists.
    pub on_out_of_range: OnOutOfRange,
    /// The steps from a record to request bodies.
    pub steps: StepSettings,
    /// What becomes of an invalid event.
    pub on_invalid: OnInvalid,
    /// Requests at once, 1 to 512.
    pub max_in_flight: u16,
    /// Bytes of records held in memory.
    pub buffer_size: usize,
    /// Bytes; a larger record is invalid.
    pub max_record_size: usize,
    /// Where the events go.
    pub webhook: WebhookSettings,
    /// When an event is tried again.
    pub retry: RetrySettings,
    /// Where dead letters are kept and how many.
    pub dead_letters: DeadLetterSettings,
}

/// `offsets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetsMode {
    /// In the state alone.
    Local,
    /// In the state, and committed to the group for others to see.
    Mirrored,
}

/// `on_invalid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInvalid {
    /// Keep it aside.
    DeadLetter,
    /// Count it and go on.
    Skip,
}

/// `[forward.webhook]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// http or https; the query part may hold a token, hence secret.
    pub url: Secret,
    /// The URL without user, password and query, for people.
    pub display_url: String,
    /// POST, PUT or PATCH.
    pub method: String,
    /// Header fields in the order of the file; Content-Type is among them.
    pub headers: Vec<(String, Secret)>,
    /// For https; none: the public roots.
    pub tls: TlsSettings,
    /// The limit on a whole request.
    pub timeout: Duration,
    /// The limit on the connect.
    pub connect_timeout: Duration,
    /// Bytes of the response body that are read; the rest is cut.
    pub max_response_size: usize,
    /// The header that carries the idempotency key; none: it is not sent.
    pub idempotency_header: Option<String>,
    /// The rules, in order; empty: the defaults alone.
    pub outcomes: Vec<OutcomeRule>,
}

/// `[forward.dead_letters]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// Bytes that this forward's dead letters may take; beyond, the forward stalls.
    pub max_size: u64,
    /// Older ones are deleted; none: never.
    pub max_age: Option<Duration>,
}
