//! Watching and alerting from end to end: a group of a real Kafka falls behind, and a person gets one mail, and one when it
//! is over, whatever happens to barnabas, the mail server or the configuration meanwhile. That nothing more was sent is
//! proved by a mark: an alert that a test causes on purpose, and that has to be what comes next.

mod outage;
mod scene;

use std::fs;

use serde_json::{Value, json};

use crate::support::barnabas::Barnabas;
use crate::support::sink::Sink;
use crate::support::wait::{wait_for, wait_until};

use scene::{
    LAG, LIMIT, MailServer, PASSWORD, Scene, USER, alerts, command_channel, free_port, get, http, name_and_status,
    wait_for_alert, webhook_channel,
};

#[test]
fn a_lagging_group_is_told_once_and_its_end_in_the_same_thread() {
    let (scene, server, port) = (Scene::new("lagging"), MailServer::start(), free_port());
    let barnabas = Barnabas::start(&[scene.config(10, &["ops"]), server.channel("ops"), http(port)].concat());
    let Scene { topic, group, .. } = &scene;
    scene.fall_behind(&barnabas);

    let told = server.wait_for_mail(1);
    assert_eq!(
        told.subject,
        format!("[WARNING] Unread messages of group {group} in topic {topic} of cluster default: {LAG} (above 10)")
    );
    assert_eq!((told.user.as_deref(), told.tls), (Some(USER), true));
    for part in [group, topic, "backlog: group_lag above 10", "Firing: 1"] {
        assert!(told.text.contains(part), "{part}: {}", told.text);
        assert!(told.html.contains(part), "{part}: {}", told.html);
    }
    assert!(told.text.contains(&format!("Value: {LAG}")), "{}", told.text);
    assert!(told.html.contains(&format!(">{LAG}<")), "{}", told.html);
    assert_eq!(told.header("In-Reply-To"), None);

    let listed = barnabas.json(&["alerts", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed:#}");
    let alert = &listed[0];
    assert_eq!((&alert["name"], &alert["state"], &alert["value"]), (&json!("backlog"), &json!("firing"), &json!(20.0)));
    assert_eq!(alert["labels"], json!({"cluster": "default", "group": group, "topic": topic}));
    assert_eq!(alert["told"], json!(["ops"]));
    let status = barnabas.status().expect("it runs");
    assert_eq!(status["alerts"], listed, "every place says the same");
    let watched = &status["monitor"]["clusters"][0]["groups"];
    assert_eq!((&watched[0]["group"], &watched[0]["lag"]), (&json!(group), &json!(LAG)), "{watched:#}");
    assert_eq!(get(port, "/readyz"), (200, "ready\n".to_owned()), "a group that lags is not our failure");
    let metrics = get(port, "/metrics").1;
    for line in [
        "barnabas_alerts_firing{name=\"backlog\",severity=\"warning\"} 1".to_owned(),
        "barnabas_channel_failing{channel=\"ops\"} 0".to_owned(),
        format!("kafka_consumergroup_lag{{consumergroup=\"{group}\",topic=\"{topic}\",partition=\"0\"}} {LAG}"),
    ] {
        assert!(metrics.lines().any(|each| each == line), "{line} is missing in\n{metrics}");
    }

    scene.catch_up(&barnabas);
    let over = server.wait_for_mail(2);
    assert!(over.subject.starts_with("[RESOLVED] ") && over.subject.contains(group), "{}", over.subject);
    assert!(over.text.contains("Over: 1") && over.text.contains("Lasted"), "{}", over.text);
    assert_eq!(over.header("In-Reply-To"), told.header("Message-ID"));
    assert_eq!(over.header("References"), told.header("Message-ID"));
    assert_eq!(barnabas.json(&["alerts", "list"]), json!([]));
    assert!(!get(port, "/metrics").1.contains("name=\"backlog\""));
    scene.mark();
    server.wait_for_mark(3, 1);
}

#[test]
fn after_a_kill_nothing_is_told_twice_and_the_next_run_tells_the_end() {
    let (scene, server) = (Scene::new("killed"), MailServer::start());
    let mut barnabas = Barnabas::start(&[scene.config(10, &["ops"]), server.channel("ops")].concat());
    scene.fall_behind(&barnabas);
    let told = server.wait_for_mail(1);
    kill_when_taken(&mut barnabas);
    barnabas.run();
    scene.mark();
    server.wait_for_mark(2, 1);
    let known = wait_for_alert(&barnabas, "backlog", |alert| alert["state"] == "firing");
    assert_eq!(known["told"], json!(["ops"]));

    kill_when_taken(&mut barnabas);
    scene.catch_up(&barnabas);
    barnabas.run();
    let over = server.wait_for_mail(3);
    assert!(over.text.contains("Over: 1") && over.text.contains(&scene.group), "{}", over.text);
    assert_eq!(over.header("In-Reply-To"), told.header("Message-ID"));
    scene.mark();
    server.wait_for_mark(4, 2);
}

/// SIGKILL, not before it knows that the mail server took its last mail: else it would send that again, with the same id.
#[track_caller]
fn kill_when_taken(barnabas: &mut Barnabas) {
    wait_until(LIMIT, "the mail is known to be taken", || {
        let channel = &barnabas.status().expect("it runs")["channels"][0];
        channel["waiting"] == 0 && channel["last_taken_at"].is_string()
    });
    barnabas.kill9();
}

/// How many of its runs have said that a notice was not taken; each says so once for a reason.
fn attempts(barnabas: &Barnabas) -> usize {
    barnabas.log().matches("not told yet").count()
}

#[test]
fn what_a_mail_server_did_not_take_is_told_once_by_the_next_run_under_the_same_id() {
    let (scene, mut server) = (Scene::new("no-server"), MailServer::away());
    // It hears the mail, and never says that it took it.
    server.come(&["--slow", "600"]);
    let mut barnabas = Barnabas::start(&[scene.config(10, &["ops"]), server.channel("ops")].concat());
    scene.fall_behind(&barnabas);
    let id = wait_for(LIMIT, "the mail server hears the mail", || {
        let heard = server.heard();
        let (_, rest) = heard.split_once("Message-ID: ")?;
        Some(rest.split_once("\r\n")?.0.to_owned())
    });
    server.go();
    wait_until(LIMIT, "the first run fails to tell", || attempts(&barnabas) == 1);
    barnabas.kill9();
    barnabas.run();
    wait_until(LIMIT, "the second run tries, and fails", || attempts(&barnabas) == 2);

    server.come(&[]);
    let told = server.wait_for_mail(1);
    assert!(told.text.contains("Firing: 1") && told.text.contains(&scene.group), "{}", told.text);
    assert_eq!(told.header("Message-ID"), Some(id.as_str()));
    scene.mark();
    server.wait_for_mark(2, 1);
}

#[test]
fn a_recipient_that_is_deferred_gets_the_mail_a_little_later_and_nobody_twice() {
    let (scene, mut server) = (Scene::new("deferred"), MailServer::away());
    server.come(&["--defer", "boss@example.com:1"]);
    let two = server.channel("ops").replace("\"oncall@", "\"boss@example.com\", \"oncall@");
    let barnabas = Barnabas::start(&[scene.config(10, &["ops"]), two].concat());
    scene.fall_behind(&barnabas);
    let first = server.wait_for_mail(1);
    assert_eq!(first.to, ["oncall@example.com"]);
    let second = server.wait_for_mail(2);
    assert_eq!(second.to, ["boss@example.com"]);
    assert_eq!(first.header("Message-ID"), second.header("Message-ID"));
    scene.mark();
    assert_eq!(server.wait_for_mark(3, 1).to.len(), 2);
    assert_eq!(attempts(&barnabas), 0, "it is no failure of the channel");
}

#[test]
fn a_mail_that_is_under_way_at_a_stop_or_a_reload_is_not_sent_again() {
    let (scene, mut server) = (Scene::new("under-way"), MailServer::away());
    server.come(&["--slow", "1"]);
    let config = |above: i64| [scene.config(above, &["ops"]), server.channel("ops")].concat();
    let mut barnabas = Barnabas::start(&config(10));
    let heard = |count: usize| {
        wait_until(LIMIT, "the mail server hears a mail", || server.heard().matches("Message-ID: ").count() == count);
    };
    scene.fall_behind(&barnabas);
    heard(1);
    assert!(barnabas.terminate().success());
    barnabas.run();
    scene.mark();
    heard(2);
    barnabas.configure(&config(1000));
    reload(&barnabas, 1);
    server.wait_for_mark(2, 1);
    let over = server.wait_for_mail(3);
    assert!(over.text.contains("Over: 1") && over.text.contains(&scene.group), "{}", over.text);
    scene.mark();
    server.wait_for_mark(4, 2);
    heard(4);
}

#[test]
fn that_a_channel_fails_and_that_it_works_again_is_told_over_another_one() {
    let (scene, mut server, sink, port) = (Scene::new("fails"), MailServer::away(), Sink::start(), free_port());
    let config =
        [scene.config(10, &["ops", "hook"]), server.channel("ops"), webhook_channel("hook", &sink.url()), http(port)];
    let barnabas = Barnabas::start(&config.concat());
    scene.fall_behind(&barnabas);

    let first = sink.wait_for_accepted(1, LIMIT).remove(0).body;
    let of_document = ["version", "status", "receiver", "truncatedAlerts"].map(|key| first[key].clone());
    assert_eq!(of_document, [json!("4"), json!("firing"), json!("hook"), json!(0)], "{first:#}");
    let alert = &first["alerts"][0];
    assert_eq!(first["alerts"].as_array().map(Vec::len), Some(1), "{first:#}");
    assert_eq!(name_and_status(alert), ("backlog".to_owned(), "firing".to_owned()));
    let labels = json!({"alertname": "backlog", "severity": "warning", "cluster": "default", "group": scene.group, "topic": scene.topic});
    assert_eq!((&alert["labels"], &first["commonLabels"]), (&labels, &labels));
    assert_eq!(alert["annotations"]["value"], json!(LAG.to_string()));
    let fingerprint = alert["fingerprint"].as_str().expect("a fingerprint");
    assert!(fingerprint.len() == 16 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()), "{fingerprint}");

    // What became of the channel, by the sink's documents so far: "firing", then "resolved".
    let told = |status: &str| {
        let documents = sink.accepted();
        let alerts = documents.iter().filter_map(|each| each.body["alerts"].as_array()).flatten();
        let mut alerts = alerts.filter(|alert| alert["labels"]["channel"] == "ops");
        alerts.find(|alert| name_and_status(alert) == ("channel-failing".to_owned(), status.to_owned())).cloned()
    };
    let failing = wait_for(LIMIT, "the webhook is told that mail fails", || told("firing"));
    let summary = failing["annotations"]["summary"].as_str().expect("a summary");
    assert!(summary.contains("ops") && !summary.contains(PASSWORD), "{summary}");
    assert_eq!(failing["labels"]["severity"], "critical");
    let (code, reasons) = get(port, "/readyz");
    assert!(code == 503 && reasons.contains("channel ops is failing"), "{code} {reasons}");
    assert!(get(port, "/metrics").1.contains("barnabas_channel_failing{channel=\"ops\"} 1"));

    server.come(&[]);
    let mail = server.wait_for_mail(1);
    assert!(mail.subject.contains(&scene.group), "nobody is told over a channel that it fails: {}", mail.subject);
    wait_for(LIMIT, "the webhook is told that mail works", || told("resolved"));
    wait_until(LIMIT, "it is ready", || get(port, "/readyz").0 == 200);
    scene.mark();
    server.wait_for_mark(2, 1);
}

#[test]
fn what_is_silenced_is_told_when_the_silence_ends_also_after_a_restart() {
    let (scene, server) = (Scene::new("silent"), MailServer::start());
    let mut barnabas = Barnabas::start(&[scene.config(10, &["ops"]), server.channel("ops")].concat());
    barnabas.command(&["alerts", "silence", "backlog", "--for", "1h"], "").success();
    scene.fall_behind(&barnabas);
    let quiet = wait_for_alert(&barnabas, "backlog", |alert| alert["state"] == "firing");
    assert!(quiet["silenced_until"].is_string(), "{quiet:#}");
    scene.mark();
    let mark = server.wait_for_mark(1, 1);
    assert!(!mark.text.contains(&scene.group), "{}", mark.text);

    assert!(barnabas.terminate().success());
    barnabas.run();
    let quiet = wait_for_alert(&barnabas, "backlog", |alert| alert["state"] == "firing");
    assert!(quiet["silenced_until"].is_string(), "{quiet:#}");
    let silences = barnabas.status().expect("it runs")["silences"].clone();
    assert_eq!(silences[0]["name"], "backlog", "{silences}");
    scene.mark();
    server.wait_for_mark(2, 2);

    barnabas.command(&["alerts", "unsilence", "backlog"], "").success();
    let told = server.wait_for_mail(3);
    assert!(told.subject.contains(&scene.group), "{}", told.subject);
    let again = barnabas.command(&["alerts", "unsilence", "backlog"], "");
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(again.stderr.contains("there is no silence"), "{}", again.stderr);
}

#[test]
fn a_test_goes_over_each_channel_and_says_what_came_of_it() {
    let (scene, server, sink) = (Scene::new("tested"), MailServer::start(), Sink::start());
    let config = |password: &str| {
        let mail = server.channel_with_password("ops", password);
        [scene.config(10, &["ops"]), mail, webhook_channel("hook", &sink.url())].concat()
    };
    let barnabas = Barnabas::start(&config(PASSWORD));
    let tested = barnabas.command(&["alerts", "test"], "");
    assert!(tested.status.success(), "{tested:?}");
    for part in ["ops took it", "hook took it"] {
        assert!(tested.stderr.contains(part), "{part}: {}", tested.stderr);
    }
    let mail = server.wait_for_mail(1);
    assert!(mail.subject.starts_with("[TEST] ") && mail.text.contains("Nothing is wrong"), "{}", mail.subject);
    let document = sink.wait_for_accepted(1, LIMIT).remove(0).body;
    assert_eq!(document["alerts"][0]["labels"]["alertname"], "test", "{document:#}");

    let wrong = "wr0ng-Passw0rd";
    barnabas.configure(&config(wrong));
    reload(&barnabas, 1);
    let tested = barnabas.command(&["alerts", "test"], "");
    assert_eq!(tested.status.code(), Some(1), "{tested:?}");
    assert!(tested.stderr.contains("channel ops: ") && tested.stderr.contains("hook took it"), "{}", tested.stderr);
    assert!(!tested.stderr.contains(wrong) && !tested.stderr.contains(PASSWORD), "{}", tested.stderr);
    assert!(!barnabas.log().contains(wrong), "{}", barnabas.log());
    let unknown = barnabas.command(&["alerts", "test", "nobody"], "");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stderr.contains("there is no channel nobody"), "{}", unknown.stderr);
    scene.mark();
    barnabas.configure(&config(PASSWORD));
    reload(&barnabas, 2);
    server.wait_for_mark(2, 1);
}

