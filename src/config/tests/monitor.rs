//! `[monitor]`, `[[alert]]` and `[notify]`: every key, every default, and what is a warning.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::logic::alert::{Condition, LabelGlob, Metric, NoData, Rule, Severity};

const CLUSTER: &str = "[kafka]\nbootstrap_servers = [\"kafka-1:9092\"]\n";
const MAIL: &str = "smtp = \"smtp.example.com:587\"\nfrom = \"kafka@example.com\"\nto = [\"oncall@example.com\"]\n";

/// A file with a cluster, and what else it is about.
fn with(rest: &str) -> Config {
    good(&format!("{CLUSTER}{rest}"))
}

/// The only rule of a file.
fn rule(keys: &str) -> Rule {
    with(&format!("[[alert]]\nname = \"a\"\nnotify = []\n{keys}\n")).alerts.remove(0)
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(60 * number)
}

/// Of every_key.toml.
pub(super) fn check_every_key(config: &Config, folder: &Path) {
    let monitor = config.monitor.clone().unwrap();
    assert_eq!(monitor.clusters, ["east"]);
    assert_eq!((monitor.interval, monitor.slow_interval), (Duration::from_secs(10), minutes(1)));
    assert_eq!(
        (monitor.topics.include, monitor.topics.exclude.join(",")),
        (vec!["event".to_owned(), "/ev.*/".to_owned()], "event-test-*".to_owned())
    );
    assert_eq!(monitor.groups.include, ["*"], "all but what is left out");
    assert_eq!((monitor.groups.exclude.join(","), monitor.max_series), ("console-consumer-*".to_owned(), 500));
    let heartbeat = monitor.heartbeat.unwrap();
    assert_eq!((heartbeat.interval, heartbeat.webhook.method.as_str()), (minutes(2), "GET"));
    assert_eq!(heartbeat.webhook.url.reveal(), "https://hc.example.com/hunter2");
    assert_eq!(heartbeat.webhook.display_url, "https://hc.example.com/…", "the path is the password");
    assert_eq!((heartbeat.webhook.headers.len(), heartbeat.webhook.idempotency_header), (0, None));
    let [all, seventh] = &monitor.jmx.get("east").unwrap()[..] else { panic!("two sources") };
    assert_eq!((all.broker, all.url.as_str(), all.timeout), (None, "jmx://{host}:9999", Duration::from_secs(3)));
    assert_eq!((all.username.as_deref(), &all.password), (Some("monitor"), &Some(Secret::new("hunter2"))));
    assert_eq!(all.tls.clone().unwrap().ca_file, Some(folder.join("ca.pem")));
    assert_eq!((seventh.broker, seventh.timeout), (Some(7), Duration::from_secs(5)));
    assert_eq!((&seventh.username, &seventh.password, &seventh.tls), (&None, &None, &None));

    let [disk, asleep, down] = &config.alerts[..] else { panic!("three rules") };
    let glob = |label: &str, glob: &str| LabelGlob { label: label.to_owned(), glob: glob.to_owned() };
    let gib = f64::from(1 << 30);
    assert_eq!(
        *disk,
        Rule {
            name: "disk".to_owned(),
            metric: Metric::named("disk_used_bytes").unwrap(),
            labels: vec![glob("broker", "1*"), glob("cluster", "east")],
            condition: Condition::Above(10.0 * gib),
            clear_at: 9.0 * gib,
            hold: minutes(2),
            no_data: NoData::Fire,
            severity: Severity::Critical,
            summary: Some("Auf {dir} von {broker} sind {value} belegt ({threshold})".to_owned()),
            runbook: Some("https://wiki.example.com/disk".to_owned()),
            notify: vec!["hook".to_owned(), "ops".to_owned()],
        }
    );
    assert_eq!((asleep.condition, asleep.clear_at, asleep.notify.len()), (Condition::AtLeast(2.0), 1.0, 0));
    assert_eq!(down.notify, ["ops", "hook", "robot", "sms"], "all channels, in the order of the file");
    assert_eq!((down.condition, down.clear_at), (Condition::Below(1.0), 1.0));
    assert_eq!((down.hold, down.no_data, down.severity), (Duration::ZERO, NoData::Keep, Severity::Warning));

    let [ops, hook, robot, sms] = &config.channels[..] else { panic!("four channels") };
    assert_eq!((ops.channel.group_wait, ops.channel.group_interval), (Duration::ZERO, minutes(1)));
    assert_eq!((ops.channel.repeat_interval, ops.channel.min_severity), (minutes(60), Severity::Warning));
    let TransportSettings::Email(email) = &ops.transport else { panic!("{ops:?}") };
    assert_eq!((email.smtp.to_string().as_str(), email.encryption), ("[::1]:465", Encryption::Tls));
    assert_eq!(email.tls.ca_file, Some(folder.join("ca.pem")));
    assert_eq!(email.login, Some(("barnabas".to_owned(), Secret::new("hunter2"))));
    assert_eq!(email.from.to_string(), "Kafka <kafka@example.com>");
    let to: Vec<_> = email.to.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["oncall@example.com", "\"Meier, Eva\" <eva@example.com>"]);
    assert_eq!(email.timeout, Duration::from_secs(20));
    let TransportSettings::Webhook(hook) = &hook.transport else { panic!("{hook:?}") };
    assert_eq!(hook.body, NotifyBody::Jq("{ text: .status }".to_owned()));
    assert_eq!((hook.webhook.method.as_str(), hook.webhook.display_url.as_str()), ("PUT", "https://h/…"));
    assert_eq!((hook.webhook.idempotency_header.as_deref(), hook.webhook.outcomes.len()), (Some("X-Id"), 1));
    assert_eq!(robot.channel.group_wait, Duration::from_secs(30));
    let TransportSettings::Webhook(robot) = &robot.transport else { panic!("{robot:?}") };
    assert_eq!(robot.body, NotifyBody::Feishu(Some(Secret::new("hunter2"))));
    let command =
        CommandSettings { run: ["/bin/sh", "-c", "true"].map(str::to_owned).into(), timeout: Duration::from_secs(5) };
    assert_eq!(sms.transport, TransportSettings::Command(command));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn whoever_names_no_key_gets_every_default() {
    let monitor = with("[monitor]\n").monitor.unwrap();
    assert_eq!((monitor.interval, monitor.slow_interval), (Duration::from_secs(30), minutes(5)));
    assert_eq!((monitor.clusters, monitor.max_series), (vec!["default".to_owned()], 20_000));
    assert_eq!((monitor.topics.include, monitor.groups.exclude.len()), (vec!["*".to_owned()], 0));
    let slow = with("[monitor]\ninterval = \"1h\"\n").monitor.unwrap();
    assert_eq!(slow.slow_interval, minutes(60), "never shorter than the interval");
    let beat = with("[monitor]\nheartbeat = { url = \"https://h/\" }\n").monitor.unwrap().heartbeat.unwrap();
    assert_eq!(beat.interval, minutes(1));
    let channel = with(&format!("[notify.a.email]\n{MAIL}")).channels.remove(0);
    assert_eq!((channel.channel.group_wait, channel.channel.group_interval), (Duration::from_secs(30), minutes(5)));
    assert_eq!((channel.channel.repeat_interval, channel.channel.min_severity), (minutes(240), Severity::Info));
    let TransportSettings::Email(email) = channel.transport else { panic!("mail") };
    assert_eq!((email.encryption, email.login, email.timeout), (Encryption::Starttls, None, Duration::from_secs(30)));
    let hook = with("[notify.a.webhook]\nurl = \"https://h/\"\n").channels.remove(0);
    let TransportSettings::Webhook(hook) = hook.transport else { panic!("a webhook") };
    assert_eq!((hook.body, hook.webhook.display_url.as_str()), (NotifyBody::Alertmanager, "https://h/"));
    let rule = rule("metric = \"group_lag\"\nabove = 1000");
    assert_eq!((rule.clear_at, rule.summary, rule.runbook), (1000.0, None, None));
}

