use super::*;
use crate::logic::from_json::FromJson;
use crate::logic::watch::view::GroupStatus as GroupStatusOfView;

fn forward(name: &str, state: ForwardState, reasons: &[&str]) -> ForwardStatus {
    let reasons = reasons.iter().map(|reason| (*reason).to_owned()).collect();
    ForwardStatus { name: name.to_owned(), state, reasons, ..ForwardStatus::default() }
}

#[track_caller]
fn check(rule: &str, forwards: Vec<ForwardStatus>, daemon: &[&str], expected: &[&str]) {
    let (publisher, board) = board(Timestamp(0));
    publisher.set_forwards(forwards.into_iter().map(|forward| watch::channel(forward).1).collect());
    publisher.set_reasons(daemon.iter().map(|reason| (*reason).to_owned()).collect());
    let status = board.status();
    assert_eq!(status.reasons, expected, "{rule}");
    assert_eq!(status.ready, expected.is_empty(), "{rule}");
}

#[test]
fn readiness() {
    use ForwardState::*;
    check("nothing to do is done", vec![], &[], &[]);
    check("a running forward", vec![forward("a", Running, &[])], &[], &[]);
    check("what a person paused is no reason", vec![forward("a", Paused, &["by hand"])], &[], &[]);
    check("a start that is under way", vec![forward("a", Starting, &[])], &[], &["forward a is starting"]);
    check(
        "one that does not run, beside one that does",
        vec![forward("a", Running, &[]), forward("b", Suspended, &["401 from example.com", "a probe every 30 s"])],
        &[],
        &["forward b is suspended: 401 from example.com; a probe every 30 s"],
    );
    check("the daemon's own reason", vec![forward("a", Running, &[])], &["stopping"], &["stopping"]);
}

#[test]
fn clusters_and_channels_count_but_alerts_do_not() {
    let (publisher, board) = board(Timestamp(0));
    let (cluster, receiver) = watch::channel(ClusterPublication { name: "default".into(), ..Default::default() });
    publisher.set_clusters(vec![receiver]);
    let alerts = AlertsPublication { alerts: vec![made_up::alert("topic-backlog")], ..Default::default() };
    let (alerts, receiver) = watch::channel(Arc::new(alerts));
    publisher.set_alerts(Some(receiver));
    assert!(board.status().ready, "neither a cluster that was not polled yet nor an alert is a reason");
    assert_eq!(board.status().monitor.clusters[0].reachable, None);

    cluster.send_modify(|cluster| {
        cluster.polled_at = Some(Timestamp(1));
        cluster.error = Some("k1:9092: connection refused".into());
    });
    let mut failing = AlertsPublication::default();
    failing.channels.push(ChannelStatus { name: "ops".into(), failing: true, error: None, ..Default::default() });
    alerts.send_replace(Arc::new(failing));
    assert_eq!(
        board.status().reasons,
        [
            "cluster default cannot be reached: k1:9092: connection refused",
            "channel ops is failing: its last notice was not taken"
        ]
    );
    cluster.send_modify(|cluster| {
        cluster.error = None;
        cluster.view = Some(Arc::new(made_up::view()));
    });
    assert_eq!(board.status().reasons.len(), 1, "it answers again");
}

#[test]
fn what_is_listed_is_bounded_and_the_worst_comes_first() {
    let mut view = made_up::view();
    for number in 0..3000 {
        made_up::add_group(&mut view, &format!("team-{number:04}"), "orders", number);
    }
    made_up::add_group(&mut view, "zz-worst", "orders", 99_999);
    view.groups.iter_mut().for_each(|(_, group)| group.status = GroupStatusOfView::Ok);
    let publication = ClusterPublication { name: "c".into(), view: Some(Arc::new(view)), ..Default::default() };
    let status = ClusterStatus::of(&publication);
    assert_eq!(status.groups.len(), 1000);
    assert!(status.groups_left_out > 2000, "{}", status.groups_left_out);
    assert!(status.groups.iter().any(|group| group.group == "zz-worst"));
    assert!(status.groups.windows(2).all(|pair| pair[0].lag >= pair[1].lag));
}

#[test]
fn a_reload_replaces_the_forwards_and_readers_see_the_latest() {
    let (publisher, board) = board(Timestamp(0));
    let (old, receiver) = watch::channel(forward("old", ForwardState::Running, &[]));
    publisher.set_forwards(vec![receiver]);
    old.send_modify(|status| status.delivered = 7);
    assert_eq!(board.status().forwards.first().map(|forward| forward.delivered), Some(7));

    let (_new, receiver) = watch::channel(forward("new", ForwardState::Running, &[]));
    publisher.set_forwards(vec![receiver]);
    let names: Vec<String> = board.clone().status().forwards.into_iter().map(|forward| forward.name).collect();
    assert_eq!(names, ["new"]);
}

#[test]
fn the_document_has_the_names_of_the_contract() {
    let (publisher, board) = board(Timestamp(1_795_244_400_000));
    let mut status = forward("a", ForwardState::Running, &[]);
    status.partitions =
        vec![PartitionStatus { topic: "t".into(), partition: 0, stored: Some(1), fetched: Some(2), end: None }];
    publisher.set_forwards(vec![watch::channel(status).1]);
    let document = serde_json::to_value(board.status()).expect("JSON");
    assert_eq!(document["started_at"], "2026-11-21T07:00:00.000Z");
    for name in ["version", "ready", "reasons", "forwards", "monitor", "alerts"] {
        assert!(document.get(name).is_some(), "{name}");
    }
    for name in [
        "name",
        "state",
        "lag",
        "pending",
        "in_flight",
        "consumed",
        "delivered",
        "filtered",
        "skipped",
        "dropped",
        "dead_lettered",
        "retries",
        "oldest_pending_seconds",
        "partitions",
    ] {
        assert!(document["forwards"][0].get(name).is_some(), "{name}");
    }
    assert_eq!(document["forwards"][0]["state"], "running");
    assert_eq!(
        document["forwards"][0]["partitions"][0],
        serde_json::json!({"topic": "t", "partition": 0, "stored": 1, "fetched": 2, "end": null})
    );
}

#[test]
fn a_cluster_has_the_names_of_the_contract_and_can_be_read_back() {
    let (publisher, board) = board(Timestamp(0));
    publisher.set_clusters(vec![watch::channel(made_up::publication("default")).1]);
    let status = board.status();
    let document = serde_json::to_value(&status).expect("JSON");
    let cluster = &document["monitor"]["clusters"][0];
    for (part, names) in [
        ("brokers", "broker up host port rack leaders replicas latency_seconds restart restart_hurts_partitions error"),
        ("racks", "rack brokers leaders replicas"),
        ("topics", "topic partitions messages messages_in_per_second bytes offline under_replicated under_min_isr"),
        ("groups", "group state type members status lag topics"),
        ("disks", "broker dir used_bytes used_percent full_in_seconds error"),
    ] {
        for name in names.split(' ') {
            assert!(cluster[part][0].get(name).is_some(), "{part}: {name} in {}", cluster[part][0]);
        }
    }
    assert_eq!(cluster["topics"][0]["topic"], "payments", "one partition of it is offline");
    assert_eq!(cluster["groups"][0]["topics"][0]["lag_seconds_error"], 15.0);
    assert_eq!(Status::from_json(&document), Ok(status));
}
