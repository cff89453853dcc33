//! Webhooks against a listener that answers what the test wants, and commands that are shell one-liners.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;
use crate::config::schema::{
    CommandSettings, NotifyBody, NotifySettings, NotifyWebhookSettings, Secret, TlsSettings, WebhookSettings,
};
use crate::logic::alert::{ChannelSettings, Labels, NoticeAlert, Reason, Severity};
use crate::logic::outcome::{Outcome, OutcomeRule};

fn channel(transport: TransportSettings) -> Result<Channel, String> {
    let channel = ChannelSettings {
        name: "hook".to_owned(),
        group_wait: Duration::ZERO,
        group_interval: Duration::ZERO,
        repeat_interval: Duration::ZERO,
        min_severity: Severity::Info,
    };
    Channel::new(&NotifySettings { channel, transport })
}

fn webhook(url: &str, body: NotifyBody, outcomes: Vec<OutcomeRule>) -> Result<Channel, String> {
    let webhook = WebhookSettings {
        url: Secret::new(url),
        display_url: url.split('?').next().unwrap().to_owned(),
        method: "POST".to_owned(),
        headers: vec![("Authorization".to_owned(), Secret::new("Bearer t0ken"))],
        tls: TlsSettings::default(),
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        max_response_size: 4096,
        idempotency_header: Some("Idempotency-Key".to_owned()),
        outcomes,
    };
    channel(TransportSettings::Webhook(Box::new(NotifyWebhookSettings { webhook, body })))
}

fn notice() -> Notice {
    let alert = NoticeAlert {
        name: "lag".to_owned(),
        metric: "group_lag".to_owned(),
        labels: Labels::new(),
        severity: Severity::Warning,
        summary: "积压".to_owned(),
        runbook: None,
        value: Some(1.0),
        value_text: "1".to_owned(),
        threshold_text: "above 0".to_owned(),
        since: 0,
        ended: None,
        told_in: None,
    };
    let (firing, resolved) = (vec![alert], vec![]);
    Notice { id: 17, channel: "hook".to_owned(), reason: Reason::First, at: 17, firing, resolved, more: 0 }
}

/// Answers one request, and gives what it was.
fn endpoint(status: &'static str, answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/robot/send?access_token=s3cret", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.to_lowercase().split("content-length: ").nth(1).unwrap().lines().next().unwrap().to_owned();
                if body.len() >= length.parse().unwrap() {
                    let head =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
                    stream.write_all((head + answer).as_bytes()).unwrap();
                    return text;
                }
            }
            let length = stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "{text}");
            request.extend_from_slice(&buffer[..length]);
        }
    });
    (url, served)
}

#[tokio::test]
async fn alertmanagers_document_is_posted_with_a_key() {
    let (url, served) = endpoint("200 OK", "thanks");
    webhook(&url, NotifyBody::Alertmanager, vec![]).unwrap().send(&notice()).await.unwrap();
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /robot/send?access_token=s3cret HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\nidempotency-key: 17/hook\r\n"), "{request}");
    let body: serde_json::Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&body["version"], &body["alerts"][0]["annotations"]["summary"]), (&"4".into(), &"积压".into()));
}

#[tokio::test]
async fn a_program_makes_the_body() {
    let (url, served) = endpoint("204 No Content", "");
    let program = |text: &str| NotifyBody::Jq(text.to_owned());
    webhook(&url, program("{text: .alerts[0].annotations.summary}"), vec![]).unwrap().send(&notice()).await.unwrap();
    assert!(served.join().unwrap().ends_with("\r\n\r\n{\"text\":\"积压\"}"));

    // Nobody listens there: nothing was to be sent.
    webhook("http://127.0.0.1:9/", program("empty"), vec![]).unwrap().send(&notice()).await.unwrap();
    let error = webhook("http://127.0.0.1:9/", program("1, 2"), vec![]).unwrap().send(&notice()).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Permanent);
    assert!(error.text.contains("it gives 2 outputs"), "{error}");
    let error = webhook("http://127.0.0.1:9/", program("1 +"), vec![]).unwrap_err();
    assert!(error.starts_with("notify.hook.webhook: body: "), "{error}");
}

