//! What an endpoint's answer means for the event that was sent.
//!
//! The operator's rules first, since many an endpoint answers 200 to what it does not take, then defaults by status.
//! Pure: knows the response and the time, not how it was fetched, and decides nothing about when to try again.

use std::time::{Duration, UNIX_EPOCH};

use jaq_json::Map;
use litemap::LiteMap;

use super::jq::{JqError, Limits, Program, Val, json, short_line};
use super::moment::Timestamp;

/// What becomes of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint took it.
    Delivered,
    /// Try again later.
    Retry,
    /// The endpoint will never take it: keep it aside.
    DeadLetter,
    /// Not wanted there, and not to be kept: counted and logged.
    Drop,
    /// The endpoint refuses everything: send nothing more but a probe from time to time.
    Suspend,
}

/// The level at which an outcome is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// An error.
    Error,
    /// A warning.
    Warn,
    /// Information.
    Info,
    /// For finding out.
    Debug,
}

/// A rule of the configuration; the first whose `when` gives true decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRule {
    /// jq over {status, headers, body, text}.
    pub when: String,
    /// The outcome, where `when` is true.
    pub then: Outcome,
    /// The level it is logged at, where it is not the default.
    pub log: Option<LogLevel>,
}

/// The verdict on one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the event.
    pub outcome: Outcome,
    /// The HTTP status; none where there was no answer.
    pub status: Option<u16>,
    /// One short line for people: the beginning of the response body, or what went wrong with the connection.
    pub detail: String,
    /// How long the endpoint asked to be left alone (Retry-After, RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
    /// The level that the rule wants it logged at.
    pub log: Option<LogLevel>,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Header fields as received; names in any case, repeated ones apart.
    pub headers: &'a [(String, String)],
    /// The body, or as much of it as is read.
    pub body: &'a [u8],
}

/// The rules of the configuration, compiled. They can be shared between threads.
#[derive(Debug)]
pub struct OutcomeRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    when: Program,
    then: Outcome,
    log: Option<LogLevel>,
}

/// How much of a response goes into log lines and dead letters, in characters.
const DETAIL_LENGTH: usize = 200;

/// Longer than this no endpoint is left alone because it said so.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

impl OutcomeRules {
    /// Compiles the rules.
    ///
    /// # Errors
    ///
    /// The first rule (from 0) whose `when` is refused.
    pub fn compile(rules: &[OutcomeRule]) -> Result<Self, (usize, JqError)> {
        let compile = |(index, rule): (usize, &OutcomeRule)| {
            let when = Program::compile(&rule.when, None).map_err(|error| (index, error))?;
            Ok(Rule { when, then: rule.then, log: rule.log })
        };
        Ok(Self { rules: rules.iter().enumerate().map(compile).collect::<Result<_, _>>()? })
    }

    /// What `response`, received at `now`, means. The first rule that gives true decides; one that fails or gives
    /// anything else does not.
    pub fn judge(&self, response: &Response<'_>, now: Timestamp) -> Answer {
        let rule = self.first_match(response);
        let outcome = rule.map_or_else(|| self.by_status(response.status), |rule| rule.then);
        let retry_after = if outcome == Outcome::Retry { retry_after(response.headers, now) } else { None };
        Answer {
            outcome,
            status: Some(response.status),
            detail: beginning(response.body),
            retry_after,
            log: rule.and_then(|rule| rule.log),
        }
    }

    fn first_match(&self, response: &Response<'_>) -> Option<&Rule> {
        if self.rules.is_empty() {
            return None;
        }
        let limits = Limits::for_records_of(response.body.len());
        let response = describe(response);
        self.rules.iter().find(|rule| {
            let outputs = rule.when.run(response.clone(), Val::Null, &limits);
            matches!(outputs.as_deref(), Ok([Val::Bool(true)]))
        })
    }

    fn by_status(&self, status: u16) -> Outcome {
        match status {
            // Who lists what counts as accepted means that nothing else does.
            200..=299 if self.rules.is_empty() => Outcome::Delivered,
            300..=399 | 401 | 403 | 404 | 405 | 410 => Outcome::Suspend,
            408 | 425 | 429 => Outcome::Retry,
            400..=499 => Outcome::DeadLetter,
            _ => Outcome::Retry,
        }
    }
}

impl Answer {
    /// There was no response: the time limit passed or the connection failed, as `error` says.
    pub fn without_response(error: &str) -> Self {
        Self {
            outcome: Outcome::Retry,
            status: None,
            detail: short_line(&error, DETAIL_LENGTH),
            retry_after: None,
            log: None,
        }
    }
}

/// { status, headers, body, text }: header names in lower case, repeated fields joined (RFC 9110 section 5.3); body
/// is null where it is no JSON.
fn describe(response: &Response<'_>) -> Val {
    let text = |text: &str| Val::from(text.to_owned());
    let mut fields: LiteMap<String, String> = LiteMap::new();
    for (name, value) in response.headers {
        let field = fields.entry(name.to_ascii_lowercase());
        field.and_modify(|values| *values = format!("{values}, {value}")).or_insert_with(|| value.clone());
    }
    let fields: Map = fields.into_iter().map(|(name, value)| (Val::from(name), Val::from(value))).collect();
    let mut members = Map::default();
    members.insert(text("status"), Val::from(usize::from(response.status)));
    members.insert(text("headers"), Val::obj(fields));
    members.insert(text("body"), json::parse(response.body).unwrap_or_default());
    members.insert(text("text"), Val::from(String::from_utf8_lossy(response.body).into_owned()));
    Val::obj(members)
}

fn beginning(body: &[u8]) -> String {
    // A character takes at most four bytes.
    let start = body.get(..DETAIL_LENGTH.saturating_mul(4)).unwrap_or(body);
    short_line(&String::from_utf8_lossy(start).trim(), DETAIL_LENGTH).trim_end().to_owned()
}

/// Retry-After as seconds or as a date (RFC 9110 section 10.2.3), at most an hour; a date that has passed is zero.
fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a u64 holds are certainly more than an hour.
        value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
        until.saturating_sub(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)))
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
