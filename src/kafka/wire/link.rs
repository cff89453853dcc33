//! The way to one broker: its connection while there is one, and how long to leave it alone after it failed.
//!
//! While a broker is left alone, callers get its last error at once instead of waiting for it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::api::may_be_sent_twice;
use super::connect::{self, Target};
use super::connection::Connection;
use super::error::ErrorKind;
use super::question::Question;
use super::versions::BrokerVersions;
use crate::clock;
use crate::logic::moment::Moment;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After a refused login or a TLS failure: somebody has to change something first, and accounts can get locked.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// A broker under the name that it advertises.
#[derive(Debug)]
pub(super) struct Link {
    target: Target,
    /// Held while a connection is being opened, so that everyone else waits for that one.
    state: Mutex<State>,
    /// In a row, since a request was answered.
    failures: AtomicU32,
}

#[derive(Debug)]
enum State {
    /// Not tried yet, or closed after it had worked.
    Unconnected,
    Open(Arc<Connection>),
    Failed {
        error: ErrorKind,
        retry_at: Moment,
    },
}

/// A connection, and whether others have used it before.
struct Lease {
    connection: Arc<Connection>,
    used_before: bool,
}

impl Link {
    pub(super) fn new(target: Target) -> Self {
        Self { target, state: Mutex::new(State::Unconnected), failures: AtomicU32::new(0) }
    }

    /// How good the prospects of an answer are; the lowest is asked first.
    pub(super) fn rank(&self) -> u8 {
        match self.state.try_lock().as_deref() {
            Ok(State::Open(connection)) if !connection.is_over() => 0,
            Ok(State::Failed { retry_at, .. }) if *retry_at > clock::now() => 3,
            Ok(State::Failed { .. }) | Err(_) => 2,
            Ok(_) => 1,
        }
    }

    /// Asks in the version that this broker speaks, at most `limit`, which is returned; the question has the answer.
    pub(super) async fn ask(
        &self,
        question: &mut dyn Question,
        limit: i16,
        patience: Duration,
    ) -> Result<i16, ErrorKind> {
        let kind = question.kind();
        let mut again = true;
        loop {
            let lease = self.connection().await?;
            let version = lease.connection.versions.best_of(kind, limit)?;
            match lease.connection.ask(question, version, patience).await {
                Ok(()) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(version);
                }
                // The broker may have closed it before it saw the request.
                Err(ErrorKind::Closed(_)) if lease.used_before && again && may_be_sent_twice(kind.key) => again = false,
                Err(ErrorKind::Closed(reason)) if !may_be_sent_twice(kind.key) => {
                    let reason = format!("{reason}; whether it was done is not known: look before you try again");
                    let error = ErrorKind::Closed(reason);
                    self.failed(&lease.connection, &error).await;
                    return Err(error);
                }
                Err(error) => {
                    let error = self.perhaps_wants_login(error, &lease);
                    self.failed(&lease.connection, &error).await;
                    return Err(error);
                }
            }
        }
    }

    /// What the broker speaks.
    pub(super) async fn versions(&self) -> Result<BrokerVersions, ErrorKind> {
        Ok(self.connection().await?.connection.versions.clone())
    }

    async fn connection(&self) -> Result<Lease, ErrorKind> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(connection) if is_good(connection) => {
                return Ok(Lease { connection: Arc::clone(connection), used_before: true });
            }
            State::Failed { error, retry_at } if *retry_at > clock::now() => return Err(error.clone()),
            _ => {}
        }
        match connect::open(&self.target).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *state = State::Open(Arc::clone(&connection));
                Ok(Lease { connection, used_before: false })
            }
            Err(error) => {
                *state = self.failed_with(error.clone());
                Err(error)
            }
        }
    }

    /// A connection that ended in an error costs a pause too, else a peer that accepts and then misbehaves would be
    /// connected to in a tight loop. One that a newer one has replaced says nothing any more.
    async fn failed(&self, connection: &Arc<Connection>, error: &ErrorKind) {
        let mut state = self.state.lock().await;
        if let State::Open(current) = &*state
            && Arc::ptr_eq(current, connection)
            && (connection.is_over() || matches!(error, ErrorKind::Protocol(_)))
        {
            *state = self.failed_with(error.clone());
        }
    }

    fn failed_with(&self, error: ErrorKind) -> State {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        State::Failed { retry_at: clock::now() + pause(&error, failures), error }
    }

    /// A port with SASL answers ApiVersions to everyone and hangs up on the next request.
    fn perhaps_wants_login(&self, error: ErrorKind, lease: &Lease) -> ErrorKind {
        match error {
            ErrorKind::Closed(reason) if !lease.used_before && self.target.sasl.is_none() => {
                ErrorKind::Closed(format!(
                    "{reason}, right after it was opened: if this port wants a login, set `sasl` in the cluster's \
                 configuration"
                ))
            }
            other => other,
        }
    }
}

fn is_good(connection: &Connection) -> bool {
    !connection.is_over() && connection.expires.is_none_or(|expires| clock::now() < expires)
}

/// Doubled with each failure, and up to a fifth shorter by chance, so that many clients do not come back at once.
fn pause(error: &ErrorKind, failures: u32) -> Duration {
    let longest = match error {
        ErrorKind::Security(_) | ErrorKind::Authentication(_) => return PAUSE_AFTER_REFUSAL,
        _ => FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)),
    };
    longest.min(LONGEST_PAUSE).mul_f64(1.0 - 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_seconds_and_a_refused_login_waits_for_thirty() {
        let down = ErrorKind::Connect("refused".to_owned());
        for (failures, most) in [(1, 100), (2, 200), (5, 1_600), (8, 10_000), (40, 10_000), (u32::MAX, 10_000)] {
            let pause = pause(&down, failures).as_millis();
            assert!(pause <= most && pause >= most * 8 / 10, "{failures} failures: {pause} ms");
        }
        assert_eq!(pause(&ErrorKind::Authentication("no".to_owned()), 1), Duration::from_secs(30));
    }
}
