//! A conversation with a mail server, over mail-send: connect, greet, encrypt, log in, hand over a mail. All of it ends
//! at one deadline. Knows nothing of notices, nor of what a mail is made of.
//!
//! What was asked for is what happens: where encryption is configured and cannot be had, the conversation ends before a
//! password or an address was said.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_send::smtp::message::Parameters;
use mail_send::{Credentials, SmtpClient};
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, EXT_START_TLS, EhloResponse, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::clock;
use crate::config::schema::{EmailSettings, Encryption, HostPort, Secret};
use crate::logic::jq::short_line;
use crate::tls;

use super::{SendError, SendErrorKind, without_secrets};

/// How long a server may take to say goodbye; the mail is its already.
const QUIT_LIMIT: Duration = Duration::from_secs(2);

/// A mail server and how to speak with it.
pub(super) struct Server {
    address: HostPort,
    encryption: Encryption,
    connector: TlsConnector,
    /// The name in its certificate.
    certificate_name: String,
    login: Option<(String, Secret)>,
    timeout: Duration,
}

/// A recipient that the server refused, for now or for good, and what it said.
#[derive(Debug)]
pub(super) struct Unserved {
    recipient: String,
    reply: Response<String>,
}

impl Unserved {
    /// Whether it may be another time.
    pub(super) fn kind(&self) -> SendErrorKind {
        kind(self.reply.code)
    }
}

enum Connection {
    Plain(SmtpClient<TcpStream>),
    Tls(Box<SmtpClient<TlsStream<TcpStream>>>),
}

/// Runs the same on whatever the connection is made of.
macro_rules! over {
    ($connection:expr, $client:ident => $run:expr) => {
        match $connection {
            Connection::Plain($client) => $run,
            Connection::Tls($client) => $run,
        }
    };
}

impl Server {
    /// Reads the TLS files; connects to nothing.
    pub(super) fn new(settings: &EmailSettings) -> Result<Self, String> {
        let tls_settings = settings.tls.clone();
        let config = tls::client_config(&tls_settings).map_err(|error| error.to_string())?;
        let name = tls::server_name(&tls_settings, &settings.smtp.host).map_err(|error| error.to_string())?;
        Ok(Self {
            address: settings.smtp.clone(),
            encryption: settings.encryption,
            connector: TlsConnector::from(config),
            certificate_name: name.to_str().into_owned(),
            login: settings.login.clone(),
            timeout: settings.timeout,
        })
    }

    /// Hands over `mail` (complete, with CRLF) for `recipients`. Gives those that the server did not take it for, which
    /// may be all of them.
    pub(super) async fn deliver(
        &self,
        sender: &str,
        recipients: &[String],
        mail: &[u8],
    ) -> Result<Vec<Unserved>, SendError> {
        let deadline = clock::instant(clock::now() + self.timeout);
        let mut connection = self.open(deadline).await?;
        let unserved =
            over!(&mut connection, client => self.hand_over(client, deadline, sender, recipients, mail).await);
        connection.quit().await;
        unserved
    }

    /// Connects, encrypts and logs in, and leaves again. Says how.
    pub(super) async fn check(&self) -> Result<String, SendError> {
        let deadline = clock::instant(clock::now() + self.timeout);
        let connection = self.open(deadline).await?;
        let encrypted = match &connection {
            Connection::Plain(_) => "not encrypted".to_owned(),
            Connection::Tls(client) => {
                let version = client.tls_connection().protocol_version().and_then(|version| version.as_str());
                version.unwrap_or("TLS").replace("TLSv", "TLS ").replace('_', ".")
            }
        };
        connection.quit().await;
        Ok(match &self.login {
            Some((user, _)) => format!("logged in as {user} ({encrypted})"),
            None => format!("it answers, without a login ({encrypted})"),
        })
    }

    async fn open(&self, deadline: Instant) -> Result<Connection, SendError> {
        let stream = self.connect(deadline).await?;
        let ehlo = ehlo_name(stream.local_addr().ok());
        // mail-send's own limit is for each of its steps; ours is for all of them.
        let mut client = SmtpClient { stream, timeout: self.timeout };
        let mut connection = match self.encryption {
            Encryption::Tls => {
                Connection::Tls(Box::new(self.step(deadline, "a TLS session", self.encrypt(client)).await??))
            }
            Encryption::Starttls => {
                self.greeting(&mut client, deadline).await?;
                let offers = self.greet(&mut client, deadline, &ehlo).await?;
                if !offers.has_capability(EXT_START_TLS) {
                    return Err(self.no_starttls());
                }
                let reply = self.command(&mut client, deadline, "STARTTLS").await?;
                if !(200..300).contains(&reply.code) {
                    return Err(self.refused("STARTTLS", &reply, "the server or its administrator has to allow it"));
                }
                Connection::Tls(Box::new(self.step(deadline, "a TLS session", self.encrypt(client)).await??))
            }
            Encryption::None => Connection::Plain(client),
        };
        over!(&mut connection, client => {
            if self.encryption != Encryption::Starttls {
                self.greeting(client, deadline).await?;
            }
            // What was offered before encryption may have been said by anybody (RFC 3207 section 4.2).
            let offers = self.greet(client, deadline, &ehlo).await?;
            self.log_in(client, deadline, offers).await?;
        });
        Ok(connection)
    }

