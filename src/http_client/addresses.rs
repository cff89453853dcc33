//! The addresses of one host, remembered for a while.
//!
//! ureq as it comes asks for every request, on a new thread. Here the last answer serves for 30 s, and longer where
//! a new one cannot be had: an endpoint that was reachable must not be lost to a name server that is not. getaddrinfo
//! cannot be interrupted, so it runs on a thread of its own, at most one at a time, and nobody waits longer than they
//! can afford. Knows nothing of HTTP.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::clock;
use crate::logic::moment::Moment;

use super::error::ConnectError;

/// How long an answer serves before a new one is asked for.
const FRESH_FOR: Duration = Duration::from_secs(30);
/// How long an address that could not be connected to is tried after all others.
const SHUNNED_FOR: Duration = Duration::from_secs(60);
/// How long to wait for a new answer while old addresses are at hand.
const PATIENCE_WITH_OLD_ONES: Duration = Duration::from_secs(1);
/// ureq takes no more.
const MAX_ADDRESSES: usize = 16;
const STACK_SIZE: usize = 512 * 1024;

type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The addresses of a host and port, shared by all who connect to it: a clone knows what the others know.
#[derive(Clone)]
pub(super) struct HostAddresses {
    host: Arc<str>,
    port: u16,
    lookup: Arc<Lookup>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    looked_up: Condvar,
}

#[derive(Default)]
struct State {
    known: Vec<SocketAddr>,
    /// When `known` should be asked for again; none: now, because there are none or they do not work.
    fresh_until: Option<Moment>,
    looking_up: bool,
    last_error: Option<String>,
    shunned: Vec<(SocketAddr, Moment)>,
}

impl HostAddresses {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self::with_lookup(host, port, Arc::new(|host, port| Ok((host, port).to_socket_addrs()?.collect())))
    }

    fn with_lookup(host: &str, port: u16, lookup: Arc<Lookup>) -> Self {
        Self { host: host.into(), port, lookup, shared: Arc::default() }
    }

    /// Where to connect to, in the order to try. Waits at most `limit`, and only where no usable address is known.
    pub(super) fn get(&self, limit: Duration) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let now = clock::now();
        let mut state = self.shared.lock();
        if state.fresh_until.is_some_and(|until| now < until) {
            return Ok(state.in_order(now));
        }
        let expired_only = state.fresh_until.is_some();
        self.look_up_unless_under_way(&mut state);
        if !expired_only {
            let limit = if state.known.is_empty() { limit } else { limit.min(PATIENCE_WITH_OLD_ONES) };
            let waited = self.shared.looked_up.wait_timeout_while(state, limit, |state| state.looking_up);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if !state.known.is_empty() {
            return Ok(state.in_order(now));
        }
        let reason = match &state.last_error {
            Some(reason) if !state.looking_up => reason.clone(),
            _ => format!("no answer from the name servers within {limit:?}"),
        };
        Err(ConnectError::Unresolved { host: self.host.to_string(), reason })
    }

    /// `address` did not accept a connection: try it last for a while, and ask for the addresses again.
    pub(super) fn failed(&self, address: SocketAddr) {
        let mut state = self.shared.lock();
        state.shunned.retain(|(other, _)| *other != address);
        state.shunned.push((address, clock::now() + SHUNNED_FOR));
        state.fresh_until = None;
    }

    /// `address` accepted a connection.
    pub(super) fn works(&self, address: SocketAddr) {
        self.shared.lock().shunned.retain(|(other, _)| *other != address);
    }

    fn look_up_unless_under_way(&self, state: &mut State) {
        if state.looking_up {
            return;
        }
        let (host, port, lookup, shared) =
            (Arc::clone(&self.host), self.port, Arc::clone(&self.lookup), Arc::clone(&self.shared));
        let started = thread::Builder::new()
            .name("resolve".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || shared.answered(lookup(&host, port)));
        match started {
            Ok(_) => state.looking_up = true,
            Err(error) => state.last_error = Some(format!("cannot start a thread: {error}")),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, result: io::Result<Vec<SocketAddr>>) {
        let now = clock::now();
        let mut state = self.lock();
        state.looking_up = false;
        state.shunned.retain(|(_, until)| now < *until);
        match result {
            Ok(addresses) if !addresses.is_empty() => {
                state.known = addresses;
                state.known.truncate(MAX_ADDRESSES);
                state.fresh_until = Some(now + FRESH_FOR);
            }
            Ok(_) => state.last_error = Some("the name has no address".to_owned()),
            Err(error) => {
                state.last_error = Some(error.to_string());
                // Old addresses go on serving; nobody should wait for the name servers once more with each request.
                if !state.known.is_empty() {
                    state.fresh_until = Some(now + FRESH_FOR);
                }
            }
        }
        self.looked_up.notify_all();
    }
}

