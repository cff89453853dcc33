//! The channels over which people are told: mail, webhook, command. A channel is given a notice and says whether it was
//! taken; it remembers nothing. When to try again, and what is still to be told, is decided elsewhere.
//!
//! An error says what went wrong, where, and what to do about it, and never holds a password or the query of a URL.

mod command;
mod mail;
mod smtp;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::schema::{NotifySettings, TransportSettings};
use crate::logic::alert::Notice;
use crate::logic::jq::short_line;

use command::Command;
use mail::Mail;
use webhook::Webhook;

/// A channel, ready to send.
#[derive(Debug)]
pub struct Channel {
    name: String,
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Mail(Box<Mail>),
    Webhook(Arc<Webhook>),
    Command(Command),
}

/// Why a notice was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// What went wrong, where, and what to do about it, in one line.
    pub text: String,
    /// What the other side said, in one short line; empty where it said nothing. It is in `text`, too.
    pub detail: String,
    /// Whether trying again may help.
    pub kind: SendErrorKind,
    /// How long the other side asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The recipients of a mail that the server wants to be asked for again later, where all others have it or never
    /// will: from now on it is for these only ([`Channel::send_to`]). Empty: nobody has it.
    pub deferred: Vec<String>,
}

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The network, the server or its load: it may.
    Temporary,
    /// This was refused, and will be until somebody changes something.
    Permanent,
}

/// Characters of what the other side said.
const DETAIL_LENGTH: usize = 200;

impl SendError {
    fn temporary(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            detail: String::new(),
            kind: SendErrorKind::Temporary,
            retry_after: None,
            deferred: Vec::new(),
        }
    }

    fn permanent(text: impl Into<String>) -> Self {
        Self { kind: SendErrorKind::Permanent, ..Self::temporary(text) }
    }

    /// The same with what the other side said, which `text` should hold, too.
    fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SendError {}

impl Channel {
    /// Reads the TLS files and compiles the jq programs of `settings`; opens no connection.
    ///
    /// # Errors
    /// A file, an address or a program that cannot be used: a line that names the channel.
    pub fn new(settings: &NotifySettings) -> Result<Self, String> {
        let name = settings.channel.name.clone();
        let at = |what: &str, error: String| format!("notify.{name}.{what}: {error}");
        let transport = match &settings.transport {
            TransportSettings::Email(email) => {
                Transport::Mail(Box::new(Mail::new(&name, email).map_err(|error| at("email", error))?))
            }
            TransportSettings::Webhook(webhook) => {
                Transport::Webhook(Arc::new(Webhook::new(webhook).map_err(|error| at("webhook", error))?))
            }
            TransportSettings::Command(command) => {
                Transport::Command(Command::new(command).map_err(|error| at("command", error))?)
            }
        };
        Ok(Self { name, transport })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells `notice`, within the channel's time limit. Taken means: the mail server took it for at least one
    /// recipient and will never for the others, the endpoint answered that it did, the program ended with 0.
    ///
    /// # Errors
    /// It was not taken, or it is not known, or somebody's mail was deferred. A retry carries the same Message-ID or
    /// idempotency key.
    pub async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        self.send_to(notice, None).await
    }

    /// The same; of a mail's recipients for these `only`, as an error named them: the others have it, or never will.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn send_to(&self, notice: &Notice, only: Option<&[String]>) -> Result<(), SendError> {
        match &self.transport {
            Transport::Mail(mail) => {
                let sent = mail.send(notice, only).await?;
                if !sent.refused.is_empty() {
                    let refused = sent.refused.join("; ");
                    tracing::warn!(channel = %self.name, %refused, "the mail server refused recipients");
                }
                sent.deferred.map_or(Ok(()), Err)
            }
            Transport::Webhook(webhook) => Arc::clone(webhook).send(notice).await,
            Transport::Command(command) => command.send(notice).await,
        }
    }

    /// Tries the way without telling anything: logs in at the mail server, connects to the webhook, looks for the
    /// program. Gives a line that says what was found.
    ///
    /// # Errors
    /// The line that says what does not work.
    pub async fn check(&self) -> Result<String, String> {
        let found = match &self.transport {
            Transport::Mail(mail) => mail.check().await,
            Transport::Webhook(webhook) => Arc::clone(webhook).check().await,
            Transport::Command(command) => command.check(),
        };
        found.map_err(|error| error.text)
    }
}

/// `text` without `secrets`, which the other side may have repeated, in one short line.
fn without_secrets(text: &str, secrets: &[String]) -> String {
    let mut clean = text.to_owned();
    // One or two characters are no secret, and would be found in every sentence.
    for secret in secrets.iter().filter(|secret| secret.len() > 2) {
        clean = clean.replace(secret.as_str(), "***");
    }
    short_line(&clean, DETAIL_LENGTH).trim().to_owned()
}

/// A channel's name as a part of a Message-ID or an HTTP header: letters, digits, `-` and `_` stay, the rest becomes
/// `+` and its bytes in hexadecimal digits.
fn name_token(name: &str) -> String {
    let mut token = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("+{byte:02x}"));
        }
    }
    token
}

#[cfg(test)]
mod channel_tests;
#[cfg(test)]
mod tests;