/// SIGHUP, and waits until it took the configuration over for the `count`th time.
#[track_caller]
fn reload(barnabas: &Barnabas, count: usize) {
    barnabas.signal("HUP");
    wait_until(LIMIT, "the reload is done", || {
        barnabas.log().matches("the configuration was read again").count() == count
    });
}

#[test]
fn a_deleted_group_and_a_deleted_topic_take_their_alerts_with_them() {
    let (one, other, sink) = (Scene::new("deleted-group"), Scene::new("deleted-topic"), Sink::start());
    // Both scenes, and the other's topic itself.
    let config = one
        .config(10, &["hook"])
        .replace(&format!("topics = [{:?}, ", one.topic), &format!("topics = [{:?}, {:?}, ", one.topic, other.topic));
    let config = config.replace("groups = [", &format!("groups = [{:?}, ", other.group));
    let kept = format!(
        "[[alert]]\nname = \"kept\"\nmetric = \"topic_messages\"\nlabels = {{ topic = {:?} }}\nabove = 10\n\
         notify = [\"hook\"]\n",
        other.topic
    );
    let barnabas = Barnabas::start(&[config, kept, webhook_channel("hook", &sink.url())].concat());
    one.fall_behind(&barnabas);
    other.fall_behind(&barnabas);
    // Name, and the label that tells two of a name apart.
    let told = |wanted: &str| -> Vec<(String, String)> {
        let documents = sink.accepted();
        let alerts = documents.iter().filter_map(|each| each.body["alerts"].as_array()).flatten();
        let mut told = Vec::new();
        for alert in alerts {
            let (name, status) = name_and_status(alert);
            if status == wanted {
                told.push((name, alert["labels"]["topic"].as_str().unwrap_or_default().to_owned()));
            }
        }
        told
    };
    let alert = |name: &str, topic: &str| (name.to_owned(), topic.to_owned());
    let all = [alert("backlog", &one.topic), alert("backlog", &other.topic), alert("kept", &other.topic)];
    wait_until(LIMIT, "all are told", || all.iter().all(|each| told("firing").contains(each)));

    barnabas.command(&["groups", "delete", &one.group, "--yes"], "").success();
    wait_until(LIMIT, "that of the group is over", || !told("resolved").is_empty());
    assert_eq!(told("resolved"), all[..1]);
    barnabas.command(&["topics", "delete", &other.topic, "--yes"], "").success();
    wait_until(LIMIT, "those of the topic are over", || told("resolved").len() >= 3);
    one.mark();
    wait_until(LIMIT, "the mark is told", || told("firing").iter().any(|(name, _)| name == "mark-1"));
    let mut over = told("resolved");
    over.sort();
    assert_eq!(over, all, "each once");
    let left = barnabas.json(&["alerts", "list"]);
    let names: Vec<&Value> = left.as_array().expect("an array").iter().map(|alert| &alert["name"]).collect();
    assert_eq!(names, ["mark-1"]);
}

