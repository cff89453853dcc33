//! Endpoints that fail, hang, cut the connection, lie, refuse everything or ask to be left alone: everything arrives in the
//! end, once as far as the endpoint says, and a bad endpoint is left in peace.

use std::time::{Duration, SystemTime};

use barnabas::clock;
use barnabas::logic::moment::Timestamp;
use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::{Expected, Fate, check_books};
use crate::support::kafka::Kafka;
use crate::support::sink::{Delivered, Sink};
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

/// `count` events in a topic of one partition, each of which is to be delivered once and in its order.
struct Case {
    topic: String,
    expected: Expected,
    sink: Sink,
    count: usize,
}

impl Case {
    fn new(prefix: &str, count: usize, rules: &Value) -> Self {
        let kafka = Kafka::shared();
        let topic = kafka.new_topic(prefix, 1, &[]);
        let sink = Sink::start();
        sink.script(rules);
        let events = (0..count).map(|n| (Some("key"), json!({"id": format!("event {n}")}).to_string()));
        let mut expected = Expected::new(FORWARD, &topic);
        expected.add(0, kafka.produce(&topic, 0, events), &Fate::Delivered(Some("in order".to_owned())));
        Self { topic, expected, sink, count }
    }

    fn config(&self) -> Config {
        Config::new(Kafka::shared(), &self.topic, &self.sink.url())
    }

    /// As `config`, without an order.
    fn unordered(&mut self) -> Config {
        for fate in self.expected.records.values_mut() {
            *fate = Fate::Delivered(None);
        }
        self.config().forward("order_by = \"none\"")
    }

    #[track_caller]
    fn check(&self, barnabas: &Barnabas) -> Vec<Delivered> {
        let status = barnabas.wait_until_consumed(FORWARD, self.count as u64, LIMIT);
        check_books(&status);
        let delivered = self.sink.delivered();
        self.expected.check(&delivered, &barnabas.dead_letters());
        assert_eq!(status["delivered"], self.expected.records.len(), "{status:#}");
        delivered
    }

    /// Nothing to delivers but these rules; gives all requests.
    #[track_caller]
    fn run(self) -> Vec<Delivered> {
        let barnabas = Barnabas::start(&self.config().text());
        self.check(&barnabas)
    }
}

fn count(requests: &[Delivered], outcome: &str) -> usize {
    requests.iter().filter(|request| request.outcome == outcome).count()
}

#[test]
fn an_endpoint_that_fails_for_a_while_gets_every_event_once() {
    let mut case = Case::new("fails", 300, &json!([{"when": {"first": 40}, "then": {"status": 503}}]));
    let barnabas = Barnabas::start(&case.unordered().text());
    let requests = case.check(&barnabas);
    assert_eq!(requests.len(), 340);
    assert_eq!(barnabas.forward(FORWARD)["retries"], 40);
}

#[test]
fn a_request_that_hangs_is_given_up_after_the_timeout_and_sent_again() {
    let case = Case::new("hangs", 20, &json!([{"when": {"nth": 5}, "then": {"hang": true}}]));
    let barnabas = Barnabas::start(&case.config().webhook("timeout = \"1s\"").text());
    let requests = case.check(&barnabas);
    let hung = requests.iter().find(|request| request.outcome == "hung").expect("one that hung");
    let again = requests.iter().find(|request| request.accepted() && request.idempotency_key == hung.idempotency_key);
    let waited = again.expect("the same again").at_ms - hung.at_ms;
    assert!((950..5_000).contains(&waited), "it waited for {waited} ms");
}

#[test]
fn a_connection_that_is_cut_before_the_request_was_taken_costs_nothing() {
    let requests =
        Case::new("cut-before", 100, &json!([{"when": {"first_per_key": 1}, "then": {"cut": "before"}}])).run();
    assert!(count(&requests, "cut-before") >= 100, "each was cut once");
}

