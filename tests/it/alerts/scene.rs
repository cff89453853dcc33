//! What the tests of alerts share: a group that can fall behind, marks that show that nothing came before them, a mail
//! server with STARTTLS and a login that can go and come back, a page to look at. Expects nothing of alerts itself.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use barnabas::logic::rfc3339;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::barnabas::Barnabas;
use crate::support::config::kafka_section;
use crate::support::kafka::{Kafka, topic_name};
use crate::support::smtp::{Catcher, Certificates, Mail};
use crate::support::wait::wait_for;

/// Far beyond what a poll, a group's wait and a mail take, also on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(90);
pub(super) const USER: &str = "barnabas@example.com";
pub(super) const PASSWORD: &str = "rïght-Pa55word";
/// Messages by which a group lags that is to be told of.
pub(super) const LAG: i64 = 20;
/// How a channel groups in these tests.
const SOON: &str = "group_wait = \"500ms\"\ngroup_interval = \"1s\"\n";

/// A topic with messages, a group that can fall behind in it, and a topic for marks.
pub(super) struct Scene {
    kafka: &'static Kafka,
    pub(super) topic: String,
    pub(super) group: String,
    marks: String,
}

impl Scene {
    /// On the broker that tests share.
    pub(super) fn new(prefix: &str) -> Self {
        let kafka = Kafka::shared();
        let topic = kafka.new_topic(prefix, 1, &[]);
        kafka.produce(&topic, 0, (0..LAG).map(|n| (None::<&str>, n.to_string())));
        let marks = kafka.new_topic(&format!("{prefix}-marks"), 1, &[]);
        Self { kafka, topic, group: topic_name(&format!("{prefix}-readers")), marks }
    }

    /// Watches the scene once a second. The rule `backlog` fires from a lag above `above`; `mark-1` and `mark-2` at the
    /// first and second mark. All are told over `channels`.
    pub(super) fn config(&self, above: i64, channels: &[&str]) -> String {
        let Self { topic, group, marks, .. } = self;
        let mark = |number: i64| {
            format!(
                "[[alert]]\nname = \"mark-{number}\"\nmetric = \"topic_messages\"\nlabels = {{ topic = {marks:?} }}\n\
                 above = {}\nsummary = \"This is mark {number}\"\nnotify = {channels:?}\n",
                number - 1
            )
        };
        format!(
            "{}[monitor]\ninterval = \"1s\"\ntopics = [{topic:?}, {marks:?}]\ngroups = [{group:?}]\n\
             [[alert]]\nname = \"backlog\"\nmetric = \"group_lag\"\nabove = {above}\nnotify = {channels:?}\n{}{}",
            kafka_section(self.kafka),
            mark(1),
            mark(2)
        )
    }

    /// The group lags by all that is in the topic.
    #[track_caller]
    pub(super) fn fall_behind(&self, barnabas: &Barnabas) {
        self.move_group(barnabas, "earliest");
    }

    /// The group has read everything.
    #[track_caller]
    pub(super) fn catch_up(&self, barnabas: &Barnabas) {
        self.move_group(barnabas, "latest");
    }

    #[track_caller]
    fn move_group(&self, barnabas: &Barnabas, position: &str) {
        barnabas.command(&["groups", "reset", &self.group, &self.topic, position, "--yes"], "").success();
    }

    /// The next mark's alert comes after everything that was to be told before it.
    pub(super) fn mark(&self) {
        self.kafka.produce(&self.marks, 0, [(None::<&str>, "mark")]);
    }
}

/// A mail server that wants STARTTLS and a login, and stays at its port while it is away.
pub(super) struct MailServer {
    certificates: Certificates,
    port: u16,
    /// Holds what it took, also before it went.
    dir: TempDir,
    running: Option<Catcher>,
}

