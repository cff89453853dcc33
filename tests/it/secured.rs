//! Commands against brokers that want TLS and a login: all that reads, lists and writes works there as well, and what is
//! wrong with a password or a certificate is said in one sentence.

use std::time::Duration;

use serde_json::json;

use crate::support::barnabas::Barnabas;
use crate::support::config::Config;
use crate::support::kafka::{Kafka, Options};
use crate::support::sink::Sink;

const LIMIT: Duration = Duration::from_secs(60);

/// `[kafka]` for the listener `name` (SSL, SASL_PLAINTEXT, SASL_SSL), with further keys.
fn section(kafka: &Kafka, name: &str, keys: &str) -> String {
    let servers: Vec<&str> = kafka.env(name).split(',').collect();
    format!("[kafka]\nbootstrap_servers = {servers:?}\n{keys}\n")
}

fn scram(kafka: &Kafka, password: &str) -> String {
    let user = kafka.env("SASL_SCRAM_USER");
    format!("sasl = {{ mechanism = \"SCRAM-SHA-512\", username = {user:?}, password = {password:?} }}")
}

fn authority(kafka: &Kafka, file: &str) -> String {
    format!("tls = {{ ca_file = {:?} }}", kafka.env(file))
}

#[test]
fn commands_and_a_forward_work_behind_tls_and_a_login() {
    let kafka = Kafka::start(&Options { tls: true, sasl: true, ..Options::default() });
    kafka.create_topic("secured", 2, &[]);
    let right = scram(&kafka, kafka.env("SASL_SCRAM_PASSWORD"));
    let trusted = authority(&kafka, "CA_FILE");
    for (listener, keys) in
        [("SSL", trusted.clone()), ("SASL_PLAINTEXT", right.clone()), ("SASL_SSL", format!("{trusted}\n{right}"))]
    {
        let barnabas = Barnabas::new(&section(&kafka, listener, &keys));
        let produced = barnabas.command(&["produce", "secured"], "{\"n\":1}\n{\"n\":2}\n");
        assert!(produced.status.success(), "{listener}: {}", produced.stderr);
        let consumed = barnabas.command(&["consume", "secured", "--from", "earliest", "--count", "2"], "");
        assert!(consumed.status.success() && consumed.stdout.lines().count() == 2, "{listener}: {consumed:?}");
        let topics = barnabas.json(&["topics", "describe", "secured"]);
        assert_eq!(topics[0]["topic"], json!("secured"), "{listener}");
        kafka.commit_offset("readers", "secured", 0, 0);
        let group = barnabas.json(&["groups", "describe", "readers"]);
        assert_eq!(group[0]["state"], json!("Empty"), "{listener}");
        let brokers = barnabas.json(&["brokers"]);
        assert_eq!(brokers.as_array().map(Vec::len), Some(1), "{listener}");
    }

    let sink = Sink::start();
    let text = Config::new(&kafka, "secured", &sink.url()).text();
    let forwards = text.find("[[forward]]").expect("a forward");
    let config = section(&kafka, "SASL_SSL", &format!("{trusted}\n{right}")) + &text[forwards..];
    let _running = Barnabas::start(&config);
    sink.wait_for_accepted(6, LIMIT);

    for (listener, keys, said) in [
        ("SASL_SSL", format!("{trusted}\n{}", scram(&kafka, "wrong-secret")), "password"),
        ("SASL_SSL", format!("{}\n{right}", authority(&kafka, "WRONG_CA_FILE")), "certificate"),
        ("SASL_PLAINTEXT", String::new(), "sasl"),
        ("SSL", String::new(), "TLS"),
    ] {
        let barnabas = Barnabas::new(&section(&kafka, listener, &keys));
        for command in [&["topics", "list"][..], &["groups", "list"], &["consume", "secured", "--count", "1"]] {
            let refused = barnabas.command(command, "");
            assert_eq!(refused.status.code(), Some(1), "{listener} {command:?}: {refused:?}");
            assert!(refused.stderr.contains(said), "{listener} {command:?} should speak of {said}: {}", refused.stderr);
            assert!(!refused.stderr.contains("secret"), "{listener}: a password is in {}", refused.stderr);
        }
    }
}
