//! Requests to one endpoint over HTTP/1.1, blocking, for threads that do nothing else.
//!
//! ureq speaks the protocol. What is ours is below it and beside it: where the addresses come from
//! (`addresses`), the connection with its time limits and TLS (`connector`, `connection`), and what a failure is
//! called (`error`). Knows nothing of events, retries or outcomes.
//!
//! Deliberately absent: redirects (a POST would become a GET), proxies from the environment, compression, cookies.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use ureq::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ureq::http::{Method, Request, Uri};

use crate::clock;
use crate::config::schema::WebhookSettings;

use addresses::HostAddresses;
use connector::{EndpointConnector, Progress, Tls};
pub use error::{EndpointError, SendError};

mod addresses;
mod connection;
mod connector;
mod error;
#[cfg(test)]
mod tests;

/// Bytes of each of a connection's two buffers; a larger body streams through. The head of a response must fit.
const BUFFER_SIZE: usize = 16 * 1024;

/// Servers commonly close an idle connection after 5 to 75 s; an older one is more often stale than useful.
const IDLE_LIMIT: Duration = Duration::from_secs(15);

/// An answer, as far as anybody wants to judge it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields in their order, names in lower case; a byte that is not UTF-8 is replaced.
    pub headers: Vec<(String, String)>,
    /// The body's beginning, at most `max_response_size` bytes of it.
    pub body: Vec<u8>,
}

/// Where requests go, and all of them that never changes. Shared by every [`Client`] of the endpoint.
#[derive(Debug)]
pub struct Endpoint {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    idempotency_header: Option<HeaderName>,
    max_response_size: usize,
    timeout: Duration,
    connect_timeout: Duration,
    target: String,
    addresses: HostAddresses,
    tls: Option<Tls>,
}

impl Endpoint {
    /// Checks and prepares what `settings` say; opens no connection. `tls` is needed for an https URL.
    ///
    /// # Errors
    /// A URL, method, header or server name that no request can be made of.
    pub fn new(settings: &WebhookSettings, tls: Option<Arc<ClientConfig>>) -> Result<Self, EndpointError> {
        let uri: Uri = settings.url.reveal().parse().map_err(|_| EndpointError::Url)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(EndpointError::Url)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (default_port, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => {
                let name = settings.tls.server_name.as_deref().unwrap_or(host);
                (443, Some(Tls::new(tls.ok_or(EndpointError::NoTls)?, name)?))
            }
            _ => return Err(EndpointError::Url),
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let idempotency_header = match &settings.idempotency_header {
            Some(name) => Some(header_name(name)?),
            None => None,
        };
        Ok(Self {
            method: settings.method.parse().map_err(|_| EndpointError::Method(settings.method.clone()))?,
            headers: headers(settings)?,
            idempotency_header,
            max_response_size: settings.max_response_size,
            timeout: settings.timeout,
            connect_timeout: settings.connect_timeout,
            target: crate::config::schema::HostPort { host: host.to_owned(), port }.to_string(),
            addresses: HostAddresses::new(host, port),
            tls,
            uri,
        })
    }

    /// Opens a connection, with TLS where the URL says so, and closes it. Nothing is asked of the endpoint.
    ///
    /// # Errors
    /// The name does not resolve, nobody accepts the connection, or TLS fails, all within the connect limit.
    pub fn try_connect(&self) -> Result<(), SendError> {
        let deadline = clock::now() + self.connect_timeout.min(self.timeout);
        let connector = EndpointConnector::new(&self.target, self.addresses.clone(), self.tls.clone(), Arc::default());
        let connected =
            self.addresses.get(deadline.since(clock::now())).and_then(|found| connector.open(&found, deadline));
        connected.map(drop).map_err(|error| SendError::Unreachable(error.to_string()))
    }

    fn agent(&self, progress: Arc<Progress>) -> ureq::Agent {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("barnabas/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("")
            .timeout_global(Some(self.timeout))
            .timeout_connect(Some(self.connect_timeout))
            .input_buffer_size(BUFFER_SIZE)
            .output_buffer_size(BUFFER_SIZE)
            // One byte less than the buffer: a head that fills it is refused instead of waited for.
            .max_response_header_size(BUFFER_SIZE - 1)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(IDLE_LIMIT)
            .build();
        let connector = EndpointConnector::new(&self.target, self.addresses.clone(), self.tls.clone(), progress);
        ureq::Agent::with_parts(config, connector, self.addresses.clone())
    }
}

fn header_name(name: &str) -> Result<HeaderName, EndpointError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| EndpointError::Header(name.to_owned()))
}

