//! Opens connections to the endpoint: the host's addresses in turn, then TLS, all within one time limit.
//!
//! Also keeps the record of how far the request under way has come (`Progress`), which is what tells a stale
//! connection from an endpoint in trouble. Knows nothing of what is sent.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use ureq::unversioned::transport::{ConnectionDetails, Connector, LazyBuffers};

use crate::clock;
use crate::logic::moment::Moment;

use super::addresses::HostAddresses;
use super::connection::{Connection, TimedStream};
use super::error::{ConnectError, EndpointError};

/// How TLS is spoken with the endpoint.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn new(config: Arc<ClientConfig>, name: &str) -> Result<Self, EndpointError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| EndpointError::ServerName(name.to_owned()))?;
        Ok(Self { config, name })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// A kept connection was taken, or the way to a new one has not begun.
    Begun,
    /// A new connection is being opened.
    Connecting,
    /// A new connection is open.
    Connected,
    /// A byte of the answer has come.
    Answering,
}

/// The stage of the one request that a client has under way. Atomic because ureq wants it `Sync`: only the client's
/// own thread ever looks.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn begin(&self) {
        self.reached(Stage::Begun);
    }

    pub(super) fn reached(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        let value = self.0.load(Ordering::Relaxed);
        [Stage::Connecting, Stage::Connected, Stage::Answering]
            .into_iter()
            .find(|stage| *stage as u8 == value)
            .unwrap_or(Stage::Begun)
    }

    /// A request that failed on a kept connection and without a byte of an answer never left the first stage.
    pub(super) fn was_stale_connection(&self) -> bool {
        self.stage() == Stage::Begun
    }
}

/// Opens connections for ureq.
#[derive(Debug)]
pub(super) struct EndpointConnector {
    target: String,
    addresses: HostAddresses,
    tls: Option<Tls>,
    progress: Arc<Progress>,
}

impl EndpointConnector {
    /// `target` is host and port, for people.
    pub(super) fn new(target: &str, addresses: HostAddresses, tls: Option<Tls>, progress: Arc<Progress>) -> Self {
        Self { target: target.to_owned(), addresses, tls, progress }
    }

    /// A connection to one of `addresses`, and the TLS session over it where there is to be one.
    pub(super) fn open(
        &self,
        addresses: &[SocketAddr],
        deadline: Moment,
    ) -> Result<(TimedStream, Option<ClientConnection>), ConnectError> {
        let stream = self.connect_tcp(addresses, deadline)?;
        let mut stream = TimedStream::new(stream);
        stream.set_deadline(deadline);
        let session = self.tls.as_ref().map(|tls| self.handshake(tls, &mut stream)).transpose()?;
        Ok((stream, session))
    }

    /// A TCP connection to the first address that accepts one. Each gets half of the time that is left, the last
    /// all of it.
    fn connect_tcp(&self, addresses: &[SocketAddr], deadline: Moment) -> Result<TcpStream, ConnectError> {
        let mut last_error = ConnectError::Unresolved { host: self.target.clone(), reason: "no address".to_owned() };
        for (index, address) in addresses.iter().enumerate() {
            let left = deadline.since(clock::now());
            let limit = if index + 1 == addresses.len() { left } else { left / 2 };
            // connect_timeout refuses zero.
            match TcpStream::connect_timeout(address, limit.max(Duration::from_millis(1))) {
                Ok(stream) => {
                    self.addresses.works(*address);
                    let failed = |source| ConnectError::Tcp { target: self.target.clone(), address: *address, source };
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(stream);
                }
                Err(source) => {
                    self.addresses.failed(*address);
                    last_error = ConnectError::Tcp { target: self.target.clone(), address: *address, source };
                }
            }
        }
        Err(last_error)
    }

    fn handshake(&self, tls: &Tls, stream: &mut TimedStream) -> Result<ClientConnection, ConnectError> {
        let failed = |reason: String| ConnectError::Tls { target: self.target.clone(), reason };
        let mut session = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())
            .map_err(|error| failed(error.to_string()))?;
        match session.complete_io(stream) {
            Ok(_) => Ok(session),
            Err(error) => Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(refused) => failed(super::error::tls_reason(refused)),
                None => failed(super::error::io_reason(&error)),
            }),
        }
    }
}

impl Connector<()> for EndpointConnector {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Connection>, ureq::Error> {
        self.progress.reached(Stage::Connecting);
        let deadline = clock::now() + *details.timeout.after;
        let addresses: Vec<SocketAddr> = details.addrs.iter().copied().collect();
        let (stream, session) = self.open(&addresses, deadline)?;
        self.progress.reached(Stage::Connected);
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Connection::new(stream, session, buffers, Arc::clone(&self.progress))))
    }
}