#[test]
fn clusters_are_watched_where_monitor_says_so_or_a_rule_asks_about_one() {
    let alert = |metric: &str| format!("[[alert]]\nname = \"a\"\nmetric = \"{metric}\"\nabove = 1\nnotify = []\n");
    assert_eq!(with("").monitor, None);
    assert_eq!(with(&alert("forward_lag")).monitor, None, "of this process");
    assert_eq!(with(&alert("group_lag")).monitor.unwrap().clusters, ["default"]);
    let two = format!("{}[clusters.b]\nbootstrap_servers = [\"b:1\"]\n", alert("group_lag"));
    assert_eq!(with(&two).monitor.unwrap().clusters, ["b", "default"]);
}

#[test]
fn a_threshold_is_a_number_or_is_written_with_the_unit_of_its_metric() {
    for (line, condition) in [
        ("metric = \"group_lag\"\nabove = 1_000", Condition::Above(1000.0)),
        ("metric = \"leader_skew_percent\"\nbelow = -12.5", Condition::Below(-12.5)),
        ("metric = \"group_lag_seconds\"\nabove = 90", Condition::Above(90.0)),
        ("metric = \"group_lag_seconds\"\nabove = \"1m30s\"", Condition::Above(90.0)),
        ("metric = \"broker_latency_seconds\"\nabove = \"250ms\"", Condition::Above(0.25)),
        ("metric = \"disk_full_in_seconds\"\nbelow = \"2d\"", Condition::Below(172_800.0)),
        ("metric = \"topic_bytes\"\nat_least = \"1KiB\"", Condition::AtLeast(1024.0)),
        ("metric = \"broker_bytes_in_per_second\"\nabove = \"1MB\"", Condition::Above(1e6)),
        ("metric = \"group_status\"\nat_least = \"stop\"", Condition::AtLeast(4.0)),
        ("metric = \"forward_suspended\"\nabove = 0", Condition::Above(0.0)),
    ] {
        assert_eq!(rule(line).condition, condition, "{line}");
    }
}

