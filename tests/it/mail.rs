//! Mails as a person receives them, over a real SMTP conversation with STARTTLS and a login, and what becomes of
//! passwords and mails where the server is gone, slow, picky or a stranger. Needs no Kafka.

use std::net::TcpListener;
use std::time::Duration;

use barnabas::clock;
use barnabas::config::schema::{
    EmailSettings, Encryption, HostPort, NotifySettings, Secret, TlsSettings, TransportSettings,
};
use barnabas::config::{Mailbox, parse_mailbox};
use barnabas::logic::alert::{ChannelSettings, Notice, NoticeAlert, Reason, Severity};
use barnabas::notify::{Channel, SendErrorKind};

use crate::support::smtp::{Catcher, Certificates};

const USER: &str = "kafka@example.com";
const PASSWORD: &str = "pass wörd ✓";
/// 2026-11-21T07:00:00Z.
const SINCE: i64 = 1_795_244_400_000;
/// Half a minute later.
const FIRST: u64 = 1_795_244_430_000;

fn mailbox(text: &str) -> Mailbox {
    parse_mailbox(text).expect("an address")
}

fn email(port: u16) -> EmailSettings {
    EmailSettings {
        smtp: HostPort { host: "localhost".to_owned(), port },
        encryption: Encryption::None,
        tls: TlsSettings::default(),
        login: None,
        from: mailbox("Kafka-Wächter <kafka@example.com>"),
        to: ["oncall@example.com", "Boss <boss@example.com>"].map(mailbox).into(),
        timeout: Duration::from_secs(60),
    }
}

/// STARTTLS and a login, as on port 587.
fn submission(port: u16, certificates: &Certificates) -> EmailSettings {
    EmailSettings {
        encryption: Encryption::Starttls,
        tls: TlsSettings { ca_file: Some(certificates.authority()), ..TlsSettings::default() },
        login: Some((USER.to_owned(), Secret::new(PASSWORD))),
        ..email(port)
    }
}

fn channel(email: EmailSettings) -> Channel {
    let channel = ChannelSettings {
        name: "ops".to_owned(),
        group_wait: Duration::ZERO,
        group_interval: Duration::ZERO,
        repeat_interval: Duration::from_secs(3600),
        min_severity: Severity::Info,
    };
    Channel::new(&NotifySettings { channel, transport: TransportSettings::Email(Box::new(email)) }).expect("a channel")
}

fn submission_server(certificates: &Certificates, more: &[&str]) -> Catcher {
    let [certificate, key] = certificates.server();
    let arguments = ["--starttls", &certificate, &key, "--user", USER, "--password", PASSWORD];
    Catcher::start(&[&arguments, more].concat())
}

