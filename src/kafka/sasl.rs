//! Logging in to a broker: SaslHandshake, then SaslAuthenticate until both sides are content (KIP-43, KIP-152).
//! PLAIN (RFC 4616), SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677); rsasl does the arithmetic.
//!
//! The password is handed to rsasl and appears in no error. What a hostile broker could ask for (minutes of hashing) is
//! refused before rsasl sees it.

use std::time::Duration;

use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use rsasl::config::SASLConfig;
use rsasl::prelude::{Mechname, SASLClient, Session};

use super::wire::{Connection, ErrorKind, KafkaError, printable};
use crate::config::schema::{SaslMechanism, SaslSettings};

/// PLAIN takes one round, SCRAM two, and an empty one may follow.
const MOST_ROUNDS: usize = 4;
/// Kafka allows 4096 to 16384 iterations (ScramMechanism); hashing for seconds would stop the whole process.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=65_536;

const UNSUPPORTED_MECHANISM: i16 = 33;
const ILLEGAL_STATE: i16 = 34;

/// Logs in on a connection that has just been opened. Returns how long the login is good for, where the broker
/// limits it (`connections.max.reauth.ms`, KIP-368).
///
/// # Errors
/// Authentication when the broker refuses, with its words, or cannot prove that it knows the password.
pub(super) async fn log_in(connection: &Connection, settings: &SaslSettings) -> Result<Option<Duration>, ErrorKind> {
    shake_hands(connection, settings.mechanism).await?;
    let version = connection.versions.best::<SaslAuthenticateRequest>(i16::MAX)?;
    let mut session = session(settings)?;
    let mut received: Option<Vec<u8>> = None;
    let mut lifetime = 0;
    for _ in 0..MOST_ROUNDS {
        if let Some(received) = &received {
            check_scram(received)?;
        }
        let mut message = Vec::new();
        let state = session.step(received.as_deref(), &mut message).map_err(|error| {
            refused(format!("{error}: the broker's part of the login is wrong; is it the right broker?"))
        })?;
        if state.has_sent_message() {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
            let answer = connection.call(&request, version, Duration::ZERO).await?;
            if let Some(error) = KafkaError::from_code(answer.error_code) {
                let text = answer.error_message.as_deref().map(printable).filter(|text| !text.is_empty());
                return Err(refused(format!(
                    "{}; check sasl.username and the password",
                    text.unwrap_or_else(|| error.name())
                )));
            }
            lifetime = answer.session_lifetime_ms;
            received = Some(answer.auth_bytes.to_vec());
        }
        if state.is_finished() {
            let lifetime = u64::try_from(lifetime).ok().filter(|lifetime| *lifetime > 0);
            return Ok(lifetime.map(Duration::from_millis));
        }
    }
    Err(refused("the broker goes on asking".to_owned()))
}

async fn shake_hands(connection: &Connection, mechanism: SaslMechanism) -> Result<(), ErrorKind> {
    let name = name(mechanism);
    let version = connection.versions.best::<SaslHandshakeRequest>(i16::MAX)?;
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
    let answer = connection.call(&request, version, Duration::ZERO).await?;
    match answer.error_code {
        0 => Ok(()),
        UNSUPPORTED_MECHANISM => {
            let enabled: Vec<String> = answer.mechanisms.iter().map(|mechanism| printable(mechanism)).collect();
            Err(refused(format!("{name} is not enabled on this port; sasl.mechanism can be: {}", enabled.join(", "))))
        }
        ILLEGAL_STATE => Err(refused(
            "this port does not take a login: remove `sasl` from the cluster's configuration, or use a SASL port"
                .to_owned(),
        )),
        code => Err(ErrorKind::Kafka(KafkaError(code), None)),
    }
}

fn session(settings: &SaslSettings) -> Result<Session, ErrorKind> {
    let password = settings.password.reveal().to_owned();
    let config = SASLConfig::with_credentials(None, settings.username.clone(), password)
        .map_err(|error| refused(format!("the login cannot be prepared: {error}")))?;
    let mechanism = Mechname::parse(name(settings.mechanism).as_bytes())
        .map_err(|error| refused(format!("the login cannot be prepared: {error}")))?;
    SASLClient::new(config)
        .start_suggested(&[mechanism])
        .map_err(|error| refused(format!("the login cannot be prepared: {error}")))
}

/// Looks at an answer before rsasl does: SCRAM's are attributes such as `r=nonce,s=salt,i=iterations`. rsasl 2.3 takes
/// the first two bytes of each without looking, so an empty one would be a panic.
fn check_scram(message: &[u8]) -> Result<(), ErrorKind> {
    for attribute in message.split(|byte| *byte == b',') {
        let Some((name, value)) = attribute.split_at_checked(2).filter(|(name, _)| name.ends_with(b"=")) else {
            return Err(refused("the broker's part of the login is no SCRAM message".to_owned()));
        };
        let iterations = || std::str::from_utf8(value).ok()?.parse::<u32>().ok();
        if name == b"i=" && !iterations().is_some_and(|count| ITERATIONS.contains(&count)) {
            return Err(refused(format!(
                "the broker asks for a number of SCRAM iterations outside {} to {}",
                ITERATIONS.start(),
                ITERATIONS.end()
            )));
        }
    }
    Ok(())
}

fn refused(reason: String) -> ErrorKind {
    ErrorKind::Authentication(reason)
}

fn name(mechanism: SaslMechanism) -> &'static str {
    match mechanism {
        SaslMechanism::Plain => "PLAIN",
        SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
        SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_may_say_in_scram() {
        let cases: [(&[u8], bool, &str); 9] = [
            (b"r=abc,s=c2FsdA==,i=4096", true, "Kafka's default"),
            (b"v=c2lnbmF0dXJl", true, "the last message"),
            (b"r=abc,s=c2FsdA==,i=4294967295", false, "hours of hashing"),
            (b"r=abc,s=c2FsdA==,i=99999999999", false, "no u32"),
            (b"r=abc,s=c2FsdA==,i=1", false, "a password that could be guessed from the exchange"),
            (b"", false, "rsasl would panic"),
            (b"r=abc,,i=4096", false, "an empty attribute: rsasl would panic"),
            (b"r=abc,s", false, "a short attribute: rsasl would panic"),
            (b"v", false, "a short last message: rsasl would panic"),
        ];
        for (message, fine, why) in cases {
            assert_eq!(check_scram(message).is_ok(), fine, "{why}");
        }
    }
}