#[test]
fn a_summary_may_have_braces_that_name_nothing() {
    for summary in ["{{group}} of {group}", "{ value } and {}", "{value", "100 % of {{x}}"] {
        let read = rule(&format!("metric = \"group_lag\"\nabove = 1\nsummary = '{summary}'"));
        assert_eq!(read.summary.as_deref(), Some(summary));
    }
}

#[test]
fn what_of_a_channel_does_not_stop_a_start_is_a_warning() {
    let mail = |rest: &str| format!("[notify.a.email]\n{MAIL}{rest}\n");
    let login = "username = \"u\"\npassword = \"${KAFKA_PASSWORD}\"";
    let alert = "[[alert]]\nname = \"a\"\nmetric = \"dead_letters\"\nabove = 0\n";
    for (rule, text, expected) in [
        ("nothing to say", mail(login), ""),
        (
            "a login in the clear",
            mail(&format!("encryption = \"none\"\n{login}")),
            ":7:14: [notify.a.email] sends its password unencrypted; use encryption = \"starttls\" or \"tls\"",
        ),
        ("a plain relay without a login", mail("encryption = \"none\""), ""),
        ("STARTTLS on the port of implicit TLS", mail("").replace("587", "465"), "encryption = \"tls\""),
        ("implicit TLS on its port", mail("encryption = \"tls\"").replace("587", "465"), ""),
        (
            "a program that is not there",
            "[notify.a.command]\nrun = [\"/no/such\"]\n".to_owned(),
            "/no/such is no program",
        ),
        ("a program", "[notify.a.command]\nrun = [\"/bin/sh\"]\n".to_owned(), ""),
        ("a rule without a channel", alert.to_owned(), "nobody is told"),
        ("a rule that says that this is meant", format!("{alert}notify = []\n"), ""),
    ] {
        let warnings = with(&text).warnings.join("\n");
        assert!(warnings.contains(expected) && warnings.is_empty() == expected.is_empty(), "{rule}: {warnings}");
    }
}

#[test]
fn no_slip_of_a_single_key_shows_a_password_or_the_path_of_a_robot() {
    let text = format!(
        "{CLUSTER}[monitor]\nheartbeat = {{ url = \"https://hc.example.com/QZXJWV7\", interval = \"1m\" }}\n\
         [notify.a.email]\n{MAIL}username = \"u\"\npassword = \"QZXJWV7\"\n\
         [notify.hook.webhook]\nurl = \"https://hooks.example.com/services/QZXJWV7\"\n\
         format = \"dingtalk\"\nrobot_secret = \"QZXJWV7\"\n"
    );
    assert_no_slip_shows_a_secret(&text);
}

#[test]
fn brokers_tell_their_load_by_one_url_for_all_or_an_entry_for_each() {
    let two = "[clusters.b]\nbootstrap_servers = [\"b:1\"]\n";
    let all = with(&format!("{two}[monitor]\njmx = \"jmx://{{host}}:9999\"\n")).monitor.unwrap().jmx;
    assert_eq!(all.keys().collect::<Vec<_>>(), ["b", "default"], "every cluster that is watched");
    let list = "jmx = [{ url = \"jmx://{host}:1\" }, { broker = 2, url = \"http://kafka-2:8778/jolokia\" }]\n";
    let sources = with(&format!("[monitor]\n{list}")).monitor.unwrap().jmx.remove("default").unwrap();
    let url = |broker| JmxSettings::of_broker(&sources, broker).map(|source| source.url.as_str());
    assert_eq!((url(1), url(2)), (Some("jmx://{host}:1"), Some("http://kafka-2:8778/jolokia")));
    let named = with("[monitor]\njmx = [{ broker = 2, url = \"jmx://k:1\" }]\n").monitor.unwrap().jmx;
    assert_eq!(JmxSettings::of_broker(named.get("default").unwrap(), 1), None);
    assert_eq!(with("[monitor]\n").monitor.unwrap().jmx.len(), 0);
}

#[test]
fn a_password_that_would_travel_to_a_broker_as_it_is_is_a_warning() {
    let warnings = |entry: &str| {
        let config = with(&format!(
            "[monitor]\njmx = [{{ broker = 1, {entry}, username = \"m\", password = \"${{KAFKA_PASSWORD}}\" }}]\n"
        ));
        config.warnings.iter().filter(|warning| warning.contains("unencrypted")).count()
    };
    for (entry, expected) in [
        ("url = \"jmx://k:1\"", 1),
        ("url = \"jmx://k:1\", tls = {}", 0),
        ("url = \"http://k:1/jolokia\"", 1),
        ("url = \"https://k:1/metrics\"", 0),
    ] {
        assert_eq!(warnings(entry), expected, "{entry}");
    }
}