fn load() -> NoticeAlert {
    NoticeAlert {
        name: "broker-load".to_owned(),
        metric: "broker_load_percent".to_owned(),
        labels: [("broker", "1"), ("cluster", "default")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into_iter()
            .collect(),
        severity: Severity::Critical,
        summary: "Broker 1 ist zu 85,5 % ausgelastet – prüfen!".to_owned(),
        runbook: Some("https://wiki.example.com/kafka?page=load&lang=de".to_owned()),
        value: Some(85.5),
        value_text: "85.5 %".to_owned(),
        threshold_text: "above 80 %".to_owned(),
        since: SINCE,
        ended: None,
        told_in: None,
    }
}

fn backlog() -> NoticeAlert {
    NoticeAlert {
        name: "topic-backlog".to_owned(),
        metric: "group_lag".to_owned(),
        labels: [("group", "告警组"), ("topic", "event")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into_iter()
            .collect(),
        severity: Severity::Warning,
        summary: "主题 event 积压 1,234 条消息".to_owned(),
        runbook: None,
        value: Some(1234.0),
        value_text: "1,234".to_owned(),
        threshold_text: "above 1,000".to_owned(),
        ..load()
    }
}

fn notice(firing: Vec<NoticeAlert>, resolved: Vec<NoticeAlert>) -> Notice {
    let reason = if firing.is_empty() { Reason::Resolved } else { Reason::First };
    Notice { id: FIRST, channel: "ops".to_owned(), reason, at: SINCE + 30_000, firing, resolved, more: 0 }
}

#[tokio::test]
async fn a_person_receives_what_fires_over_an_encrypted_connection_with_a_login() {
    let certificates = Certificates::new();
    // The client speaks no CRAM-MD5, and must not stumble over a server that offers it.
    let server = submission_server(&certificates, &["--cram-md5"]);
    channel(submission(server.port, &certificates))
        .send(&notice(vec![load(), backlog()], vec![]))
        .await
        .expect("taken");

    let mail = server.mail();
    assert_eq!(mail.defects, Vec::<String>::new());
    assert_eq!((mail.user.as_deref(), mail.tls), (Some(USER), true));
    assert_eq!((mail.from.as_str(), mail.to.len()), ("kafka@example.com", 2));
    assert_eq!(mail.subject, "[CRITICAL] Broker 1 ist zu 85,5 % ausgelastet – prüfen!, and 1 more");
    assert_eq!(mail.header("From"), Some("Kafka-Wächter <kafka@example.com>"));
    assert_eq!(mail.header("To"), Some("oncall@example.com, Boss <boss@example.com>"));
    assert_eq!(mail.header("Date"), Some("Sat, 21 Nov 2026 07:00:30 +0000"));
    assert_eq!(mail.header("Message-ID"), Some("<1795244430000.ops@example.com>"));
    assert_eq!((mail.header("In-Reply-To"), mail.header("References")), (None, None));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(mail.header("Content-Type").is_some_and(|kind| kind.starts_with("multipart/alternative")));
    assert!(mail.raw.lines().all(|line| line.len() <= 78), "{}", mail.raw);
    assert!(mail.raw.is_ascii(), "{}", mail.raw);
    // A name of this machine that others would believe, or an address.
    assert!(mail.ehlo.starts_with('[') || mail.ehlo.contains('.'), "{}", mail.ehlo);

    for part in [
        "Firing: 2",
        "critical",
        "Broker 1 ist zu 85,5 % ausgelastet – prüfen!",
        "85.5 %",
        "2026-11-21 07:00:00 UTC",
        "broker-load: broker_load_percent above 80 %",
        "broker=1, cluster=default",
        "主题 event 积压 1,234 条消息",
        "group=告警组, topic=event",
    ] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
        assert!(mail.html.contains(part), "{part}: {}", mail.html);
    }
    assert!(mail.text.contains("https://wiki.example.com/kafka?page=load&lang=de"), "{}", mail.text);
    assert!(mail.html.contains("<a href=\"https://wiki.example.com/kafka?page=load&amp;lang=de\">"), "{}", mail.html);
}

#[tokio::test]
async fn an_end_answers_the_mail_that_told_of_it() {
    let server = Catcher::start(&[]);
    let channel = channel(email(server.port));
    let over =
        |alert: NoticeAlert, told_in| NoticeAlert { ended: Some(SINCE + 3_900_000), told_in: Some(told_in), ..alert };
    let mut end = notice(vec![], vec![over(load(), FIRST), over(backlog(), FIRST + 7), over(backlog(), FIRST)]);
    end.id = FIRST + 3_900_000;
    channel.send(&end).await.expect("taken");

    let mail = server.mail();
    assert_eq!(mail.subject, "[RESOLVED] Broker 1 ist zu 85,5 % ausgelastet – prüfen!, and 2 more");
    assert_eq!(mail.header("Message-ID"), Some("<1795248330000.ops@example.com>"));
    let both = "<1795244430000.ops@example.com> <1795244430007.ops@example.com>";
    assert_eq!(mail.header("In-Reply-To"), Some(both));
    assert_eq!(mail.header("References"), Some("<1795244430000.ops@example.com>"));
    for part in ["Over: 3", "Lasted", "1 h 5 min", "2026-11-21 08:05:00 UTC"] {
        assert!(mail.text.contains(part) && mail.html.contains(part), "{part}: {}", mail.text);
    }

    // What still fires is said again in the thread of the first.
    let mut repeat = notice(vec![NoticeAlert { told_in: Some(FIRST), ..load() }], vec![]);
    (repeat.id, repeat.reason) = (FIRST + 1_000_000, Reason::Repeat);
    channel.send(&repeat).await.expect("taken");
    let mail = server.mails().pop().expect("a second mail");
    assert_eq!(mail.subject, "[CRITICAL] still: Broker 1 ist zu 85,5 % ausgelastet – prüfen!");
    assert_eq!(mail.header("In-Reply-To"), Some("<1795244430000.ops@example.com>"));
}

#[tokio::test]
async fn no_name_becomes_a_header_a_recipient_or_markup() {
    let server = Catcher::start(&[]);
    let evil = "x\r\nBcc: spy@example.com\r\n\r\n.\r\nMAIL FROM:<spy@example.com>\r\n<script>a()</script>";
    let mut alert = load();
    (alert.summary, alert.value_text, alert.name) = (evil.to_owned(), evil.to_owned(), evil.to_owned());
    alert.labels.insert("group".to_owned(), evil.to_owned());
    channel(email(server.port)).send(&notice(vec![alert], vec![])).await.expect("taken");

    let mail = server.mail();
    assert_eq!((mail.header("Bcc"), mail.to.len()), (None, 2));
    assert!(mail.subject.starts_with("[CRITICAL] x\\r\\nBcc: spy@example.com"), "{}", mail.subject);
    assert!(!mail.html.contains("<script") && mail.html.contains("&lt;script&gt;"), "{}", mail.html);
}

#[tokio::test]
async fn a_server_that_is_down_gets_the_very_same_mail_later() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let (channel, notice) = (channel(email(port)), notice(vec![load()], vec![]));
    let error = channel.send(&notice).await.expect_err("nobody is there");
    assert_eq!(error.kind, SendErrorKind::Temporary);
    assert_eq!(error.text, format!("cannot connect to the mail server localhost:{port}: connection refused"));

    let server = Catcher::start(&["--listen", &format!("127.0.0.1:{port}")]);
    channel.send(&notice).await.expect("taken");
    channel.send(&notice).await.expect("taken again");
    let ids: Vec<_> = server.mails().iter().map(|mail| mail.header("Message-ID").map(str::to_owned)).collect();
    assert_eq!(ids, vec![Some("<1795244430000.ops@example.com>".to_owned()); 2]);
}

