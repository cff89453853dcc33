use std::sync::Arc;

use super::*;
use crate::logic::watch::view::{Comparison, LoadView};
use crate::status::{AlertsPublication, ForwardState, ForwardStatus, PartitionStatus, made_up};
use tokio::sync::watch;

const NOW: Timestamp = Timestamp(1_795_244_412_000);

/// A board with these forwards and clusters.
fn board(
    forwards: Vec<ForwardStatus>,
    reasons: &[&str],
    clusters: Vec<ClusterPublication>,
    alerts: AlertsPublication,
) -> StatusBoard {
    let (publisher, board) = crate::status::board(Timestamp(1_795_244_400_000));
    publisher.set_forwards(forwards.into_iter().map(|forward| watch::channel(forward).1).collect());
    publisher.set_reasons(reasons.iter().map(|reason| (*reason).to_owned()).collect());
    publisher.set_clusters(clusters.into_iter().map(|cluster| watch::channel(cluster).1).collect());
    publisher.set_alerts(Some(watch::channel(Arc::new(alerts)).1));
    board
}

#[track_caller]
fn found(board: &StatusBoard, path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    match page(path, query, board, NOW) {
        Some(Page::Found(html)) => html,
        other => panic!("{path}: {other:?}"),
    }
}

fn forwards_page(forwards: Vec<ForwardStatus>, reasons: &[&str]) -> String {
    found(&board(forwards, reasons, vec![], AlertsPublication::default()), "/")
}