fn headers(settings: &WebhookSettings) -> Result<HeaderMap, EndpointError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| EndpointError::Header(name.clone()))?;
        value.set_sensitive(true);
        headers.append(header_name(name)?, value);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(headers)
}

/// One connection's worth of requests: one at a time, over a connection that is kept. Belongs to one thread, so that
/// threads share nothing but the addresses.
#[derive(Debug)]
pub struct Client {
    endpoint: Arc<Endpoint>,
    agent: ureq::Agent,
    progress: Arc<Progress>,
}

impl Client {
    /// A client without a connection; the first request opens it.
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        let progress = Arc::new(Progress::default());
        Self { agent: endpoint.agent(Arc::clone(&progress)), endpoint, progress }
    }

    /// Sends one request and reads its answer, whatever the status, within the endpoint's time limit.
    ///
    /// A kept connection that turns out to be closed before the first byte of an answer is no news about the
    /// endpoint: it closed an idle connection while our request was on its way. The request is sent once more, at
    /// once, on a new connection. The server may have taken the first one; the caller would send it again anyway,
    /// and the idempotency key is the same.
    ///
    /// # Errors
    /// Whatever kept a whole answer from arriving. The server may have taken the request nevertheless.
    pub fn send(&mut self, body: &[u8], idempotency_key: &str) -> Result<Response, SendError> {
        let started = clock::now();
        match self.attempt(body, idempotency_key, None) {
            Err(SendError::Closed) if self.progress.was_stale_connection() => {
                let left = self.endpoint.timeout.saturating_sub(clock::now().since(started));
                self.attempt(body, idempotency_key, Some(left))
            }
            result => result,
        }
    }

    fn attempt(&self, body: &[u8], key: &str, limit: Option<Duration>) -> Result<Response, SendError> {
        self.progress.begin();
        self.exchange(body, key, limit).map_err(|error| {
            SendError::new(error, self.progress.stage(), self.endpoint.timeout, self.endpoint.connect_timeout)
        })
    }

    fn exchange(&self, body: &[u8], key: &str, limit: Option<Duration>) -> Result<Response, ureq::Error> {
        let endpoint = &self.endpoint;
        let mut request = Request::new(body);
        *request.method_mut() = endpoint.method.clone();
        *request.uri_mut() = endpoint.uri.clone();
        *request.headers_mut() = endpoint.headers.clone();
        if let Some(name) = &endpoint.idempotency_header {
            request.headers_mut().insert(name.clone(), HeaderValue::from_str(key).map_err(ureq::http::Error::from)?);
        }
        if limit.is_some() {
            request = self.agent.configure_request(request).timeout_global(limit).build();
        }
        let response = self.agent.run(request)?;
        let (parts, body) = response.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = read_up_to(endpoint.max_response_size, &mut body.into_reader())?;
        Ok(Response { status: parts.status.as_u16(), headers, body })
    }
}

/// The first `limit` bytes of a body. It is read to its end where that comes first, so that the connection can be
/// used again; of a longer one the rest is never read and the connection is closed.
fn read_up_to(limit: usize, reader: &mut impl Read) -> Result<Vec<u8>, ureq::Error> {
    let mut body = Vec::new();
    let result = reader.take((limit as u64).saturating_add(1)).read_to_end(&mut body);
    match result {
        Err(error) if body.len() < limit => return Err(error.into()),
        // Enough arrived; what happened to the rest does not matter.
        _ => body.truncate(limit),
    }
    Ok(body)
}