#[test]
fn a_reload_ends_what_no_longer_applies_and_a_bad_file_changes_nothing() {
    let (scene, server) = (Scene::new("reloaded"), MailServer::start());
    let config = |above: i64| [scene.config(above, &["ops"]), server.channel("ops")].concat();
    let barnabas = Barnabas::start(&config(10));
    scene.fall_behind(&barnabas);
    let told = server.wait_for_mail(1);

    barnabas.configure(&config(1000));
    reload(&barnabas, 1);
    let over = server.wait_for_mail(2);
    assert!(over.subject.starts_with("[RESOLVED] ") && over.subject.contains(&scene.group), "{}", over.subject);
    assert_eq!(over.header("In-Reply-To"), told.header("Message-ID"));
    assert_eq!(alerts(&barnabas, "backlog"), Vec::<Value>::new());

    barnabas.configure(&config(5).replace("above = 5\n", "abvoe = 5\n"));
    barnabas.signal("HUP");
    wait_until(LIMIT, "it is refused", || barnabas.log().contains("the configuration was not changed"));
    assert!(barnabas.log().contains("abvoe") && barnabas.log().contains("did you mean"), "{}", barnabas.log());
    scene.mark();
    let mark = server.wait_for_mark(3, 1);
    assert!(!mark.text.contains(&scene.group), "the old threshold still counts: {}", mark.text);

    barnabas.configure(&config(5));
    reload(&barnabas, 2);
    let again = server.wait_for_mail(4);
    assert!(again.subject.contains(&scene.group) && again.subject.contains("(above 5)"), "{}", again.subject);
    // A rule that is gone: its alerts are over as well.
    let without = config(5).replacen("[[alert]]\nname = \"backlog\"", "[[alert]]\nname = \"other\"", 1);
    barnabas.configure(&without.replacen("above = 5\n", "above = 1000\n", 1));
    reload(&barnabas, 3);
    let over = server.wait_for_mail(5);
    assert!(over.text.contains("Over: 1") && over.text.contains(&scene.group), "{}", over.text);
    assert_eq!(over.header("In-Reply-To"), again.header("Message-ID"));
}