#[tokio::test]
async fn robots_are_signed_and_their_200_is_read() {
    let secret = || Some(Secret::new("SECabc"));
    let (url, served) = endpoint("200 OK", r#"{"errcode":0,"errmsg":"ok"}"#);
    webhook(&url, NotifyBody::DingTalk(secret()), vec![]).unwrap().send(&notice()).await.unwrap();
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /robot/send?access_token=s3cret&timestamp="), "{request}");
    assert!(request.lines().next().unwrap().contains("&sign=") && !request.contains("SECabc"), "{request}");

    let (url, served) = endpoint("200 OK", r#"{"code":0,"msg":"success"}"#);
    webhook(&url, NotifyBody::Feishu(secret()), vec![]).unwrap().send(&notice()).await.unwrap();
    assert!(served.join().unwrap().contains("\"sign\":\""));

    let (url, _) = endpoint("200 OK", r#"{"errcode":93000,"errmsg":"invalid webhook url: access_token=s3cret"}"#);
    let error = webhook(&url, NotifyBody::WeCom, vec![]).unwrap().send(&notice()).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Permanent);
    assert!(error.text.contains("did not take it: error 93000: invalid webhook url: ***"), "{error}");
}

#[tokio::test]
async fn an_answer_means_what_it_means_for_events() {
    use SendErrorKind::{Permanent, Temporary};
    for (status, kind) in
        [("503 Busy", Temporary), ("429 Slower", Temporary), ("404 Gone", Permanent), ("400 Bad", Permanent)]
    {
        let (url, _) = endpoint(status, "why: Bearer t0ken");
        let error = webhook(&url, NotifyBody::Alertmanager, vec![]).unwrap().send(&notice()).await.unwrap_err();
        assert_eq!((error.kind, error.detail.as_str()), (kind, "why: ***"), "{status}");
        assert!(!error.text.contains("s3cret") && !error.text.contains("/robot"), "{error}");
    }
    let rule = |then| OutcomeRule { when: ".text == \"fine\"".to_owned(), then, log: None };
    let (url, _) = endpoint("400 Bad", "fine");
    let channel = webhook(&url, NotifyBody::WeCom, vec![rule(Outcome::Delivered)]).unwrap();
    channel.send(&notice()).await.expect("the rules of the configuration decide");
}

#[tokio::test]
async fn without_an_endpoint_it_is_tried_again() {
    let channel = webhook("http://127.0.0.1:9/?token=s3cret", NotifyBody::Alertmanager, vec![]).unwrap();
    let error = channel.send(&notice()).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Temporary);
    assert_eq!(error.text, "http://127.0.0.1:9: cannot connect to 127.0.0.1:9: connection refused");
    assert_eq!(channel.check().await.unwrap_err(), error.text);
}

fn command(run: &[&str], timeout: Duration) -> Result<Channel, String> {
    let run = run.iter().map(|part| (*part).to_owned()).collect();
    channel(TransportSettings::Command(CommandSettings { run, timeout }))
}

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_program_reads_the_document_and_gets_its_arguments_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen");
    let script = "printf '%s\\n' \"$1\" > \"$2\"; cat >> \"$2\"";
    let argument = "+49 $(touch /tmp/x); *";
    let channel = command(&["/bin/sh", "-c", script, "sh", argument, file.to_str().unwrap()], SOON).unwrap();
    channel.send(&notice()).await.unwrap();
    let seen = std::fs::read_to_string(&file).unwrap();
    let (first, document) = seen.split_once('\n').unwrap();
    assert_eq!(first, argument);
    assert_eq!(serde_json::from_str::<serde_json::Value>(document).unwrap()["version"], "4");
}

#[tokio::test]
async fn a_program_that_fails_says_why() {
    let shell = |script: &str, limit| command(&["/bin/sh", "-c", script], limit).unwrap();
    let error = shell("echo 'no credit\u{1b}[2J' >&2; exit 3", SOON).send(&notice()).await.unwrap_err();
    assert_eq!(error.text, "/bin/sh ended with exit status: 3: no credit [2J");
    let error = shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1", SOON).send(&notice()).await.unwrap_err();
    assert!(error.text.len() < 300, "{error}");
    let error = shell("echo began >&2; exec sleep 600", Duration::from_millis(500)).send(&notice()).await.unwrap_err();
    assert_eq!(error.text, "/bin/sh was killed, since it was not done within 500ms: began");
    // A program that it left behind holds standard error, and keeps nobody.
    shell("sleep 20 & exit 0", SOON).send(&notice()).await.unwrap();
    // It need not read.
    shell("exec <&-; exit 0", SOON).send(&notice()).await.unwrap();

    let missing = command(&["/no/such/program"], SOON).unwrap();
    let error = missing.send(&notice()).await.unwrap_err();
    assert_eq!(error.text, "cannot start /no/such/program: no such file or directory; give its whole path in `run`");
    assert_eq!(missing.check().await.unwrap_err(), error.text);
    assert_eq!(command(&["/bin/sh"], SOON).unwrap().check().await.unwrap(), "/bin/sh is there; it was not run");
}
