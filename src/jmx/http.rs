//! One HTTP request a reading, to Jolokia or to the JMX exporter. The client blocks, so it runs on a thread of tokio's
//! pool. What the bodies mean is known in `logic/broker_load`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{JmxError, Reason, Step};
use super::{JmxSettings, address};
use crate::clock;
use crate::config::schema::{Secret, TlsSettings, WebhookSettings};
use crate::http_client::{Client, Endpoint, Response, SendError};
use crate::logic::broker_load::{Readings, jolokia, prometheus};
use crate::logic::moment::{Moment, Timestamp};
use crate::tls;

/// Jolokia answers what was asked.
const MAX_JOLOKIA: usize = 2 << 20;
/// The exporter tells everything: 1 MB without rules on an empty broker.
const MAX_EXPORTER: usize = 16 << 20;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Jolokia,
    Exporter,
}

/// A kept connection to an HTTP server, and what to ask it.
pub(super) struct Reader {
    server: Server,
    endpoint: Arc<Endpoint>,
    body: Arc<Vec<u8>>,
    max_answer: usize,
    limit: Duration,
    client: Option<Client>,
}

impl Reader {
    pub(super) fn jolokia(url: &str, settings: &JmxSettings) -> Result<Self, JmxError> {
        // Without the slash at its end, Jolokia's own server knows no such path.
        let url = if url.ends_with("jolokia") { format!("{url}/") } else { url.to_owned() };
        Self::new(Server::Jolokia, &url, settings, jolokia::bulk_request(), MAX_JOLOKIA)
    }

    pub(super) fn exporter(url: &str, settings: &JmxSettings) -> Result<Self, JmxError> {
        Self::new(Server::Exporter, url, settings, Vec::new(), MAX_EXPORTER)
    }

    fn new(
        server: Server,
        url: &str,
        settings: &JmxSettings,
        body: Vec<u8>,
        max_answer: usize,
    ) -> Result<Self, JmxError> {
        let refused = |reason| JmxError { target: address::shown(url), step: Step::Settings, reason };
        let tls = settings.tls.clone().unwrap_or_default();
        let http = http_settings(server, url, settings, tls, max_answer);
        let config = if url.starts_with("https://") {
            Some(tls::client_config(&http.tls).map_err(|error| refused(Reason::Tls(error.to_string())))?)
        } else {
            None
        };
        let endpoint = Endpoint::new(&http, config).map_err(|error| refused(Reason::Http(error.to_string())))?;
        let (endpoint, body) = (Arc::new(endpoint), Arc::new(body));
        Ok(Self { server, endpoint, body, max_answer, limit: settings.timeout, client: None })
    }

    pub(super) async fn read(&mut self, deadline: Moment) -> Result<(Moment, Readings), (Step, Reason)> {
        let mut client = self.client.take().unwrap_or_else(|| Client::new(Arc::clone(&self.endpoint)));
        let body = Arc::clone(&self.body);
        let work = tokio::task::spawn_blocking(move || {
            let answer = client.send(&body, "");
            (client, answer, clock::now())
        });
        let failed = |reason| (Step::Request, reason);
        let done = tokio::time::timeout_at(clock::instant(deadline), work).await;
        let (client, answer, taken_at) = match done {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => return Err(failed(Reason::Http("the request could not be made".to_owned()))),
            Err(_) => return Err(failed(Reason::Timeout(self.limit))),
        };
        self.client = Some(client);
        let response = answer.map_err(|error| failed(reason(error)))?;
        self.readings(&response).map(|readings| (taken_at, readings)).map_err(|text| failed(Reason::Http(text)))
    }

    fn readings(&self, response: &Response) -> Result<Readings, String> {
        match response.status {
            200 => {}
            status @ (401 | 403) => {
                return Err(format!("HTTP {status}: the login is refused; check `username` and `password_file`"));
            }
            404 => return Err("HTTP 404: nothing is there; check the path of the URL".to_owned()),
            status => return Err(format!("HTTP {status}")),
        }
        if response.body.len() >= self.max_answer {
            return Err(format!(
                "the answer is longer than {} MiB; let the exporter show less (includeObjectNames)",
                self.max_answer >> 20
            ));
        }
        match self.server {
            Server::Jolokia => jolokia::readings(&response.body),
            Server::Exporter => {
                let Timestamp(milliseconds) = clock::wall_clock();
                prometheus::readings(&String::from_utf8_lossy(&response.body), milliseconds as f64 / 1e3)
            }
        }
    }
}

fn http_settings(
    server: Server,
    url: &str,
    settings: &JmxSettings,
    tls: TlsSettings,
    max_response_size: usize,
) -> WebhookSettings {
    let (method, accept) = match server {
        Server::Jolokia => ("POST", "application/json"),
        Server::Exporter => ("GET", "text/plain;version=0.0.4"),
    };
    let mut headers = vec![("Accept".to_owned(), Secret::new(accept))];
    if let Some(username) = &settings.username {
        let password = settings.password.as_ref().map_or("", Secret::reveal);
        let login = STANDARD.encode(format!("{username}:{password}"));
        headers.push(("Authorization".to_owned(), Secret::new(format!("Basic {login}"))));
    }
    WebhookSettings {
        url: Secret::new(url),
        display_url: address::shown(url),
        method: method.to_owned(),
        headers,
        tls,
        timeout: settings.timeout,
        connect_timeout: settings.timeout,
        max_response_size,
        idempotency_header: None,
        outcomes: Vec::new(),
    }
}

fn reason(error: SendError) -> Reason {
    match error {
        SendError::Unreachable(text) => Reason::Http(text),
        SendError::ConnectTimeLimit(limit) | SendError::TimeLimit { limit, .. } => Reason::Timeout(limit),
        SendError::Closed | SendError::ClosedWhileAnswering => Reason::Closed,
        SendError::NotHttp(text) => Reason::Http(format!("{text}; for a JVM's own JMX port use a jmx:// URL")),
    }
}