impl State {
    fn in_order(&self, now: Moment) -> Vec<SocketAddr> {
        let mut addresses = self.known.clone();
        addresses.sort_by_key(|address| self.shunned.iter().any(|(other, until)| other == address && now < *until));
        addresses
    }
}

impl Resolver for HostAddresses {
    fn resolve(&self, _: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut resolved = self.empty();
        for address in self.get(*timeout.after).map_err(ureq::Error::from)? {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

impl fmt::Debug for HostAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostAddresses").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const FIRST: &str = "10.0.0.1:80";
    const SECOND: &str = "10.0.0.2:80";

    fn parsed(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    /// Addresses whose lookups answer what is sent, and wait until it is.
    fn scripted() -> (HostAddresses, mpsc::Sender<io::Result<Vec<SocketAddr>>>) {
        let (answers, script) = mpsc::channel();
        let script = Mutex::new(script);
        let lookup = move |_: &str, _| script.lock().unwrap().recv().unwrap_or_else(|_| Ok(vec![]));
        (HostAddresses::with_lookup("hook.example", 80, Arc::new(lookup)), answers)
    }

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_literal_address_needs_no_name_server() {
        let broken = |_: &str, _| Err(io::Error::other("asked"));
        let addresses = HostAddresses::with_lookup("::1", 8080, Arc::new(broken));
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&["[::1]:8080"]));
    }

    #[test]
    fn one_lookup_serves_all_requests_for_a_while() {
        let (addresses, answers) = scripted();
        answers.send(Ok(parsed(&[FIRST]))).unwrap();
        drop(answers);
        for _ in 0..3 {
            assert_eq!(addresses.get(SOON).unwrap(), parsed(&[FIRST]));
        }
    }

    #[test]
    fn a_name_server_that_does_not_answer_costs_the_limit_and_no_more() {
        let (addresses, _answers) = scripted();
        let error = addresses.get(Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains("hook.example") && error.contains("no answer from the name servers"), "{error}");
    }

    #[test]
    fn an_address_that_failed_is_tried_last_and_again_first_once_it_works() {
        let (addresses, answers) = scripted();
        for _ in 0..3 {
            answers.send(Ok(parsed(&[FIRST, SECOND]))).unwrap();
        }
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[FIRST, SECOND]));
        addresses.failed(FIRST.parse().unwrap());
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[SECOND, FIRST]));
        addresses.works(FIRST.parse().unwrap());
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[FIRST, SECOND]));
    }

    #[test]
    fn after_a_failure_the_new_addresses_are_used() {
        let (addresses, answers) = scripted();
        answers.send(Ok(parsed(&[FIRST]))).unwrap();
        answers.send(Ok(parsed(&[SECOND]))).unwrap();
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[FIRST]));
        addresses.failed(FIRST.parse().unwrap());
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[SECOND]));
    }

    #[test]
    fn old_addresses_outlive_a_name_server_that_fails() {
        let (addresses, answers) = scripted();
        answers.send(Ok(parsed(&[FIRST]))).unwrap();
        answers.send(Err(io::Error::other("SERVFAIL"))).unwrap();
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[FIRST]));
        addresses.failed(FIRST.parse().unwrap());
        assert_eq!(addresses.get(SOON).unwrap(), parsed(&[FIRST]));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_it() {
        let (addresses, answers) = scripted();
        answers.send(Err(io::Error::other("Name or service not known"))).unwrap();
        let error = addresses.get(SOON).unwrap_err().to_string();
        assert_eq!(error, "cannot resolve hook.example: Name or service not known");
    }
}