    async fn connect(&self, deadline: Instant) -> Result<TcpStream, SendError> {
        let unreachable = |reason: String| {
            SendError::temporary(format!("cannot connect to the mail server {}: {reason}", self.address))
        };
        let found = tokio::net::lookup_host((self.address.host.as_str(), self.address.port));
        let found =
            timeout_at(deadline, found).await.map_err(|_| unreachable("its name was not resolved in time".into()))?;
        let addresses: Vec<SocketAddr> = found.map_err(|error| unreachable(io_reason(&error)))?.take(8).collect();
        // One that swallows packets must not take the time of the others.
        let share = self.timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut reason = "its name has no address".to_owned();
        for address in addresses {
            match timeout_at(deadline, timeout(share, TcpStream::connect(address))).await {
                Ok(Ok(Ok(stream))) => return Ok(stream),
                Ok(Ok(Err(error))) => reason = io_reason(&error),
                Ok(Err(_)) => reason = format!("no answer within {share:?}"),
                Err(_) => return Err(unreachable(format!("no answer within {:?}", self.timeout))),
            }
        }
        Err(unreachable(reason))
    }

    async fn encrypt(&self, client: SmtpClient<TcpStream>) -> Result<SmtpClient<TlsStream<TcpStream>>, SendError> {
        let encrypted = client.into_tls(&self.connector, &self.certificate_name).await;
        encrypted.map_err(|error| {
            let reason = match &error {
                mail_send::Error::Tls(error) if matches!(**error, rustls::Error::InvalidMessage(_)) => {
                    "it does not speak TLS on this port from the first byte; encryption = \"starttls\" (port 587, as a \
                     rule) begins without"
                        .to_owned()
                }
                mail_send::Error::Tls(error) => tls::explain(error),
                mail_send::Error::Io(error) => io_reason(error),
                other => other.to_string(),
            };
            SendError::temporary(format!("no TLS session with the mail server {}: {reason}", self.address))
        })
    }

