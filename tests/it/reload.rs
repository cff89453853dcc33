//! SIGHUP, and what the daemon answers over HTTP while it runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::config::{Config, FORWARD};
use crate::support::conservation::check_books;
use crate::support::kafka::Kafka;
use crate::support::sink::Sink;
use crate::support::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

fn produce(topic: &str, kinds: &[&str]) {
    Kafka::shared().produce(topic, 0, kinds.iter().map(|kind| (None::<&str>, json!({"kind": kind}).to_string())));
}

fn kinds(sink: &Sink) -> Vec<String> {
    sink.accepted().iter().map(|request| request.body["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[test]
fn a_reload_changes_the_filter_for_what_comes_and_a_bad_file_changes_nothing() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("reload", 1, &[]);
    produce(&topic, &["a", "b", "a"]);
    let config = Config::new(kafka, &topic, &sink.url());
    let barnabas = Barnabas::start(&config.clone().forward("filter = '.kind == \"a\"'").text());
    barnabas.wait_until_consumed(FORWARD, 3, LIMIT);
    assert_eq!(kinds(&sink), ["a", "a"]);

    barnabas.configure(&config.clone().forward("filter = '.kind == \"b\"'").text());
    barnabas.signal("HUP");
    wait_until(LIMIT, "the reload is done", || barnabas.log().contains("the configuration was read again"));
    produce(&topic, &["a", "b"]);
    let status = barnabas.wait_until_consumed(FORWARD, 5, LIMIT);
    check_books(&status);
    assert_eq!(kinds(&sink), ["a", "a", "b"], "nothing again, and nothing missed");

    barnabas.configure(&config.clone().forward("fliter = '.kind == \"a\"'").text());
    barnabas.signal("HUP");
    wait_until(LIMIT, "it is refused", || barnabas.log().contains("fliter"));
    let log = barnabas.log();
    let line = log.lines().find(|line| line.contains("fliter")).expect("a line");
    assert!(line.contains("ERROR") && line.contains("barnabas.toml:"), "it says where: {line}");
    // Commands find the control socket by the file, so for them it must be right again.
    barnabas.configure(&config.forward("filter = '.kind == \"a\"'").text());
    produce(&topic, &["b", "a"]);
    barnabas.wait_until_consumed(FORWARD, 7, LIMIT);
    assert_eq!(kinds(&sink), ["a", "a", "b", "b"]);
}

#[test]
fn a_reload_in_the_middle_of_the_work_loses_and_repeats_nothing() {
    let (kafka, sink) = (Kafka::shared(), Sink::start_with(&["--delay", "5ms"]));
    let topic = kafka.new_topic("reload-busy", 1, &[]);
    produce(&topic, &["a"; 600]);
    let config = Config::new(kafka, &topic, &sink.url()).forward("order_by = \"none\"");
    let barnabas = Barnabas::start(&config.text());
    for round in 1..=3_usize {
        wait_until(LIMIT, "a part is delivered", || sink.accepted().len() >= round * 100);
        barnabas.configure(&config.clone().forward(&format!("max_in_flight = {}", 8 + round)).text());
        barnabas.signal("HUP");
        wait_until(LIMIT, "the reload is done", || {
            barnabas.log().matches("the configuration was read again").count() >= round
        });
    }
    let status = barnabas.wait_until_consumed(FORWARD, 600, LIMIT);
    check_books(&status);
    assert_eq!(status["delivered"], 600);
    assert_eq!(sink.delivered().len(), 600, "each of them once");
}

/// Status and body of a GET, with `host` as the Host header.
fn get(port: u16, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page's port");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

#[test]
fn the_pages_answer_and_a_name_that_is_not_ours_is_refused() {
    let (kafka, sink) = (Kafka::shared(), Sink::start());
    let topic = kafka.new_topic("pages", 1, &[]);
    produce(&topic, &["a", "b", "c"]);
    let port = free_port();
    let config = Config::new(kafka, &topic, &sink.url()).retry("50ms", "400ms");
    let barnabas = Barnabas::start(&config.tables(&format!("[http]\nlisten = \"127.0.0.1:{port}\"")).text());
    barnabas.wait_until_consumed(FORWARD, 3, LIMIT);
    let own = format!("127.0.0.1:{port}");
    assert_eq!(get(port, "/healthz", &own).0, 200);
    assert_eq!(get(port, "/readyz", &own), (200, "ready\n".to_owned()));
    let (code, metrics) = get(port, "/metrics", &own);
    assert_eq!(code, 200);
    for line in [
        format!("barnabas_forward_consumed_total{{forward=\"{FORWARD}\"}} 3"),
        format!("barnabas_forward_delivered_total{{forward=\"{FORWARD}\"}} 3"),
        format!("barnabas_forward_pending{{forward=\"{FORWARD}\"}} 0"),
    ] {
        assert!(metrics.lines().any(|each| each == line), "{line} is missing in\n{metrics}");
    }
    let (code, document) = get(port, "/api/status", &own);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!((code, &document["forwards"][0]["delivered"]), (200, &json!(3)));
    assert!(get(port, "/", &own).1.contains(FORWARD), "the page names the forward");
    assert_eq!(get(port, "/", "evil.example.com").0, 421, "DNS rebinding");

    sink.script(&json!([{"then": {"status": 403}}]));
    produce(&topic, &["d"]);
    wait_until(LIMIT, "it is not ready", || get(port, "/readyz", &own).0 == 503);
    let (_, reasons) = get(port, "/readyz", &own);
    assert!(reasons.contains("suspended") && reasons.contains("403"), "{reasons}");
    assert_eq!(get(port, "/healthz", &own).0, 200, "alive all the same");
    barnabas.command(&["forwards", "pause", FORWARD], "").success();
    wait_until(LIMIT, "what a person paused is no reason", || get(port, "/readyz", &own).0 == 200);
}