impl MailServer {
    /// There is a port for it, and nothing on it.
    pub(super) fn away() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        Self { certificates: Certificates::new(), port: free_port(), dir, running: None }
    }

    pub(super) fn start() -> Self {
        let mut server = Self::away();
        server.come(&[]);
        server
    }

    /// With further arguments of smtp_catcher.py.
    pub(super) fn come(&mut self, more: &[&str]) {
        let [certificate, key] = self.certificates.server();
        let (listen, log) = (format!("127.0.0.1:{}", self.port), self.log_file().display().to_string());
        let place = ["--listen", &listen, "--log", &log];
        let login = ["--starttls", &certificate, &key, "--user", USER, "--password", PASSWORD];
        self.running = Some(Catcher::start(&[&place, &login[..], more].concat()));
    }

    /// At once, in the middle of whatever it does.
    pub(super) fn go(&mut self) {
        self.running = None;
    }

    /// The tables of a channel that mails to it.
    pub(super) fn channel(&self, name: &str) -> String {
        self.channel_with_password(name, PASSWORD)
    }

    pub(super) fn channel_with_password(&self, name: &str, password: &str) -> String {
        format!(
            "[notify.{name}]\n{SOON}[notify.{name}.email]\nsmtp = \"localhost:{}\"\nencryption = \"starttls\"\n\
             tls = {{ ca_file = {:?} }}\nusername = {USER:?}\npassword = {password:?}\nfrom = \"kafka@example.com\"\n\
             to = [\"oncall@example.com\"]\n",
            self.port,
            self.certificates.authority()
        )
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("mails")
    }

    /// What it took.
    fn mails(&self) -> Vec<Mail> {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        // The last line may be under way.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| serde_json::from_str(line).expect("a mail in the log")).collect()
    }

    /// Everything that was said to it since it came.
    pub(super) fn heard(&self) -> String {
        self.running.as_ref().expect("the mail server runs").heard()
    }

    /// Waits for the `count`th mail, and gives it. More would be a mistake of barnabas.
    #[track_caller]
    pub(super) fn wait_for_mail(&self, count: usize) -> Mail {
        let mails = wait_for(LIMIT, &format!("mail {count}"), || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        });
        let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(mails.len(), count, "{subjects:#?}");
        mails.into_iter().next_back().expect("there is one")
    }

    /// Waits for the `count`th mail, which must be that of mark `number`: nothing came between it and the one before.
    #[track_caller]
    pub(super) fn wait_for_mark(&self, count: usize, number: u32) -> Mail {
        let mail = self.wait_for_mail(count);
        assert!(mail.subject.starts_with(&format!("[WARNING] This is mark {number}")), "{}", mail.subject);
        mail
    }
}

/// The tables of a channel that posts Alertmanager's document to `url`.
pub(super) fn webhook_channel(name: &str, url: &str) -> String {
    format!("[notify.{name}]\n{SOON}[notify.{name}.webhook]\nurl = {url:?}\nformat = \"alertmanager\"\n")
}

/// The tables of a channel that starts a program.
pub(super) fn command_channel(name: &str, run: &[&str]) -> String {
    format!("[notify.{name}]\n{SOON}[notify.{name}.command]\nrun = {run:?}\n")
}

/// The alerts of this name that fire or are pending, as `alerts list --json` has them.
#[track_caller]
pub(super) fn alerts(barnabas: &Barnabas, name: &str) -> Vec<Value> {
    let listed = barnabas.json(&["alerts", "list"]);
    listed.as_array().expect("an array").iter().filter(|alert| alert["name"] == name).cloned().collect()
}

/// The first alert of this name that fulfils `condition`.
#[track_caller]
pub(super) fn wait_for_alert(barnabas: &Barnabas, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let what = format!("alert {name} is as wanted");
    wait_for(LIMIT, &what, || alerts(barnabas, name).into_iter().find(|alert| condition(alert)))
}

/// Of an alert in Alertmanager's document: its name, and whether it fires. Where it begins and ends are times.
#[track_caller]
pub(super) fn name_and_status(alert: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {alert:#}")).to_owned();
    let status = text(&alert["status"]);
    let times = ["startsAt", "endsAt"].map(|name| text(&alert[name]));
    assert!(rfc3339::parse(&times[0]).is_some() && rfc3339::parse(&times[1]).is_some(), "{times:?}");
    assert_eq!(times[1] == "0001-01-01T00:00:00Z", status == "firing", "{alert:#}");
    (text(&alert["labels"]["alertname"]), status)
}

/// Status and body of a page.
pub(super) fn get(port: u16, path: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(format!("http://127.0.0.1:{port}{path}")).call().expect("an answer");
    (answer.status().as_u16(), answer.body_mut().read_to_string().expect("a body"))
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The table that opens the pages at `port`.
pub(super) fn http(port: u16) -> String {
    format!("[http]\nlisten = \"127.0.0.1:{port}\"\n")
}
