//! `[notify.NAME]`: a channel over which alerts are told, by mail, webhook or a program. Sends nothing, runs nothing and
//! compiles no jq.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::address::parse_host_port;
use super::cluster::{check_name, read_tls};
use super::mailbox::parse_mailbox;
use super::reader::Section;
use super::schema::{
    CommandSettings, EmailSettings, Encryption, HostPort, NotifyBody, NotifySettings, NotifyWebhookSettings, Secret,
    TransportSettings,
};
use super::webhook::read_notify_webhook;
use crate::logic::alert::{ChannelSettings, Severity};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The limit on a mail or a program unless given.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Submission over TLS from the first byte (RFC 8314 section 7.3).
const SUBMISSIONS: u16 = 465;

pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// The channels, and the names of all of them, also of those that are wrong.
pub(super) fn read_channels(top: &mut Section<'_>) -> (Vec<NotifySettings>, Vec<String>) {
    let (mut channels, mut names) = (Vec::new(), Vec::new());
    for (name, span, section) in top.named_sections("notify") {
        if let Err(message) = check_name(name) {
            top.reading.problem(span, format!("the name of a channel: {message}"), None);
        }
        names.push(name.to_owned());
        channels.extend(read_channel(name, section));
    }
    (channels, names)
}

fn read_channel(name: &str, mut section: Section<'_>) -> Option<NotifySettings> {
    let channel = ChannelSettings {
        name: name.to_owned(),
        group_wait: section.duration("group_wait", Duration::ZERO..=HOUR).unwrap_or(TIMEOUT),
        group_interval: section.duration("group_interval", SECOND..=DAY).unwrap_or(5 * MINUTE),
        repeat_interval: section.duration("repeat_interval", MINUTE..=30 * DAY).unwrap_or(4 * HOUR),
        min_severity: section.choice("min_severity", &SEVERITIES).unwrap_or(Severity::Info),
    };
    if channel.repeat_interval < channel.group_interval {
        let key = if section.has("repeat_interval") { "repeat_interval" } else { "group_interval" };
        let hint = Some("what still fires is repeated after `repeat_interval`; it must be the longer one".to_owned());
        section.problem_at(key, "`repeat_interval` is shorter than `group_interval`", hint);
    }
    let email = section.section("email").and_then(read_email);
    let webhook = section.section("webhook").map(read_webhook);
    let command = section.section("command").and_then(read_command);
    const WAYS: [&str; 3] = ["email", "webhook", "command"];
    let given: Vec<&str> = WAYS.into_iter().filter(|way| section.has(way)).collect();
    match given[..] {
        [] => {
            let hint = Some(format!("for example: [notify.{name}.email] with smtp, from and to"));
            let message = format!("`email`, `webhook` or `command` is missing {}", section.place());
            section.reading.problem(section.span.clone(), message, hint);
        }
        [_] => {}
        [first, second, ..] => {
            let hint = Some("give each way a channel of its own; an alert may name several in `notify`".to_owned());
            section.problem_at(second, format!("`{first}` is there, too; a channel has one way to tell"), hint);
        }
    }
    section.finish();
    let email = email.map(|email| TransportSettings::Email(Box::new(email)));
    let webhook = webhook.map(|webhook| TransportSettings::Webhook(Box::new(webhook)));
    let transport = email.or(webhook).or(command.map(TransportSettings::Command))?;
    Some(NotifySettings { channel, transport })
}

fn read_email(mut section: Section<'_>) -> Option<EmailSettings> {
    section.require("smtp", "smtp = \"smtp.example.com:587\"");
    section.require("from", "from = \"kafka@example.com\"");
    section.require("to", "to = [\"oncall@example.com\"]");
    let smtp = section.parsed("smtp", "a string", parse_smtp);
    let encryptions = [("starttls", Encryption::Starttls), ("tls", Encryption::Tls), ("none", Encryption::None)];
    let encryption = section.choice("encryption", &encryptions).unwrap_or(Encryption::Starttls);
    let tls = section.section("tls").map(read_tls);
    if tls.is_some() && encryption == Encryption::None {
        let hint = Some("use encryption = \"starttls\" or \"tls\", or remove it".to_owned());
        section.problem_at("tls", "it has no effect, because encryption is \"none\"", hint);
    }
    let login = read_login(&mut section);
    warn_about_encryption(&section, smtp.as_ref(), encryption, login.is_some());
    let from = section.parsed("from", "a string", parse_mailbox);
    let to = section.list("to", parse_mailbox);
    let timeout = section.duration("timeout", SECOND..=HOUR).unwrap_or(TIMEOUT);
    section.finish();
    Some(EmailSettings { smtp: smtp?, encryption, tls: tls.unwrap_or_default(), login, from: from?, to: to?, timeout })
}