    async fn greeting<T>(&self, client: &mut SmtpClient<T>, deadline: Instant) -> Result<(), SendError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let reply = self.step(deadline, "its greeting", client.read()).await?;
        let reply = reply.map_err(|error| self.broken("its greeting", error))?;
        if (200..300).contains(&reply.code) {
            return Ok(());
        }
        Err(self.refused("us at the greeting", &reply, "it may be busy, or not serve this machine's address"))
    }

    async fn greet<T>(
        &self,
        client: &mut SmtpClient<T>,
        deadline: Instant,
        name: &str,
    ) -> Result<EhloResponse<String>, SendError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        match self.step(deadline, "its answer to EHLO", client.ehlo(name)).await? {
            Ok(offers) => Ok(offers),
            Err(mail_send::Error::UnexpectedReply(reply)) => {
                Err(self.refused(&format!("EHLO {name}"), &reply, "it may not serve this machine's address"))
            }
            Err(error) => Err(self.broken("its answer to EHLO", error)),
        }
    }

    async fn log_in<T>(
        &self,
        client: &mut SmtpClient<T>,
        deadline: Instant,
        mut offers: EhloResponse<String>,
    ) -> Result<(), SendError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let Some((user, password)) = &self.login else {
            return Ok(());
        };
        // Else mail-send begins with CRAM-MD5 where it is offered, finds that it was built without, and sends its next
        // command into the open challenge.
        offers.auth_mechanisms &= AUTH_PLAIN | AUTH_LOGIN;
        if offers.auth_mechanisms == 0 {
            let hint = match self.encryption {
                Encryption::None => "many servers offer it only on an encrypted connection: set encryption",
                Encryption::Starttls | Encryption::Tls => "remove username and password if it wants none",
            };
            return Err(SendError::permanent(format!(
                "the mail server {} offers no login by PLAIN or LOGIN; {hint}",
                self.address
            )));
        }
        let credentials = Credentials::new(user.as_str(), password.reveal());
        match self.step(deadline, "its answer to the login", client.authenticate(&credentials, &offers)).await? {
            Ok(_) => Ok(()),
            Err(mail_send::Error::AuthenticationFailed(reply) | mail_send::Error::UnexpectedReply(reply)) => {
                Err(self.refused(&format!("the login as {user}"), &reply, "check username and password"))
            }
            Err(error) => Err(self.broken("its answer to the login", error)),
        }
    }

    async fn hand_over<T>(
        &self,
        client: &mut SmtpClient<T>,
        deadline: Instant,
        sender: &str,
        recipients: &[String],
        mail: &[u8],
    ) -> Result<Vec<Unserved>, SendError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let none = Parameters::default();
        match self.step(deadline, "its answer to MAIL FROM", client.mail_from(sender, &none)).await? {
            Ok(()) => {}
            Err(mail_send::Error::UnexpectedReply(reply)) => {
                let hint = "check `from`, and whether this user may send as it";
                return Err(self.refused(&format!("the sender {sender}"), &reply, hint));
            }
            Err(error) => return Err(self.broken("its answer to MAIL FROM", error)),
        }
        let mut unserved = Vec::new();
        for recipient in recipients {
            match self.step(deadline, "its answer to RCPT TO", client.rcpt_to(recipient, &none)).await? {
                Ok(()) => {}
                // It closes the connection: nobody will get anything.
                Err(mail_send::Error::UnexpectedReply(reply)) if reply.code == 421 => {
                    return Err(self.refused(recipient, &reply, "it will be tried again"));
                }
                Err(mail_send::Error::UnexpectedReply(reply)) => {
                    unserved.push(Unserved { recipient: recipient.clone(), reply });
                }
                Err(error) => return Err(self.broken("its answer to RCPT TO", error)),
            }
        }
        if unserved.len() == recipients.len() {
            return Ok(unserved);
        }
        match self.step(deadline, "that it took the mail", client.data(mail)).await? {
            Ok(_) => Ok(unserved),
            Err(mail_send::Error::UnexpectedReply(reply)) => {
                Err(self.refused("the mail", &reply, "its answer says why; its log may say more"))
            }
            Err(error) => Err(self.broken("that it took the mail", error)),
        }
    }

    async fn command<T>(
        &self,
        client: &mut SmtpClient<T>,
        deadline: Instant,
        command: &str,
    ) -> Result<Response<String>, SendError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let what = format!("its answer to {command}");
        let reply = self.step(deadline, &what, client.cmd(format!("{command}\r\n"))).await?;
        reply.map_err(|error| self.broken(&what, error))
    }

    /// Waits for a step of the conversation, not beyond the deadline.
    async fn step<T>(&self, deadline: Instant, what: &str, step: impl Future<Output = T>) -> Result<T, SendError> {
        timeout_at(deadline, step).await.map_err(|_| {
            SendError::temporary(format!(
                "the mail server {} did not get as far as {what} within {:?}",
                self.address, self.timeout
            ))
        })
    }

    /// The connection ended, or what came is no SMTP.
    fn broken(&self, awaited: &str, error: mail_send::Error) -> SendError {
        let reason = match &error {
            mail_send::Error::Io(error) => io_reason(error),
            mail_send::Error::Tls(error) => tls::explain(error),
            mail_send::Error::UnparseableReply => {
                "it closed the connection, or what it sent is no SMTP; is this the right port for this encryption?"
                    .to_owned()
            }
            // mail-send's limit is the same as ours, and may be the first to pass.
            mail_send::Error::Timeout => format!("not within {:?}", self.timeout),
            other => other.to_string(),
        };
        SendError::temporary(format!("waiting for the mail server {}, {awaited}: {reason}", self.address))
    }

    fn refused(&self, what: &str, reply: &Response<String>, hint: &str) -> SendError {
        let said = self.said(reply);
        let text = format!("the mail server {} refused {what}: {said}; {hint}", self.address);
        SendError { kind: kind(reply.code), ..SendError::temporary(text).saying(said) }
    }

    /// The recipient, and what the server said.
    pub(super) fn explain(&self, unserved: &Unserved) -> String {
        format!("{}: {}", unserved.recipient, self.said(&unserved.reply))
    }

    fn explain_all(&self, unserved: &[Unserved]) -> String {
        let texts: Vec<_> = unserved.iter().map(|unserved| self.explain(unserved)).collect();
        short_line(&texts.join("; "), 500)
    }

    /// Some have the mail, and these may have it later.
    pub(super) fn deferred(&self, deferred: &[Unserved]) -> SendError {
        let said = self.explain_all(deferred);
        let text = format!("the mail server {} has the mail for others, and deferred it for {said}", self.address);
        let deferred = deferred.iter().map(|deferred| deferred.recipient.clone()).collect();
        SendError { deferred, ..SendError::temporary(text).saying(said) }
    }

    /// If only one of them may be taken later, trying again helps.
    pub(super) fn all_refused(&self, refused: &[Unserved]) -> SendError {
        let permanent = refused.iter().all(|refused| refused.kind() == SendErrorKind::Permanent);
        let kind = if permanent { SendErrorKind::Permanent } else { SendErrorKind::Temporary };
        let said = self.explain_all(refused);
        let text = format!("the mail server {} refused every recipient: {said}; check `to`", self.address);
        SendError { kind, ..SendError::temporary(text).saying(said) }
    }

    fn no_starttls(&self) -> SendError {
        SendError::permanent(format!(
            "the mail server {} does not offer STARTTLS, so nothing was sent; use the port where it does (587, as a \
             rule), encryption = \"tls\" where it speaks TLS from the first byte (465), or \"none\" to go without",
            self.address
        ))
    }

    /// What it said, in one line. Some servers repeat a command that they do not like, even a password.
    fn said(&self, reply: &Response<String>) -> String {
        let mut secrets = Vec::new();
        if let Some((user, password)) = &self.login {
            let password = password.reveal();
            secrets.push(STANDARD.encode(format!("\0{user}\0{password}")));
            secrets.push(STANDARD.encode(password));
            secrets.push(password.to_owned());
        }
        let status = match reply.esc {
            [0, 0, 0] => String::new(),
            [class, subject, detail] => format!(" {class}.{subject}.{detail}"),
        };
        without_secrets(&format!("{}{status} {}", reply.code, reply.message), &secrets)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Connection {
    /// Says goodbye; what comes of it does not matter any more.
    async fn quit(self) {
        let _ = match self {
            Self::Plain(client) => timeout(QUIT_LIMIT, client.quit()).await,
            Self::Tls(client) => timeout(QUIT_LIMIT, client.quit()).await,
        };
    }
}

/// RFC 5321 section 4.2.1: 4 is "not now", 5 is "never". Anything else is no answer to what was asked.
fn kind(code: u16) -> SendErrorKind {
    if (500..600).contains(&code) { SendErrorKind::Permanent } else { SendErrorKind::Temporary }
}

/// Who we say we are: this machine's name where it is a full one, else its address in brackets (RFC 5321 section 4.1.3),
/// since servers refuse short names.
fn ehlo_name(local: Option<SocketAddr>) -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().unwrap_or_default();
    if is_full_name(name) {
        return name.to_owned();
    }
    match local {
        Some(SocketAddr::V4(address)) => format!("[{}]", address.ip()),
        Some(SocketAddr::V6(address)) => match address.ip().to_ipv4_mapped() {
            Some(address) => format!("[{address}]"),
            None => format!("[IPv6:{}]", address.ip()),
        },
        None => "[127.0.0.1]".to_owned(),
    }
}

