//! The script: which request gets which answer.
//!
//!     [ { "when": {"body_contains": "no-cmdb"}, "then": {"status": 400, "body": {"error": "not match any cmdb instance"}} },
//!       { "when": {"first_per_key": 2}, "then": {"cut": "after"} },
//!       { "when": {"probability": 0.1, "seed": 7}, "then": {"status": 503, "headers": {"Retry-After": "1"}} } ]
//!
//! The first rule that fits decides; without one it is 200 {"code":0}. Pure: knows no socket and no clock.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// All conditions that are given must hold; the counting ones count the requests for which all others do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct When {
    /// The path, without the query.
    path: Option<String>,
    /// Header fields and their values.
    header: BTreeMap<String, String>,
    body_contains: Option<String>,
    /// The nth such request, counted from 1.
    nth: Option<u64>,
    /// The first so many such requests.
    first: Option<u64>,
    /// The first so many such requests of each idempotency key.
    first_per_key: Option<u64>,
    /// Between 0 and 1; the same seed gives the same sequence.
    probability: Option<f64>,
    seed: u64,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cut {
    /// Closed as soon as the head has come: the request is not taken. These rules are looked at first, and cannot
    /// depend on the body.
    Before,
    /// Closed when the request was taken, without an answer.
    After,
    /// Closed in the middle of the answer's body, which is announced as longer than it is.
    During,
}

/// What to do with a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Then {
    /// The status code.
    pub(crate) status: u16,
    /// JSON, or a string that is sent as it is.
    pub(crate) body: Value,
    /// Header fields besides Content-Type.
    pub(crate) headers: BTreeMap<String, String>,
    delay_ms: u64,
    /// Take the request and never answer.
    pub(crate) hang: bool,
    /// End the connection instead of answering.
    pub(crate) cut: Option<Cut>,
}

impl Default for Then {
    fn default() -> Self {
        Self {
            status: 200,
            body: serde_json::json!({ "code": 0 }),
            headers: BTreeMap::new(),
            delay_ms: 0,
            hang: false,
            cut: None,
        }
    }
}

impl Then {
    /// How long to wait before it is done.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(default)]
    when: When,
    then: Then,
}

#[derive(Debug)]
struct Rule {
    when: When,
    then: Then,
    seen: u64,
    seen_per_key: HashMap<String, u64>,
    random: fastrand::Rng,
}

/// What a rule may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    pub(crate) headers: &'a hyper::HeaderMap,
    /// None: only the head has come.
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) key: &'a str,
}

/// The script and how far it has come.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    /// Reads a JSON array of rules.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rules: Vec<RuleText> = serde_json::from_str(text).map_err(|error| format!("rules: {error}"))?;
        rules.into_iter().map(Rule::new).collect::<Result<_, _>>().map(Self)
    }

    /// Nothing is scripted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rule for this request; counts it. To be called with the head alone, and, where that gives nothing, again
    /// with the body.
    pub(crate) fn decide(&mut self, request: Request<'_>) -> Option<Then> {
        let head_only = request.body.is_none();
        self.0
            .iter_mut()
            .filter(|rule| (rule.then.cut == Some(Cut::Before)) == head_only)
            .find_map(|rule| rule.fits(request).then(|| rule.then.clone()))
    }
}

impl Rule {
    fn new(text: RuleText) -> Result<Self, String> {
        let RuleText { when, then } = text;
        if then.cut == Some(Cut::Before) && when.body_contains.is_some() {
            return Err("rules: a connection that is cut before the body cannot depend on the body".to_owned());
        }
        let random = fastrand::Rng::with_seed(when.seed);
        Ok(Self { when, then, seen: 0, seen_per_key: HashMap::new(), random })
    }

    fn fits(&mut self, request: Request<'_>) -> bool {
        if !self.when.matches(request) {
            return false;
        }
        if let Some(probability) = self.when.probability
            && self.random.f64() >= probability
        {
            return false;
        }
        self.seen += 1;
        if let Some(first) = self.when.first_per_key {
            let seen = self.seen_per_key.entry(request.key.to_owned()).or_default();
            *seen += 1;
            if *seen > first {
                return false;
            }
        }
        self.when.nth.is_none_or(|nth| self.seen == nth) && self.when.first.is_none_or(|first| self.seen <= first)
    }
}

impl When {
    fn matches(&self, request: Request<'_>) -> bool {
        self.path.as_ref().is_none_or(|path| path == request.path)
            && self.header.iter().all(|(name, value)| {
                request.headers.get(name).is_some_and(|actual| actual.as_bytes() == value.as_bytes())
            })
            && self.body_contains.as_ref().is_none_or(|part| {
                request.body.is_some_and(|body| body.windows(part.len().max(1)).any(|window| window == part.as_bytes()))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(script: &str, requests: &[(&str, &str)]) -> Vec<u16> {
        let mut rules = Rules::parse(script).unwrap();
        let headers = hyper::HeaderMap::new();
        requests
            .iter()
            .map(|(key, body)| {
                let request = Request { path: "/", headers: &headers, body: Some(body.as_bytes()), key };
                rules.decide(request).unwrap_or_default().status
            })
            .collect()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let same = [("a", "x"), ("a", "x"), ("b", "y"), ("b", "x")];
        let cases = [
            ("no rule: taken", r"[]", [200, 200, 200, 200]),
            ("an order counts", r#"[{"then": {"status": 500}}, {"then": {"status": 400}}]"#, [500; 4]),
            ("the body", r#"[{"when": {"body_contains": "y"}, "then": {"status": 400}}]"#, [200, 200, 400, 200]),
            ("the second only", r#"[{"when": {"nth": 2}, "then": {"status": 500}}]"#, [200, 500, 200, 200]),
            ("the first three", r#"[{"when": {"first": 3}, "then": {"status": 500}}]"#, [500, 500, 500, 200]),
            ("once a key", r#"[{"when": {"first_per_key": 1}, "then": {"status": 500}}]"#, [500, 200, 500, 200]),
            ("never", r#"[{"when": {"probability": 0.0}, "then": {"status": 500}}]"#, [200; 4]),
        ];
        for (case, script, expected) in cases {
            assert_eq!(statuses(script, &same), expected, "{case}");
        }
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        for script in [r#"[{"wen": {}, "then": {}}]"#, r#"[{"then": {"stauts": 1}}]"#, "{}"] {
            assert!(Rules::parse(script).is_err(), "{script}");
        }
    }
}