fn parse_smtp(text: &str) -> Result<HostPort, String> {
    if !text.contains(':') {
        const PORTS: &str = "587 with STARTTLS, 465 with TLS from the first byte, 25 for a relay";
        return Err(format!("the port is missing, as in \"smtp.example.com:587\": mostly {PORTS}"));
    }
    parse_host_port(text)
}

/// `username` with `password` or `password_file`, or none of them.
pub(super) fn read_login(section: &mut Section<'_>) -> Option<(String, Secret)> {
    let username = section.parsed("username", "a string", |name| {
        if name.chars().any(char::is_control) {
            return Err("a user's name has no control characters".to_owned());
        }
        Ok(name.to_owned())
    });
    let password = ["password", "password_file"].into_iter().find(|key| section.has(key));
    match (section.has("username"), password) {
        (false, None) => {
            // So that both are known here.
            section.known(&["password", "password_file"]);
            None
        }
        (false, Some(key)) => {
            section.known(&["password", "password_file"]);
            let hint = Some("a login needs both; without a login remove the password".to_owned());
            section.problem_at(key, "`username` is missing", hint);
            None
        }
        (true, _) => Some((username.unwrap_or_default(), section.secret("password", "password_file")?)),
    }
}

fn warn_about_encryption(section: &Section<'_>, smtp: Option<&HostPort>, encryption: Encryption, has_login: bool) {
    let title = section.title();
    if has_login && encryption == Encryption::None {
        section.reading.warning(
            section.span_of("encryption").start,
            format!("{title} sends its password unencrypted; use encryption = \"starttls\" or \"tls\""),
        );
    }
    if smtp.is_some_and(|smtp| smtp.port == SUBMISSIONS) && encryption != Encryption::Tls {
        section.reading.warning(
            section.span_of("smtp").start,
            format!("{title}: servers expect TLS from the first byte on port 465; that is encryption = \"tls\""),
        );
    }
}

fn read_webhook(mut section: Section<'_>) -> NotifyWebhookSettings {
    #[derive(Clone, Copy, PartialEq)]
    enum Format {
        Alertmanager,
        DingTalk,
        WeCom,
        Feishu,
    }
    let formats = [
        ("alertmanager", Format::Alertmanager),
        ("dingtalk", Format::DingTalk),
        ("wecom", Format::WeCom),
        ("feishu", Format::Feishu),
    ];
    let format = section.choice("format", &formats);
    let body = section.text("body");
    if section.has("format") && section.has("body") {
        let hint = Some("`body` is jq over the document that format = \"alertmanager\" sends".to_owned());
        section.problem_at("body", "`format` is there, too; keep one of them", hint);
    }
    let secret_key = ["robot_secret", "robot_secret_file"].into_iter().find(|key| section.has(key));
    let secret = match secret_key {
        Some(key) => {
            let secret = section.secret("robot_secret", "robot_secret_file");
            let signs =
                matches!(format, Some(Format::DingTalk | Format::Feishu)) || section.has("format") && format.is_none();
            if !signs {
                let hint = Some("only format = \"dingtalk\" and \"feishu\" sign what they send; remove it".to_owned());
                section.problem_at(key, "it has no effect with this format", hint);
            }
            secret
        }
        None => {
            section.known(&["robot_secret", "robot_secret_file"]);
            None
        }
    };
    let body = match (body, format) {
        (Some(program), _) => NotifyBody::Jq(program),
        (None, Some(Format::DingTalk)) => NotifyBody::DingTalk(secret),
        (None, Some(Format::WeCom)) => NotifyBody::WeCom,
        (None, Some(Format::Feishu)) => NotifyBody::Feishu(secret),
        (None, Some(Format::Alertmanager) | None) => NotifyBody::Alertmanager,
    };
    NotifyWebhookSettings { webhook: read_notify_webhook(section), body }
}

fn read_command(mut section: Section<'_>) -> Option<CommandSettings> {
    section.require("run", "run = [\"/usr/local/bin/sms\", \"+49…\"]");
    let run = section.list("run", |argument| {
        if argument.contains('\0') { Err("an argument has no zero byte".to_owned()) } else { Ok(argument.to_owned()) }
    });
    let timeout = section.duration("timeout", SECOND..=HOUR).unwrap_or(TIMEOUT);
    if let Some(program) = run.as_ref().and_then(|run| run.first()) {
        check_program(&section, Path::new(program));
    }
    section.finish();
    Some(CommandSettings { run: run?, timeout })
}

/// That a program is not there does not stop a start: what depends on it is one channel.
fn check_program(section: &Section<'_>, program: &Path) {
    if !program.is_absolute() {
        let hint = Some("no shell and no PATH is used; for a script: [\"/bin/sh\", \"/path/to/script\"]".to_owned());
        section.problem_at("run", "the program must be an absolute path", hint);
        return;
    }
    let executable = std::fs::metadata(program)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    if !executable {
        let warning = format!("{} is no program that can be run: {}", program.display(), section.title());
        section.reading.warning(section.span_of("run").start, warning);
    }
}