#[test]
fn a_connection_that_is_cut_after_the_request_was_taken_brings_it_again_under_the_same_key() {
    let requests =
        Case::new("cut-after", 100, &json!([{"when": {"first_per_key": 1}, "then": {"cut": "after"}}])).run();
    assert_eq!(count(&requests, "cut-after"), 100, "each was taken once without an answer");
    assert_eq!(count(&requests, "answered"), 100, "and then once with one");
}

#[test]
fn an_answer_that_breaks_off_does_not_count() {
    let requests =
        Case::new("cut-during", 50, &json!([{"when": {"first_per_key": 1}, "then": {"cut": "during"}}])).run();
    assert_eq!(count(&requests, "cut-during"), 50);
    assert_eq!(count(&requests, "answered"), 50);
}

#[test]
fn an_endpoint_that_says_200_and_means_no_is_asked_again() {
    let lie = json!([{"when": {"first_per_key": 2}, "then": {"status": 200, "body": {"code": 7}}}]);
    let case = Case::new("lies", 30, &lie);
    let outcome = "[[forward.webhook.outcome]]\nwhen = '.status == 200 and .body.code == 0'\nthen = \"delivered\"";
    let barnabas = Barnabas::start(&case.config().webhook(outcome).text());
    let status = barnabas.wait_until_consumed(FORWARD, 30, LIMIT);
    check_books(&status);
    assert_eq!((&status["delivered"], &status["retries"]), (&json!(30), &json!(60)));
    let requests = case.sink.delivered();
    assert_eq!(requests.len(), 90, "each of them three times");
    let last_answers: Vec<_> = requests.chunks(3).map(|three| &three[2].idempotency_key).collect();
    assert!(last_answers.is_sorted_by_key(|key| key.rsplit('/').next().map(str::len).zip(Some(key))), "in their order");
}

#[test]
fn an_endpoint_that_refuses_everything_gets_the_oldest_event_as_a_probe_and_goes_on_when_it_is_taken() {
    let mut case =
        Case::new("unauthorised", 200, &json!([{"then": {"status": 401, "body": {"error": "who are you?"}}}]));
    let config = case.unordered().forward("max_in_flight = 4").retry("50ms", "700ms");
    let barnabas = Barnabas::start(&config.tables("[http]\nlisten = \"127.0.0.1:0\"").text());
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["state"] == "suspended");
    wait_until(LIMIT, "some probes come", || case.sink.delivered().len() >= 8);

    let status = barnabas.status().expect("the daemon answers");
    assert_eq!(status["ready"], false, "{status:#}");
    assert!(status["reasons"][0].as_str().is_some_and(|reason| reason.contains("401")), "{status:#}");
    let requests = case.sink.delivered();
    let probes = &requests[4..];
    let oldest = format!("{FORWARD}/{}/0/0", case.topic);
    assert!(probes.iter().all(|probe| probe.idempotency_key == oldest), "{probes:?}");
    let gaps: Vec<_> = probes.windows(2).map(|two| two[1].at_ms - two[0].at_ms).collect();
    assert!(gaps.iter().all(|gap| *gap >= 690), "a probe every retry.max: {gaps:?}");
    assert!(barnabas.log().contains("ERROR the endpoint refuses everything"), "it is said");

    case.sink.script(&json!([]));
    let requests = case.check(&barnabas);
    assert_eq!(requests.iter().filter(|request| request.accepted()).count(), 200);
    assert_eq!(barnabas.forward(FORWARD)["state"], "running");
}

#[test]
fn retry_after_in_seconds_is_kept_although_it_is_longer_than_the_longest_wait() {
    let later = json!([{"when": {"nth": 3}, "then": {"status": 429, "headers": {"Retry-After": "2"}}}]);
    let requests = Case::new("retry-after", 10, &later).run();
    let refused = requests.iter().position(|request| request.status == Some(429)).expect("the refusal");
    let gap = requests[refused + 1].at_ms - requests[refused].ended_ms;
    assert!((1_950..6_000).contains(&gap), "it came again after {gap} ms");
}

