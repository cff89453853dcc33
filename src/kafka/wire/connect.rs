//! From an address to a connection that can be used: TCP, TLS, ApiVersions, login. In that order, as Kafka's own clients
//! do it, and all within one time limit.
//!
//! Until a peer has answered ApiVersions sensibly, nothing else is sent to it or decoded from it.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::api::Api;
use super::connection::{Connection, Socket};
use super::error::ErrorKind;
use super::frame::broken;
use super::question::{decode, encode};
use super::versions::BrokerVersions;
use crate::clock;
use crate::config::schema::{HostPort, SaslSettings};
use crate::kafka::sasl;
use crate::tcp;

/// A silent peer is noticed by the system, too, where no request is waiting.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// The error of a broker that does not know the version of ApiVersions it was asked in.
const UNSUPPORTED_VERSION: i16 = 35;

/// Where to connect, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// What can be reached from here.
    pub(super) reachable_at: HostPort,
    /// The configuration and the name to expect in the certificate; none: plain text.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The login, if any.
    pub(super) sasl: Option<SaslSettings>,
    /// What the broker logs us under.
    pub(super) client_id: String,
    /// The limit on all of it together, and later on every request.
    pub(super) limit: Duration,
}

/// Opens a connection to `target`.
///
/// # Errors
/// Connect, Timeout, Security, Authentication, or whatever a peer that is no broker causes.
pub(super) async fn open(target: &Target) -> Result<Connection, ErrorKind> {
    tokio::time::timeout(target.limit, open_unlimited(target)).await.unwrap_or(Err(ErrorKind::Timeout(target.limit)))
}

async fn open_unlimited(target: &Target) -> Result<Connection, ErrorKind> {
    let stream = tcp(&target.reachable_at, target.limit).await?;
    let socket: Box<dyn Socket> = match &target.tls {
        None => Box::new(stream),
        Some((config, name)) => {
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            Box::new(connector.connect(name.clone(), stream).await.map_err(|error| handshake_failed(&error))?)
        }
    };
    let mut connection = Connection::start(socket, target.client_id.clone(), target.limit);
    connection.versions =
        api_versions(&connection).await.map_err(|error| first_contact(error, target.tls.is_some()))?;
    if let Some(settings) = &target.sasl
        && let Some(lifetime) = sasl::log_in(&connection, settings).await?
    {
        // Early enough that no request is on its way when the broker closes.
        connection.expires = Some(clock::now() + lifetime.saturating_mul(8) / 10);
    }
    Ok(connection)
}

async fn tcp(address: &HostPort, limit: Duration) -> Result<TcpStream, ErrorKind> {
    let stream = tcp::connect(address, limit).await.map_err(ErrorKind::Connect)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "no keepalive on this system");
    }
    Ok(stream)
}

fn handshake_failed(error: &std::io::Error) -> ErrorKind {
    match broken(error) {
        ErrorKind::Closed(reason) => ErrorKind::Security(format!(
            "the broker closed the connection during the TLS handshake ({reason}): is this a plaintext port (then \
             remove `tls` from the cluster's configuration), or does it want a client certificate (tls.cert_file, \
             tls.key_file)?"
        )),
        other => other,
    }
}

/// A TLS port hangs up on plain text without a word; say what it probably is.
fn first_contact(error: ErrorKind, tls: bool) -> ErrorKind {
    match error {
        ErrorKind::Closed(reason) if !tls => ErrorKind::Security(format!(
            "the broker closed the connection before it answered anything ({reason}): is this a TLS port? Then set \
             `tls` in the cluster's configuration (tls = {{}} for the public authorities)"
        )),
        other => other,
    }
}

/// Asks for the versions. An old broker answers a version that it does not know with error 35 in the format of
/// version 0 (KIP-511), which is readable by everyone.
async fn api_versions(connection: &Connection) -> Result<BrokerVersions, ErrorKind> {
    let kind = ApiVersionsRequest::KIND;
    let (_, highest) = kind.versions;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("barnabas"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let body = connection.exchange(kind, highest, Duration::ZERO, encode(&request, highest)?).await?;
    let code = body.first_chunk::<2>().map(|bytes| i16::from_be_bytes(*bytes));
    let answer = if code == Some(UNSUPPORTED_VERSION) {
        let known = decode::<ApiVersionsRequest>(body, 0)?;
        let version = ranges(&known).0.get(&kind.key).map_or(0, |&(_, last)| last.clamp(0, 2));
        connection.call(&ApiVersionsRequest::default(), version, Duration::ZERO).await?
    } else {
        decode::<ApiVersionsRequest>(body, highest)?
    };
    match ErrorKind::from_code(answer.error_code, None) {
        Some(error) => Err(error),
        None if answer.api_keys.is_empty() => {
            Err(ErrorKind::Protocol("it claims to know no request at all".to_owned()))
        }
        None => Ok(ranges(&answer)),
    }
}

fn ranges(answer: &ApiVersionsResponse) -> BrokerVersions {
    BrokerVersions(answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect())
}
