//! `[monitor]`, `[[alert]]` and `[notify]` after they were read and checked. Plain data.

use std::time::Duration;

use litemap::LiteMap;

use super::{HostPort, Secret, TlsSettings, WebhookSettings};
use crate::config::Mailbox;
use crate::logic::alert::ChannelSettings;

/// `[monitor]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorSettings {
    /// The clusters to watch, by name.
    pub clusters: Vec<String>,
    /// From the beginning of one poll to the beginning of the next.
    pub interval: Duration,
    /// From one look at log directories and topic settings to the next.
    pub slow_interval: Duration,
    /// Which topics are watched.
    pub topics: Selection,
    /// Which groups are watched.
    pub groups: Selection,
    /// Series of one metric that /metrics shows at most; more are left out, and counted.
    pub max_series: usize,
    /// A request at regular intervals while watching works.
    pub heartbeat: Option<HeartbeatSettings>,
    /// Where brokers tell their own figures, by cluster; a cluster without any is missing.
    pub jmx: LiteMap<String, Vec<JmxSettings>>,
}

/// Where a broker's figures are read and how to log in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JmxSettings {
    /// The broker's id; none: every broker that no other entry is about, and `url` holds `{host}`.
    pub broker: Option<i32>,
    /// `jmx://host:port`, `service:jmx:rmi:///jndi/rmi://host:port/jmxrmi`, `http(s)://host:port/jolokia` or
    /// `http(s)://host:port/metrics`; `{host}` stands for the broker's own host.
    pub url: String,
    /// The user; none: no login.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Given: the password and the figures travel by TLS only. Always used for https.
    pub tls: Option<TlsSettings>,
    /// The limit on a whole reading, with connect and login where they are needed.
    pub timeout: Duration,
}

impl JmxSettings {
    /// That one of `sources` which is about this broker: by its id, else the one that is about all.
    pub fn of_broker(sources: &[Self], broker: i32) -> Option<&Self> {
        let about = |wanted: Option<i32>| sources.iter().find(|source| source.broker == wanted);
        about(Some(broker)).or_else(|| about(None))
    }
}

/// Names to watch: patterns as written (names, globs, `/regex/`), and those that begin with `!` in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// One of these must match.
    pub include: Vec<String>,
    /// None of these may.
    pub exclude: Vec<String>,
}

/// `monitor.heartbeat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Asked with GET; the rest of the settings are the defaults.
    pub webhook: WebhookSettings,
    /// How often.
    pub interval: Duration,
}

/// `[notify.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifySettings {
    /// Its name, and how it groups.
    pub channel: ChannelSettings,
    /// How it tells.
    pub transport: TransportSettings,
}

/// How a channel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportSettings {
    /// `[notify.NAME.email]`.
    Email(Box<EmailSettings>),
    /// `[notify.NAME.webhook]`.
    Webhook(Box<NotifyWebhookSettings>),
    /// `[notify.NAME.command]`.
    Command(CommandSettings),
}

/// `[notify.NAME.email]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailSettings {
    /// The SMTP server.
    pub smtp: HostPort,
    /// How the conversation is protected.
    pub encryption: Encryption,
    /// Whom to trust.
    pub tls: TlsSettings,
    /// The login; none: no login.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: Mailbox,
    /// The recipients; at least one.
    pub to: Vec<Mailbox>,
    /// The limit on a whole conversation.
    pub timeout: Duration,
}

/// `encryption`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// STARTTLS, and nothing without it (RFC 3207).
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// None.
    None,
}

/// `[notify.NAME.webhook]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyWebhookSettings {
    /// The keys that `[forward.webhook]` has, too.
    pub webhook: WebhookSettings,
    /// What is sent.
    pub body: NotifyBody,
}

/// What a webhook is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyBody {
    /// Alertmanager's webhook JSON, version 4.
    Alertmanager,
    /// A DingTalk robot's message, signed where there is a secret.
    DingTalk(Option<Secret>),
    /// A WeCom robot's message.
    WeCom,
    /// A Feishu robot's message, signed where there is a secret.
    Feishu(Option<Secret>),
    /// What this jq program makes of Alertmanager's document.
    Jq(String),
}

/// `[notify.NAME.command]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSettings {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// Then it is killed.
    pub timeout: Duration,
}
