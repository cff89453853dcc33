//! What a configuration says of watching, alerts and channels, in a line each: for a person who wants to see whether it
//! says what they meant. Secrets and the paths of robots' URLs are not in it.

use std::time::Duration;

use crate::config::jmx_address;
use crate::config::schema::{
    Config, Encryption, JmxSettings, NotifyBody, NotifySettings, Selection, TransportSettings,
};
use crate::config::{display_duration, display_size};
use crate::logic::alert::{Condition, Metric, NoData, Rule, Severity, Unit};
use crate::logic::watch::view::GroupStatus;

/// How many recipients of a mail are named.
const SHOWN_RECIPIENTS: usize = 3;

/// The lines, each with its end.
pub(super) fn summary(config: &Config) -> String {
    let mut lines = Vec::new();
    if let Some(monitor) = &config.monitor {
        let heartbeat = monitor.heartbeat.as_ref().map(|heartbeat| {
            format!(", heartbeat every {} to {}", display_duration(heartbeat.interval), heartbeat.webhook.display_url)
        });
        lines.push(format!(
            "monitor: {} every {}, topics {}, groups {}{}",
            monitor.clusters.join(", "),
            display_duration(monitor.interval),
            selection(&monitor.topics),
            selection(&monitor.groups),
            heartbeat.unwrap_or_default(),
        ));
        lines.extend(monitor.jmx.iter().flat_map(|(cluster, sources)| loads(cluster, sources)));
    }
    lines.extend(config.alerts.iter().map(|rule| alert(rule, &config.channels)));
    lines.extend(config.channels.iter().map(channel));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A line for each source of brokers' loads.
fn loads(cluster: &str, sources: &[JmxSettings]) -> impl Iterator<Item = String> {
    let several = sources.len() > 1;
    sources.iter().map(move |source| {
        let whom = match source.broker {
            Some(broker) => format!("broker {broker}"),
            None if several => "every other broker".to_owned(),
            None => "every broker".to_owned(),
        };
        let login = source.username.as_ref().map(|name| format!(", login {name}")).unwrap_or_default();
        let tls = if source.tls.is_some() { ", TLS" } else { "" };
        format!("load of {whom} of {cluster}: {}{login}{tls}", jmx_address::shown(&source.url))
    })
}

fn selection(selection: &Selection) -> String {
    let included = selection.include.join(" ");
    let excluded: String = selection.exclude.iter().map(|pattern| format!(" !{pattern}")).collect();
    included + &excluded
}

fn alert(rule: &Rule, channels: &[NotifySettings]) -> String {
    let labels: Vec<String> = rule.labels.iter().map(|label| format!("{}={}", label.label, label.glob)).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" of {}", labels.join(" ")) };
    let (word, threshold, over) = match rule.condition {
        Condition::Above(threshold) => ("above", threshold, "over at"),
        Condition::Below(threshold) => ("below", threshold, "over at"),
        Condition::AtLeast(threshold) => ("at least", threshold, "over below"),
    };
    let hold = if rule.hold.is_zero() { String::new() } else { format!(" for {}", display_duration(rule.hold)) };
    let clear_at = if rule.clear_at == threshold {
        String::new()
    } else {
        format!(", {over} {}", figure(rule.metric, rule.clear_at))
    };
    let no_data = match rule.no_data {
        NoData::Keep => "",
        NoData::Fire => ", fires without data",
        NoData::Resolve => ", over without data",
    };
    let severity =
        if rule.severity == Severity::default() { String::new() } else { format!(", {}", rule.severity.name()) };
    let told = channels.iter().filter(|channel| rule.notify.contains(&channel.channel.name));
    let told: Vec<String> =
        told.map(|channel| format!("{} ({})", channel.channel.name, recipient(&channel.transport))).collect();
    let told = if told.is_empty() { "nobody; it is shown only".to_owned() } else { told.join(", ") };
    format!(
        "alert {}: {}{labels} {word} {}{hold}{clear_at}{no_data}{severity} -> {told}",
        rule.name,
        rule.metric.name,
        figure(rule.metric, threshold),
    )
}

/// A figure of a metric, with its unit.
fn figure(metric: Metric, figure: f64) -> String {
    match metric.unit {
        Unit::GroupStatus => match GroupStatus::ALL.iter().find(|status| f64::from(status.number()) == figure) {
            Some(status) => status.name().to_owned(),
            None => figure.to_string(),
        },
        Unit::Seconds => match Duration::try_from_secs_f64(figure) {
            Ok(duration) if duration.as_millis() > 0 => display_duration(duration),
            _ => format!("{figure}s"),
        },
        Unit::Bytes if is_whole(figure) => display_size(figure as u64),
        Unit::BytesPerSecond if is_whole(figure) => format!("{} a second", display_size(figure as u64)),
        Unit::Percent => format!("{figure} %"),
        Unit::PerSecond => format!("{figure} a second"),
        Unit::Bytes | Unit::BytesPerSecond | Unit::Count | Unit::Boolean => figure.to_string(),
    }
}

/// Whether it is a number of bytes that can be written as one.
fn is_whole(figure: f64) -> bool {
    figure >= 0.0 && figure < u64::MAX as f64 && figure.fract() == 0.0
}