#[test]
fn a_program_reads_the_document_from_its_standard_input() {
    let scene = Scene::new("program");
    let dir = tempfile::tempdir().expect("temporary folder");
    let (script, taken) = (dir.path().join("take"), dir.path().join("taken"));
    fs::write(&script, "cat >>\"$1\" && echo >>\"$1\" && echo \"$#\" >>\"$1\"\n").expect("write the program");
    let run =
        ["/bin/sh", script.to_str().expect("UTF-8"), taken.to_str().expect("UTF-8"), "$(no shell) looks; at * this"];
    let barnabas = Barnabas::start(&[scene.config(10, &["sms"]), command_channel("sms", &run)].concat());
    scene.fall_behind(&barnabas);
    // The document and the number of arguments, a line each.
    let lines = |count: usize| -> Vec<String> {
        wait_for(LIMIT, "the program ran", || {
            let text = fs::read_to_string(&taken).unwrap_or_default();
            (text.matches('\n').count() >= count).then(|| text.lines().map(str::to_owned).collect())
        })
    };
    let document: Value = serde_json::from_str(&lines(2)[0]).expect("JSON");
    assert_eq!((&document["version"], &document["receiver"]), (&json!("4"), &json!("sms")));
    assert_eq!(name_and_status(&document["alerts"][0]), ("backlog".to_owned(), "firing".to_owned()));
    assert_eq!(document["alerts"][0]["labels"]["group"], json!(scene.group));
    assert_eq!(lines(2)[1], "2");

    scene.catch_up(&barnabas);
    let document: Value = serde_json::from_str(&lines(4)[2]).expect("JSON");
    assert_eq!(document["status"], "resolved");
    assert_eq!(name_and_status(&document["alerts"][0]), ("backlog".to_owned(), "resolved".to_owned()));
    scene.mark();
    let document: Value = serde_json::from_str(&lines(6)[4]).expect("JSON");
    assert_eq!(name_and_status(&document["alerts"][0]), ("mark-1".to_owned(), "firing".to_owned()));
}