fn watched() -> StatusBoard {
    board(vec![], &[], vec![made_up::publication("default")], made_up::alerts())
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let nasty = "<script>alert(1)</script>\"'&\u{1b}";
    let html = forwards_page(
        vec![ForwardStatus {
            name: nasty.into(),
            state: ForwardState::Stalled,
            reasons: vec![nasty.into()],
            topics: vec![nasty.into()],
            partitions: vec![PartitionStatus {
                topic: nasty.into(),
                partition: 0,
                stored: None,
                fetched: None,
                end: None,
            }],
            ..ForwardStatus::default()
        }],
        &[nasty],
    );
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(html.matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\x1b").count(), 5);
}

#[test]
fn nothing_that_a_cluster_or_an_alert_says_becomes_markup() {
    let nasty = "<script>alert(1)</script>\"'&\u{1b}";
    let mut cluster = made_up::publication(nasty);
    cluster.error = Some(nasty.into());
    let view = Arc::make_mut(cluster.view.as_mut().expect("a view"));
    made_up::add_topic(view, nasty, 3);
    made_up::add_group(view, nasty, nasty, 99_999);
    view.missing = vec![nasty.into()];
    view.dirs[0].path = nasty.into();
    view.dirs[1].error = Some(nasty.into());
    let broker = view.brokers.get_mut(&1).expect("a broker");
    (broker.error, broker.rack, broker.address) = (Some(nasty.into()), Some(nasty.into()), Some(nasty.into()));
    broker.up = Some(false);
    broker.load =
        Some(LoadView { error: Some(nasty.into()), slow: Comparison::Wrong(nasty.into()), ..LoadView::default() });
    let mut alerts = made_up::alerts();
    for alert in &mut alerts.alerts {
        alert.name = nasty.into();
        alert.summary = nasty.into();
        alert.value_text = nasty.into();
        alert.since = nasty.into();
        alert.told = vec![nasty.into()];
        alert.labels =
            ["topic", "group", "broker", nasty].map(|label| (label.to_owned(), nasty.to_owned())).into_iter().collect();
    }
    alerts.silences[0].name = nasty.into();
    alerts.channels[1].error = Some(nasty.into());
    let board = board(vec![], &[], vec![cluster, made_up::publication("b")], alerts);
    let encoded = words::percent_encoded(nasty);
    for path in ["/", "/topics", "/groups", "/brokers/1", &format!("/topics/{encoded}"), &format!("/groups/{encoded}")]
    {
        let html = found(&board, path);
        assert!(!html.contains("<script"), "{path}: {html}");
        assert!(!html.contains('\u{1b}'), "{path}");
        assert!(html.contains("&lt;script&gt;"), "{path}");
    }
    let Some(Page::Missing(html)) = page(&format!("/brokers/{encoded}"), Some("cluster=%3Cscript"), &board, NOW) else {
        panic!("there is no such broker")
    };
    assert!(!html.contains("<script") && html.contains("&lt;script"), "{html}");
}

#[test]
fn the_pages_load_nothing_and_refresh_themselves() {
    let board = watched();
    for path in ["/", "/topics", "/groups", "/topics/orders", "/groups/billing", "/brokers/1"] {
        let html = found(&board, path);
        for absent in ["src=", "http://", "https://", "url(", "@import", "<script"] {
            assert!(!html.contains(absent), "{path}: {absent}");
        }
        assert!(html.contains("http-equiv=\"refresh\" content=\"10\""), "{path}");
    }
    assert!(forwards_page(vec![], &[]).contains("No forward is configured"));
}

#[test]
fn a_reason_is_said_once() {
    let forward = ForwardStatus {
        name: "a".into(),
        state: ForwardState::Suspended,
        reasons: vec!["401 from the endpoint".into()],
        ..ForwardStatus::default()
    };
    let html = forwards_page(vec![forward], &["the state cannot be written"]);
    assert_eq!(html.matches("401 from the endpoint").count(), 1);
    assert_eq!(html.matches("the state cannot be written").count(), 1);
    assert!(html.contains("<title>(!) barnabas"));
    assert_eq!(found(&watched(), "/").matches("503 from hook.example.com").count(), 1);
}

#[test]
fn what_is_wrong_comes_first() {
    let html = found(&watched(), "/");
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not there"));
    let order = [
        "2 alerts firing",
        "Broker 3 does not answer",
        "Group billing is 12,480 messages behind",
        "3 silenced, explained by another, or pending",
        "Cluster default",
        "<h3>Groups</h3>",
        "<h3>Brokers</h3>",
        "<h3>Partitions</h3>",
        "<h3>Disks</h3>",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{order:?}");
    assert!(html.contains("<title>(2) barnabas"));
    assert!(html.contains("no, 7 partitions"), "why broker 1 cannot be restarted");
    assert!(html.contains("for 19 min, since 2026-11-21 06:41:12 UTC"), "how long it fires");
    assert!(html.contains("polled 12 s ago in 23 ms"));
}

#[test]
fn a_cluster_that_was_not_polled_or_does_not_answer_is_said_to() {
    let new = ClusterPublication { name: "new".into(), ..ClusterPublication::default() };
    let gone = ClusterPublication {
        name: "gone".into(),
        polled_at: Some(Timestamp(NOW.0 - 600_000)),
        error: Some("k1:9092: connection refused".into()),
        ..ClusterPublication::default()
    };
    let html = found(&board(vec![], &[], vec![new, gone], AlertsPublication::default()), "/");
    assert!(html.contains("not polled yet"));
    assert!(html.contains("not reachable"));
    assert!(html.contains("k1:9092: connection refused"));
    assert!(html.contains("attention\">polled 10 min ago"), "nobody takes these figures for new ones");
}

#[test]
fn each_thing_has_a_page() {
    let mut cluster = made_up::publication("default");
    made_up::add_group(Arc::make_mut(cluster.view.as_mut().expect("a view")), "a/b c", "orders", 5);
    let board = board(vec![], &[], vec![cluster], made_up::alerts());
    for (path, text) in [
        ("/topics/orders", "Groups that read it"),
        ("/topics/orders", "under-replicated"),
        ("/groups/billing", "It has members, and does not move."),
        ("/groups/billing", "at most 12\u{202f}272 in the last"),
        ("/groups/a%2Fb%20c", "group a/b c"),
        ("/groups/billing?cluster=default", "group billing"),
        ("/brokers/1", "such as orders/3"),
        ("/brokers/3", "connection refused"),
        ("/brokers/2", "By its own account (jmx)"),
        ("/brokers/2", "broker 2 is slow"),
        ("/brokers/2", "<td>Produce</td><td>1.5 ms</td><td>42 ms</td><td>12 ms</td>"),
        ("/", "style=\"width:83%\"></i></span> 83 %"),
        ("/", "No load without `jmx`: brokers 1, 3"),
        ("/topics/", "5 topics"),
        ("/groups", "5 groups"),
    ] {
        let html = found(&board, path);
        assert!(html.contains(text), "{path}: {text} is missing in {html}");
    }
    assert!(found(&board, "/groups").contains("href=\"/groups/a%2Fb%20c\""));
}

#[test]
fn what_does_not_exist_is_not_found() {
    let board = watched();
    for path in ["/topics/nothing", "/groups/%ff", "/brokers/99", "/brokers/x", "/brokers", "/groups/a/b"] {
        assert!(matches!(page(path, None, &board, NOW), Some(Page::Missing(_))), "{path}");
    }
    assert!(matches!(page("/groups/billing", Some("cluster=other"), &board, NOW), Some(Page::Missing(_))));
    for path in ["/etc/passwd", "/favicon.ico", "/topicsx"] {
        assert!(page(path, None, &board, NOW).is_none(), "{path}");
    }
}

#[test]
fn of_several_clusters_links_say_which() {
    let mut west = made_up::publication("west 1");
    made_up::add_group(Arc::make_mut(west.view.as_mut().expect("a view")), "only-west", "orders", 1);
    let board = board(vec![], &[], vec![made_up::publication("east"), west], AlertsPublication::default());
    let html = found(&board, "/");
    assert!(html.contains("href=\"/groups/billing?cluster=west%201\""));
    assert!(found(&board, "/groups/billing?cluster=west%201").contains("/ west 1 /"));
    assert!(found(&board, "/groups/billing").contains("/ east /"), "the first that has it");
    assert!(found(&board, "/groups/only-west").contains("/ west 1 /"));
}

#[test]
fn many_groups_topics_and_partitions_stay_readable() {
    let mut cluster = made_up::publication("default");
    let view = Arc::make_mut(cluster.view.as_mut().expect("a view"));
    made_up::add_topic(view, "wide", 5000);
    for number in 0..1000 {
        made_up::add_topic(view, &format!("topic-{number:04}"), 8);
        made_up::add_group(view, &format!("group-{number:04}"), "orders", number);
    }
    let board = board(vec![], &[], vec![cluster], made_up::alerts());
    let html = found(&board, "/");
    assert!(html.len() < 250_000, "{} bytes", html.len());
    assert!(html.contains("all 1\u{202f}004 groups"));
    let list = found(&board, "/groups");
    assert!(list.contains("part 1 of 6"));
    assert!(list.contains("href=\"?page=2\">next"));
    assert!(found(&board, "/groups?page=6").contains("group-0000"), "the best ones come last");
    assert!(found(&board, "/topics/wide?page=25").contains("part 25 of 25"));
    assert!(found(&board, "/groups?page=999999999999999999999").contains("part 1 of 6"));
}