/// Whom a channel tells, in a few words.
fn recipient(transport: &TransportSettings) -> String {
    match transport {
        TransportSettings::Email(email) => {
            let more = match email.to.len().saturating_sub(SHOWN_RECIPIENTS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let shown: Vec<String> = email.to.iter().take(SHOWN_RECIPIENTS).map(ToString::to_string).collect();
            format!("mail to {}{more}", shown.join(", "))
        }
        TransportSettings::Webhook(webhook) => format!("{} {}", webhook.webhook.method, webhook.webhook.display_url),
        // Its arguments may be anything.
        TransportSettings::Command(command) => command.run.first().cloned().unwrap_or_default(),
    }
}

fn channel(channel: &NotifySettings) -> String {
    let how = match &channel.transport {
        TransportSettings::Email(email) => {
            let encryption = match email.encryption {
                Encryption::Starttls => "STARTTLS",
                Encryption::Tls => "TLS",
                Encryption::None => "no encryption",
            };
            let login = email.login.as_ref().map_or("no login".to_owned(), |(name, _)| format!("login {name}"));
            format!(" from {} over {} ({encryption}, {login})", email.from, email.smtp)
        }
        TransportSettings::Webhook(webhook) => match webhook.body {
            NotifyBody::Alertmanager => ", as Alertmanager does",
            NotifyBody::DingTalk(_) => ", for a DingTalk robot",
            NotifyBody::WeCom => ", for a WeCom robot",
            NotifyBody::Feishu(_) => ", for a Feishu robot",
            NotifyBody::Jq(_) => ", a body of its own",
        }
        .to_owned(),
        TransportSettings::Command(_) => String::new(),
    };
    let settings = &channel.channel;
    let least = match settings.min_severity {
        Severity::Info => String::new(),
        severity => format!(", from {} on", severity.name()),
    };
    format!(
        "channel {}: {}{how}; repeated every {}{least}",
        settings.name,
        recipient(&channel.transport),
        display_duration(settings.repeat_interval),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    #[test]
    fn alerts_and_channels_are_said_in_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("barnabas.toml");
        let text = r#"
            [kafka]
            bootstrap_servers = ["k:1"]
            [monitor]
            topics = ["event", "!event-test"]
            heartbeat = { url = "https://hc.example.com/hunter2" }
            jmx = [
              { url = "jmx://{host}:9999", username = "m", password = "hunter2", tls = {} },
              { broker = 2, url = "http://kafka-2/metrics?token=hunter2" },
            ]
            [[alert]]
            name = "load"
            metric = "broker_load_percent"
            above = 80
            clear_at = 70
            for = "2m"
            notify = ["ops"]
            [[alert]]
            name = "full"
            metric = "disk_full_in_seconds"
            labels = { broker = "1", dir = "/d*" }
            below = "36h"
            severity = "critical"
            no_data = "fire"
            [[alert]]
            name = "status"
            metric = "group_status"
            at_least = "stall"
            clear_at = "warning"
            notify = []
            [[alert]]
            name = "bytes"
            metric = "topic_bytes"
            above = "10GiB"
            notify = ["sms"]
            [notify.ops.email]
            smtp = "smtp.example.com:587"
            username = "barnabas"
            password = "hunter2"
            from = "kafka@example.com"
            to = ["a@example.com", "b@example.com", "c@example.com", "d@example.com"]
            [notify.hook]
            min_severity = "warning"
            [notify.hook.webhook]
            url = "https://hooks.example.com/services/hunter2?key=hunter2"
            format = "wecom"
            [notify.sms.command]
            run = ["/bin/sh", "+49"]
        "#;
        std::fs::write(&path, text).expect("written");
        let config = load(&path, &Environment::default()).expect("a configuration").config;
        let ops = "ops (mail to a@example.com, b@example.com, c@example.com and 1 more)";
        let expected = [
            "monitor: default every 30s, topics event !event-test, groups *, heartbeat every 1m to https://hc.example.com/…",
            "load of every other broker of default: jmx://{host}:9999, login m, TLS",
            "load of broker 2 of default: http://kafka-2/metrics",
            &format!("alert load: broker_load_percent above 80 % for 2m, over at 70 % -> {ops}"),
            &format!(
                "alert full: disk_full_in_seconds of broker=1 dir=/d* below 1d12h, fires without data, critical -> {ops}, \
                 hook (POST https://hooks.example.com/…), sms (/bin/sh)"
            ),
            "alert status: group_status at least stall, over below warning -> nobody; it is shown only",
            "alert bytes: topic_bytes above 10GiB -> sms (/bin/sh)",
            "channel ops: mail to a@example.com, b@example.com, c@example.com and 1 more from kafka@example.com over \
             smtp.example.com:587 (STARTTLS, login barnabas); repeated every 4h",
            "channel hook: POST https://hooks.example.com/…, for a WeCom robot; repeated every 4h, from warning on",
            "channel sms: /bin/sh; repeated every 4h",
        ];
        assert_eq!(summary(&config).lines().collect::<Vec<_>>(), expected);
    }
}
