//! `[forward.webhook]`, and the webhooks of channels, which have the same keys: where to send, and what the answers mean.
//! Sends nothing and compiles no jq.

use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::cluster::{TIME_LIMIT, read_tls};
use super::reader::Section;
use super::schema::{Secret, TlsSettings, WebhookSettings};
use super::source::is_secret_name;
use crate::logic::outcome::{LogLevel, Outcome, OutcomeRule};

/// Header fields that the HTTP client writes itself (RFC 9110 section 7.6.1, RFC 9112 sections 3.2 and 6).
const RESERVED: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
];

/// A URL that was checked, and how it may be shown.
struct Url {
    url: Secret,
    display: String,
    /// As far as it says no more than whose it is: in URLs of robots and heartbeats the path is the password.
    host_alone: String,
    /// https
    encrypted: bool,
    /// A user stands in it.
    has_user: bool,
}

/// Reads the table; what the URL's user and the header fields say is secret.
pub(super) fn read_webhook(section: Section<'_>) -> WebhookSettings {
    read_all(section, |url| &url.display)
}

/// `[notify.NAME.webhook]`, without the keys that only channels have.
pub(super) fn read_notify_webhook(section: Section<'_>) -> WebhookSettings {
    read_all(section, |url| &url.host_alone)
}

/// The `url` of a heartbeat; everything else is as it is by default, and nothing is sent with it.
pub(super) fn read_heartbeat_url(section: &mut Section<'_>) -> Option<WebhookSettings> {
    section.require("url", "url = \"https://hc.example.com/…\"");
    let url = section.parsed("url", "a string", parse_url)?;
    let defaults = unreadable();
    Some(WebhookSettings { method: "GET".to_owned(), display_url: url.host_alone, url: url.url, ..defaults })
}

fn read_all(mut section: Section<'_>, display: fn(&Url) -> &String) -> WebhookSettings {
    section.require("url", "url = \"https://omp.example.com/api/alerts\"");
    let url = section.parsed("url", "a string", parse_url);
    let methods = [("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")];
    let timeout = section.duration("timeout", TIME_LIMIT).unwrap_or(Duration::from_secs(10));
    let connect_timeout = section.duration("connect_timeout", TIME_LIMIT);
    let idempotency_header = read_idempotency_header(&mut section);
    let headers = read_headers(&mut section, idempotency_header.as_deref(), url.as_ref());
    let max_response_size = section.size("max_response_size", 1024..=64 << 20).unwrap_or(64 << 10);
    let webhook = WebhookSettings {
        method: section.choice("method", &methods).unwrap_or("POST").to_owned(),
        headers,
        tls: read_webhook_tls(&mut section, url.as_ref()),
        timeout,
        connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(5)).min(timeout),
        max_response_size: usize::try_from(max_response_size).unwrap_or(usize::MAX),
        idempotency_header,
        outcomes: section.sections("outcome").into_iter().map(read_outcome).collect(),
        display_url: url.as_ref().map_or_else(String::new, |url| display(url).clone()),
        url: url.map_or_else(|| Secret::new(""), |url| url.url),
    };
    section.refuse_for_now("proxy", "remove it; requests go to the webhook directly");
    section.refuse_for_now("sign", "remove it; a secret that the receiver checks can be sent in `headers`");
    section.refuse_for_now("batch", "remove it; every event is a request of its own");
    section.finish();
    webhook
}

/// Every default; stands in for a table that could not be read.
pub(super) fn unreadable() -> WebhookSettings {
    WebhookSettings {
        url: Secret::new(""),
        display_url: String::new(),
        method: "POST".to_owned(),
        headers: Vec::new(),
        tls: TlsSettings::default(),
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        max_response_size: 64 << 10,
        idempotency_header: None,
        outcomes: Vec::new(),
    }
}

fn read_webhook_tls(section: &mut Section<'_>, url: Option<&Url>) -> TlsSettings {
    let tls = section.section("tls").map(read_tls);
    if tls.is_some() && url.is_some_and(|url| !url.encrypted) {
        section.problem_at("tls", "it has no effect, because the URL is http", Some("use https, or remove it".into()));
    }
    tls.unwrap_or_default()
}

fn parse_url(text: &str) -> Result<Url, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("a URL begins with http:// or https://".to_owned());
    }
    if text.contains('#') {
        return Err("a URL that requests are sent to has no fragment (#…)".to_owned());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a URL has no spaces and ASCII characters only: percent-encode the others, and write the host's \
                    name in its ASCII form (xn--…)"
            .to_owned());
    }
    let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    let authority = uri.authority().ok_or("the URL has no host")?;
    if authority.host().is_empty() || authority.host() == "[]" {
        return Err("the URL has no host".to_owned());
    }
    let place = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, place)| place);
    // `Authority::port` gives none for a port that is none.
    let port = place.rsplit_once(']').map_or(place, |(_, after)| after).rsplit_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().unwrap_or(0) == 0) {
        return Err("the port of the URL must be a number from 1 to 65535".to_owned());
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    Ok(Url {
        url: Secret::new(text),
        display: format!("{scheme}://{place}{}", uri.path()),
        host_alone: format!("{scheme}://{place}{}", if uri.path() == "/" { "/" } else { "/…" }),
        encrypted: scheme == "https",
        has_user: authority.as_str().contains('@'),
    })
}

