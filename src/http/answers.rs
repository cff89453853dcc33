//! Which request gets which answer. Decides on the request's line and Host header alone, and never waits. The time is an argument.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode, Version};

use super::kept::{Document, Kept};
use super::metrics::{self, ProcessFigures};
use super::pages::{self, Page};
use crate::logic::moment::{Moment, Timestamp};
use crate::status::StatusBoard;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const PLACES: &str = "There is / /topics/NAME /groups/NAME /brokers/ID /metrics /healthz /readyz /api/status\n";
const TOO_MUCH_HELD: &str = "Earlier answers are still being read, too slowly and too many: try again in a minute.\n";
/// No script, nothing from elsewhere, in nobody's frame; the one style sheet is in the page.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What an answer depends on, besides the request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The names that we are reached by.
    pub(super) hosts: &'a [String],
    pub(super) board: &'a StatusBoard,
    pub(super) now: Moment,
    pub(super) wall_clock: Timestamp,
}

/// The answer to a request; its body, if it has one, is not looked at.
pub(super) fn answer<B>(request: &Request<B>, asked: Asked<'_>, kept: &Mutex<Kept>) -> Response<Full<Bytes>> {
    if !is_for_us(request, asked.hosts) {
        let text = "This name is not one of ours: add it to http.hosts in the configuration, or ask by address.\n";
        return respond(document(StatusCode::MISDIRECTED_REQUEST, TEXT, text));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let text = "Only GET and HEAD: nothing can be changed here.\n";
        let mut response = respond(document(StatusCode::METHOD_NOT_ALLOWED, TEXT, text));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => respond(document(StatusCode::OK, TEXT, "ok\n")),
        "/readyz" => respond(readiness(asked.board)),
        path => {
            let query = request.uri().query();
            // A query matters to pages alone.
            let target = match path {
                "/metrics" | "/api/status" => path,
                _ => request.uri().path_and_query().map_or(path, |target| target.as_str()),
            };
            // Whoever panicked left a list that is still one.
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let found = kept.get(target, asked.now, || render(path, query, asked));
            respond(found.unwrap_or_else(|| document(StatusCode::SERVICE_UNAVAILABLE, TEXT, TOO_MUCH_HELD)))
        }
    }
}

/// What takes work, and may be large.
fn render(path: &str, query: Option<&str>, asked: Asked<'_>) -> Document {
    let Asked { board, wall_clock, .. } = asked;
    match path {
        "/metrics" => {
            let text = metrics::render(board, ProcessFigures::read());
            document(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        "/api/status" => match serde_json::to_vec(&board.status()) {
            Ok(status) => document(StatusCode::OK, "application/json", status),
            Err(error) => document(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        path => match pages::page(path, query, board, wall_clock) {
            Some(Page::Found(html)) => document(StatusCode::OK, HTML, html),
            Some(Page::Missing(html)) => document(StatusCode::NOT_FOUND, HTML, html),
            None => document(StatusCode::NOT_FOUND, TEXT, PLACES),
        },
    }
}

/// 200, or 503 with a reason a line.
fn readiness(board: &StatusBoard) -> Document {
    let status = board.status_without_monitor();
    if status.ready {
        return document(StatusCode::OK, TEXT, "ready\n");
    }
    let lines: String =
        status.reasons.iter().map(|reason| format!("{}\n", reason.replace(['\n', '\r'], " "))).collect();
    document(StatusCode::SERVICE_UNAVAILABLE, TEXT, lines)
}

fn document(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Document {
    Document { status, content_type, body: body.into() }
}

fn respond(document: Document) -> Response<Full<Bytes>> {
    let Document { status, content_type, body } = document;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether the request was sent to us by one of our names. A page of somebody else's whose name suddenly resolves to
/// our address (DNS rebinding) makes the browser ask with that name. An address cannot be rebound.
fn is_for_us<B>(request: &Request<B>, hosts: &[String]) -> bool {
    let by_target = request.uri().authority().map(|authority| authority.as_str());
    let mut by_header = request.headers().get_all(HOST).iter();
    let header = by_header.next();
    if by_header.next().is_some() {
        return false;
    }
    let header = match header {
        Some(value) => match value.to_str() {
            Ok(text) => Some(text),
            Err(_) => return false,
        },
        // HTTP/1.0 knows no Host, and no browser speaks it.
        None if request.version() == Version::HTTP_10 => None,
        None => return false,
    };
    by_target.into_iter().chain(header).all(|host| is_ours(host, hosts))
}

fn is_ours(host_and_port: &str, hosts: &[String]) -> bool {
    let host = without_port(host_and_port);
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host))
}

/// `host:80` → `host`, `[::1]:80` → `[::1]`. What is no port stays, and makes it a name that nobody listed.
fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, host: &str, expected: bool) {
        assert_eq!(is_ours(host, &["Status.example.com".to_owned()]), expected, "{rule}: {host}");
    }

    #[test]
    fn names_of_ours() {
        check("an address", "127.0.0.1:9863", true);
        check("an address without a port", "192.168.1.7", true);
        check("an IPv6 address", "[::1]:9863", true);
        check("the same without a port", "[::1]", true);
        check("localhost", "LOCALHOST:9863", true);
        check("a name that is listed", "status.example.com:9863", true);
        check("the same, fully qualified", "status.example.com.", true);
        check("any other name", "evil.example.com:9863", false);
        check("a name that begins like an address", "127.0.0.1.evil.example.com", false);
        check("nothing", "", false);
        check("a port that is none", "localhost:x", false);
    }
}