#[tokio::test]
async fn a_slow_server_is_given_up_at_the_time_limit() {
    let server = Catcher::start(&["--slow", "600"]);
    // It accepts connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_port = silent.local_addr().expect("its address").port();
    for (port, step) in [(server.port, "that it took the mail"), (silent_port, "its greeting")] {
        let limit = Duration::from_secs(3);
        let began = clock::now();
        let slow = EmailSettings { timeout: limit, ..email(port) };
        let error = channel(slow).send(&notice(vec![load()], vec![])).await.expect_err("too slow");
        assert_eq!(error.kind, SendErrorKind::Temporary);
        assert_eq!(error.text, format!("the mail server localhost:{port} did not get as far as {step} within 3s"));
        assert!(clock::now().since(began) < limit * 5);
    }
}

#[tokio::test]
async fn one_refused_recipient_keeps_the_mail_from_nobody_else() {
    let server = Catcher::start(&["--refuse", "boss@example.com", "--defer", "later@example.com"]);
    let to = |to: &[&str]| EmailSettings { to: to.iter().copied().map(mailbox).collect(), ..email(server.port) };
    let notice = notice(vec![load()], vec![]);
    channel(to(&["boss@example.com", "oncall@example.com"])).send(&notice).await.expect("taken for one");
    assert_eq!(server.mail().to, ["oncall@example.com"]);

    let error = channel(to(&["boss@example.com"])).send(&notice).await.expect_err("for nobody");
    assert_eq!(error.kind, SendErrorKind::Permanent);
    assert!(error.text.contains("boss@example.com: 550 5.1.1 No such user here"), "{error}");
    let error =
        channel(to(&["boss@example.com", "later@example.com"])).send(&notice).await.expect_err("for nobody yet");
    assert_eq!((error.kind, error.deferred.len()), (SendErrorKind::Temporary, 0), "{error}");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn who_is_deferred_gets_the_mail_later_and_the_others_get_it_once() {
    let server =
        Catcher::start(&["--refuse", "gone@example.com", "--defer", "a@example.com:1", "--defer", "b@example.com:2"]);
    let to = ["a@example.com", "\"Bach, B.\" <b@example.com>", "gone@example.com", "oncall@example.com"];
    let channel = channel(EmailSettings { to: to.map(mailbox).into(), ..email(server.port) });
    let notice = notice(vec![load()], vec![]);
    let error = channel.send(&notice).await.expect_err("not for everybody");
    assert_eq!(
        (error.kind, &error.deferred[..]),
        (SendErrorKind::Temporary, &to_addresses(&["a", "b"])[..]),
        "{error}"
    );
    assert!(error.text.contains("a@example.com: 451 4.2.1 Mailbox busy, try later; b@example.com: 451"), "{error}");
    assert!(!error.text.contains("gone@"), "{error}");
    let error = channel.send_to(&notice, Some(&error.deferred)).await.expect_err("not for everybody");
    assert_eq!(error.deferred, to_addresses(&["b"]));
    channel.send_to(&notice, Some(&error.deferred)).await.expect("for the last one");

    let mails = server.mails();
    let received: Vec<_> = mails.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(received, [to_addresses(&["oncall"]), to_addresses(&["a"]), to_addresses(&["b"])]);
    assert!(mails.windows(2).all(|two| two[0].header("Message-ID") == two[1].header("Message-ID")));
    let shown = "a@example.com, \"Bach, B.\" <b@example.com>, gone@example.com, oncall@example.com";
    assert!(mails.iter().all(|mail| mail.header("To") == Some(shown)), "{:?}", mails[0].header("To"));
    channel.send_to(&notice, Some(&to_addresses(&["gone"]))).await.expect("who was deferred may be refused later");
}

fn to_addresses(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@example.com")).collect()
}

#[tokio::test]
async fn a_stranger_hears_no_password_and_no_mail() {
    let (ours, strangers) = (Certificates::new(), Certificates::new());
    let server = submission_server(&strangers, &[]);
    let error =
        channel(submission(server.port, &ours)).send(&notice(vec![load()], vec![])).await.expect_err("a stranger");
    assert!(error.text.contains("no TLS session with the mail server localhost"), "{error}");
    assert!(error.text.contains("tls.ca_file"), "{error}");

    let mut elsewhere = submission(server.port, &strangers);
    elsewhere.tls.server_name = Some("mail.example.com".to_owned());
    let error = channel(elsewhere).send(&notice(vec![load()], vec![])).await.expect_err("another name");
    assert!(error.text.contains("tls.server_name"), "{error}");
    nothing_was_said(&server);

    let mut pinned = submission(server.port, &ours);
    pinned.tls = TlsSettings { fingerprint_sha256: Some([7; 32]), ..TlsSettings::default() };
    channel(pinned.clone()).send(&notice(vec![load()], vec![])).await.expect_err("another certificate");
    nothing_was_said(&server);
    let digest = ring::digest::digest(&ring::digest::SHA256, &strangers.der);
    pinned.tls.fingerprint_sha256 = Some(digest.as_ref().try_into().expect("32 bytes"));
    channel(pinned).send(&notice(vec![load()], vec![])).await.expect("the pinned one is known");
    assert_eq!(server.mail().user.as_deref(), Some(USER));
}

#[tokio::test]
async fn where_starttls_is_asked_for_and_not_offered_nothing_is_sent() {
    let certificates = Certificates::new();
    let server = Catcher::start(&["--user", USER, "--password", PASSWORD]);
    let channel = channel(submission(server.port, &certificates));
    let error = channel.send(&notice(vec![load()], vec![])).await.expect_err("no STARTTLS");
    assert_eq!(error.kind, SendErrorKind::Permanent);
    assert!(error.text.contains("does not offer STARTTLS, so nothing was sent"), "{error}");
    assert!(channel.check().await.expect_err("neither in a check").contains("STARTTLS"));
    nothing_was_said(&server);
}

#[track_caller]
fn nothing_was_said(server: &Catcher) {
    let heard = server.heard().to_uppercase();
    assert!(heard.contains("EHLO"), "{heard}");
    assert!(!heard.contains("AUTH") && !heard.contains("MAIL FROM") && !heard.contains("EXAMPLE.COM"), "{heard}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_check_logs_in_and_sends_nothing() {
    let certificates = Certificates::new();
    let server = submission_server(&certificates, &[]);
    let settings = submission(server.port, &certificates);
    let found = channel(settings.clone()).check().await.expect("it works");
    assert_eq!(found, format!("logged in as {USER} (TLS 1.3)"));
    assert!(!server.heard().to_uppercase().contains("MAIL FROM"));
    assert!(server.heard().to_uppercase().ends_with("QUIT\r\n"));

    let wrong = EmailSettings { login: Some((USER.to_owned(), Secret::new("wr0ng-password"))), ..settings };
    let channel = channel(wrong);
    let error = channel.check().await.expect_err("a wrong password");
    assert!(error.contains(&format!("refused the login as {USER}: 535")), "{error}");
    assert!(error.contains("check username and password") && !error.contains("wr0ng"), "{error}");
    let error = channel.send(&notice(vec![load()], vec![])).await.expect_err("neither for a mail");
    assert_eq!(error.kind, SendErrorKind::Permanent);
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn tls_from_the_first_byte_and_none_at_all_work_where_they_are_asked_for() {
    let certificates = Certificates::new();
    let [certificate, key] = certificates.server();
    let server = Catcher::start(&["--tls", &certificate, &key, "--user", USER, "--password", PASSWORD]);
    let implicit = EmailSettings { encryption: Encryption::Tls, ..submission(server.port, &certificates) };
    channel(implicit.clone()).send(&notice(vec![load()], vec![])).await.expect("taken");
    assert_eq!(server.mail().user.as_deref(), Some(USER));

    let plain = Catcher::start(&["--user", USER, "--password", PASSWORD]);
    let settings = EmailSettings { encryption: Encryption::None, tls: TlsSettings::default(), ..implicit.clone() };
    let settings = EmailSettings { smtp: HostPort { port: plain.port, ..settings.smtp }, ..settings };
    channel(settings.clone()).send(&notice(vec![load()], vec![])).await.expect("taken");
    assert_eq!((plain.mail().user.as_deref(), plain.mail().tls), (Some(USER), false));

    // The wrong one of the two is said.
    let error = channel(EmailSettings { smtp: settings.smtp, ..implicit }).check().await.expect_err("it speaks no TLS");
    assert!(error.contains("encryption = \"starttls\""), "{error}");
}