#[test]
fn retry_after_as_a_date_is_kept() {
    let Timestamp(now) = clock::wall_clock();
    let wanted_ms = u64::try_from(now).expect("after 1970") + 5_000;
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(wanted_ms));
    let later = json!([{"when": {"first": 1}, "then": {"status": 503, "headers": {"Retry-After": date}}}]);
    let requests = Case::new("retry-after-date", 10, &later).run();
    // A date has whole seconds.
    let wanted_ms = i64::try_from(wanted_ms / 1_000 * 1_000).expect("small");
    let late = requests[1].at_ms - wanted_ms;
    assert!((-50..4_000).contains(&late), "it came again {late} ms after that date");
}

#[test]
fn an_endpoint_that_is_down_is_backed_off_from_as_a_whole() {
    let mut case = Case::new("down", 400, &json!([{"then": {"status": 503}}]));
    let barnabas = Barnabas::start(&case.unordered().retry("100ms", "1s").text());
    // 16 at once and 7 in place of the first 7 refused, then one at a time at growing distances.
    wait_until(LIMIT, "some probes come", || case.sink.delivered().len() >= 31);
    let requests = case.sink.delivered();
    let gaps: Vec<_> = requests[28..31].windows(2).map(|two| two[1].at_ms - two[0].at_ms).collect();
    assert!(gaps.iter().all(|gap| *gap >= 480), "at least half of retry.max between two requests: {gaps:?}");
    let status = barnabas.status().expect("the daemon answers");
    assert!(status["forwards"][0]["reasons"][0].as_str().is_some_and(|it| it.contains("down")), "{status:#}");

    case.sink.script(&json!([]));
    let back_at = clock::wall_clock().0;
    let requests = case.check(&barnabas);
    let last = requests.last().expect("requests").at_ms;
    assert!(last - back_at < 8_000, "all that waited goes at once when it is back: {} ms", last - back_at);
}

#[test]
fn an_endpoint_that_is_gone_gets_everything_when_it_is_back() {
    let mut case = Case::new("gone", 100, &json!([]));
    case.sink.kill();
    let barnabas = Barnabas::start(&case.config().text());
    barnabas.wait_for_forward(FORWARD, LIMIT, |status| status["retries"].as_u64() >= Some(3));
    assert_eq!(barnabas.forward(FORWARD)["delivered"], 0);
    case.sink = case.sink.start_again();
    case.check(&barnabas);
}

#[test]
fn what_the_outcomes_call_a_dead_letter_is_kept_and_said_as_a_warning() {
    let no_host = json!({"status": 400, "body": {"error": "alert does not match any cmdb instance"}});
    let unknown = json!({"status": 422, "body": "never heard of it"});
    let mut case = Case::new(
        "no-cmdb",
        20,
        &json!([
            {"when": {"body_contains": "event 7\""}, "then": no_host},
            {"when": {"body_contains": "event 8\""}, "then": unknown},
        ]),
    );
    case.expected.add(0, [7, 8], &Fate::DeadLettered);
    let outcomes = "
        [[forward.webhook.outcome]]
        when = '.status == 200 and .body.code == 0'
        then = \"delivered\"
        [[forward.webhook.outcome]]
        when = '.status == 400 and (.body.error // \"\" | contains(\"not match any cmdb instance\"))'
        then = \"dead-letter\"
        log = \"warn\"";
    let barnabas = Barnabas::start(&case.config().forward("event_id = '.id'").webhook(outcomes).text());
    let status = barnabas.wait_until_consumed(FORWARD, 20, LIMIT);
    check_books(&status);
    let letters = barnabas.dead_letters();
    case.expected.check(&case.sink.delivered(), &letters);
    let letter = &letters[0];
    assert_eq!((&letter["offset"], &letter["status"], &letter["attempts"]), (&json!(7), &json!(400), &json!(1)));
    assert!(letter["response"].as_str().is_some_and(|it| it.contains("not match any cmdb instance")), "{letter:#}");

    let log = barnabas.log();
    let line = |event: &str| log.lines().find(|line| line.contains("dead letter") && line.contains(event));
    assert!(line("event 7").is_some_and(|line| line.contains(" WARN ")), "by its own outcome a warning: {log}");
    assert!(line("event 8").is_some_and(|line| line.contains(" ERROR ")), "else an error: {log}");
}