fn read_idempotency_header(section: &mut Section<'_>) -> Option<String> {
    let Some(text) = section.any_text("idempotency_header") else {
        return Some("Idempotency-Key".to_owned());
    };
    if text.value.is_empty() {
        return None;
    }
    if let Err(message) = check_header_name(&text.value) {
        section.problem_at("idempotency_header", message, None);
    }
    Some(text.value)
}

fn check_header_name(name: &str) -> Result<HeaderName, String> {
    let checked = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "the name of a header field has letters, digits and hyphens, and no space".to_owned())?;
    if RESERVED.contains(&checked.as_str()) {
        return Err(format!("the header field `{checked}` belongs to the HTTP client and cannot be set"));
    }
    Ok(checked)
}

fn read_headers(section: &mut Section<'_>, idempotency: Option<&str>, url: Option<&Url>) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    let unencrypted = url.is_some_and(|url| !url.encrypted);
    if unencrypted && url.is_some_and(|url| url.has_user) {
        let warning = "the user and password of this URL travel unencrypted; use https";
        section.reading.warning(section.span_of("url").start, warning);
    }
    for (name, span, text) in section.entries("headers") {
        let problem = |span, message: String| {
            section.reading.problem(span, format!("`headers` {}: {message}", section.place()), None);
        };
        if let Err(message) = check_header_name(name) {
            problem(span.clone(), message);
        }
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            problem(span.clone(), format!("`{name}` is there twice"));
        }
        if idempotency.is_some_and(|idempotency| idempotency.eq_ignore_ascii_case(name)) {
            problem(span.clone(), format!("`{name}` is the idempotency_header, which is set for every request"));
        }
        if HeaderValue::from_str(&text.value).is_err() {
            problem(text.span.clone(), format!("the value of `{name}` may have visible ASCII characters only"));
        }
        if is_secret_name(name) {
            section.note_secret(&text);
            if unencrypted {
                let warning = format!("the header field `{name}` travels unencrypted, because the URL is http");
                section.reading.warning(span.start, warning);
            }
        }
        headers.push((name.to_owned(), Secret::new(text.value)));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), Secret::new("application/json")));
    }
    headers
}

fn read_outcome(mut section: Section<'_>) -> OutcomeRule {
    section.require("when", "when = '.status == 200 and .body.code == 0'");
    section.require("then", "then = \"delivered\"");
    let outcomes = [
        ("delivered", Outcome::Delivered),
        ("retry", Outcome::Retry),
        ("dead-letter", Outcome::DeadLetter),
        ("drop", Outcome::Drop),
        ("suspend", Outcome::Suspend),
    ];
    let levels =
        [("error", LogLevel::Error), ("warn", LogLevel::Warn), ("info", LogLevel::Info), ("debug", LogLevel::Debug)];
    let rule = OutcomeRule {
        when: section.text("when").unwrap_or_default(),
        then: section.choice("then", &outcomes).unwrap_or(Outcome::Retry),
        log: section.choice("log", &levels),
    };
    section.finish();
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_what_is_secret_in_them() {
        for (url, display) in [
            ("https://omp.example.com/api/alerts", "https://omp.example.com/api/alerts"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            ("https://user:pass@h/p", "https://h/p"),
            ("https://h/p?access_token=x", "https://h/p"),
            ("https://h?access_token=x", "https://h/"),
        ] {
            let parsed = parse_url(url).map(|parsed| (parsed.url.reveal().to_owned(), parsed.display));
            assert_eq!(parsed, Ok((url.to_owned(), display.to_owned())), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_for_requests_is_refused() {
        for (rule, url) in [
            ("no scheme", "omp.example.com/api"),
            ("another scheme", "ftp://h/"),
            ("no host", "http://"),
            ("no host but a path", "http:///x"),
            ("no host but a port", "http://:80/"),
            ("port 0", "http://h:0/"),
            ("an empty port", "http://h:/"),
            ("a port beyond 65535", "http://h:65536/"),
            ("a port beyond 65535 after an IPv6 address", "http://[::1]:65536/"),
            ("a space", "http://h/a b"),
            ("a line break", "http://h/a\nb"),
            ("a fragment", "http://h/#x"),
            ("Chinese characters", "http://h/告警"),
        ] {
            assert!(parse_url(url).is_err(), "{rule}: {url}");
        }
    }
}