fn is_full_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

/// What went wrong, without the number that only a programmer looks up; of TLS, with what to do.
fn io_reason(error: &std::io::Error) -> String {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls::explain(error);
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "closed by the other side".to_owned(),
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_is_said_and_a_short_one_is_not() {
        for (name, expected) in [
            ("mail.example.com", true),
            ("box-1.lan", true),
            ("box", false),
            ("localhost", false),
            ("a_b.example.com", false),
            ("a..b", false),
            ("-a.b", false),
            ("a.b\r\nRSET", false),
            ("", false),
        ] {
            assert_eq!(is_full_name(name), expected, "{name}");
        }
        let literal = |address: &str| {
            match ehlo_name(Some(address.parse().unwrap())) {
                name if name.starts_with('[') => name,
                // This machine has a full name.
                _ => return None,
            }
            .into()
        };
        assert!(matches!(literal("192.0.2.1:25").as_deref(), None | Some("[192.0.2.1]")));
        assert!(matches!(literal("[2001:db8::1]:25").as_deref(), None | Some("[IPv6:2001:db8::1]")));
    }

    #[test]
    fn a_4_is_for_now_and_a_5_for_good() {
        let table = [(550, SendErrorKind::Permanent), (451, SendErrorKind::Temporary), (299, SendErrorKind::Temporary)];
        for (code, expected) in table {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
