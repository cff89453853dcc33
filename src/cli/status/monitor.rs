//! Alerts, groups and brokers as `status` lists them: rows of cells, and sentences about what is wrong. Pure.

use crate::cli::table::{Column, number};
use crate::logic::moment::Timestamp;
use crate::logic::printable::printable;
use crate::logic::rfc3339;
use crate::status::{BrokerStatus, ClusterStatus, GroupStatus, RestartStatus, Status};

/// A listing: columns, the first ones being those that matter most, and rows.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<String>>,
}

/// Firing alerts that somebody must look at, the worst first, a sentence each; then how many there are besides.
pub(super) fn alerts(status: &Status, now: Timestamp) -> Vec<String> {
    let urgent = status.alerts.iter().filter(|alert| alert.wants_attention());
    let mut lines: Vec<String> = urgent
        .map(|alert| {
            let summary = if alert.summary.is_empty() { &alert.name } else { &alert.summary };
            let (name, summary) = (printable(&alert.name), printable(summary));
            format!("! {} for {}: {summary} ({name})", alert.severity.name(), age_of(&alert.since, now))
        })
        .collect();
    if status.alerts_left_out > 0 {
        lines.push(format!("! and {} alerts more", status.alerts_left_out));
    }
    lines
}

/// How many alerts need nobody, and which rules are silenced; none: there are none.
pub(super) fn quiet_alerts(status: &Status) -> Option<String> {
    let quiet = status.alerts.iter().filter(|alert| !alert.wants_attention()).count();
    let silenced: Vec<&str> = status.silences.iter().map(|silence| silence.name.as_str()).collect();
    match (quiet, silenced.as_slice()) {
        (0, []) => None,
        (count, []) => Some(format!("{count} alerts pending or explained by another")),
        (count, names) => {
            let names = printable(&names.join(", ")).into_owned();
            Some(format!("{count} alerts silenced, pending or explained by another; silenced: {names}"))
        }
    }
}

/// How long ago a time of the document was.
pub(in crate::cli) fn age_of(since: &str, now: Timestamp) -> String {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds far below 2^53")]
    let seconds = rfc3339::parse(since).map(|since| now.0.saturating_sub(since.0).max(0) as f64 / 1000.0);
    seconds.map_or_else(|| "-".to_owned(), age)
}

/// `0.4s`, `12s`, `3min`, `5.2h`, `4.0d`.
fn age(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{:.1}s", s.max(0.0)),
        s if s < 120.0 => format!("{s:.0}s"),
        s if s < 7200.0 => format!("{:.0}min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1}h", s / 3600.0),
        s => format!("{:.1}d", s / 86_400.0),
    }
}

/// A row a group, the worst first.
pub(super) fn groups(clusters: &[ClusterStatus]) -> Listing {
    let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
    for cluster in clusters {
        for (rank, group) in cluster.groups.iter().enumerate() {
            rows.push((rank, group_row(name_in(cluster, clusters, &group.group), group)));
        }
    }
    // The worst of each cluster, then the second of each.
    rows.sort_by_key(|(rank, _)| *rank);
    Listing {
        columns: &[
            Column::Left("GROUP"),
            Column::Left("STATUS"),
            Column::Right("LAG"),
            Column::Right("BEHIND"),
            Column::Right("MEMBERS"),
            Column::Left("STATE"),
            Column::Left("TOPIC"),
        ],
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    }
}

fn group_row(name: String, group: &GroupStatus) -> Vec<String> {
    let behind = group.topics.iter().filter_map(|topic| Some((topic.lag_seconds?, topic.lag_seconds_error)));
    let behind = behind.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(seconds, error)| {
        let bound = if error.is_some() { "" } else { ">" };
        format!("{bound}{}", age(seconds))
    });
    let topic = match group.topics.as_slice() {
        [] => "-".to_owned(),
        [only] => only.topic.clone(),
        [first, ..] => format!("{} +{}", first.topic, group.topics.len() - 1 + group.topics_left_out),
    };
    vec![
        name,
        group.status.clone(),
        number(group.lag),
        behind.unwrap_or_else(|| "-".to_owned()),
        number(group.members),
        group.state.clone().unwrap_or_else(|| "-".to_owned()),
        topic,
    ]
}

/// A row a broker, those that do not answer first.
pub(super) fn brokers(clusters: &[ClusterStatus]) -> Listing {
    let mut rows: Vec<(bool, Vec<String>)> = Vec::new();
    for cluster in clusters {
        for broker in &cluster.brokers {
            let controller = if cluster.controller == Some(broker.broker) { "*" } else { "" };
            let name = name_in(cluster, clusters, &format!("{}{controller}", broker.broker));
            rows.push((broker.up != Some(false), broker_row(name, broker)));
        }
    }
    rows.sort_by_key(|(answers, _)| *answers);
    Listing {
        columns: &[
            Column::Left("BROKER"),
            Column::Left("STATE"),
            Column::Left("CAN-RESTART"),
            Column::Right("LEADERS"),
            Column::Right("REPLICAS"),
            Column::Right("LOAD"),
            Column::Right("TRAFFIC"),
            Column::Right("LATENCY"),
            Column::Left("ADDRESS"),
        ],
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    }
}

fn broker_row(name: String, broker: &BrokerStatus) -> Vec<String> {
    let up = match broker.up {
        Some(true) => "up",
        Some(false) => "down",
        None => "-",
    };
    let restart = match (broker.restart, broker.restart_hurts_partitions) {
        (RestartStatus::Unknown, _) => "-".to_owned(),
        (RestartStatus::Safe, _) => "yes".to_owned(),
        (RestartStatus::Hurts, count) => format!("no: {}", number(count)),
    };
    let address = broker.host.as_ref().map(|host| format!("{host}:{}", number(broker.port)));
    vec![
        name,
        up.to_owned(),
        restart,
        broker.leaders.to_string(),
        broker.replicas.to_string(),
        percent(broker.load_percent),
        percent(broker.traffic_share_percent),
        broker.latency_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{:.1}ms", seconds * 1000.0)),
        address.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.0}%"))
}

/// A line a cluster: whether it answers, and what is wrong with its partitions.
pub(super) fn clusters(clusters: &[ClusterStatus], now: Timestamp) -> Vec<String> {
    clusters
        .iter()
        .map(|cluster| {
            let name = printable(&cluster.name);
            let polled = cluster.polled_at.as_deref().map(|time| format!(", polled {} ago", age_of(time, now)));
            let polled = polled.unwrap_or_default();
            match cluster.reachable {
                None => format!("cluster {name}: not polled yet"),
                Some(false) => format!("cluster {name}: cannot be reached{polled}"),
                Some(true) => {
                    let trouble = [
                        (cluster.offline, "offline"),
                        (cluster.under_min_isr.unwrap_or(0), "under min ISR"),
                        (cluster.under_replicated, "under-replicated"),
                    ];
                    let said: Vec<String> = trouble
                        .iter()
                        .filter(|(count, _)| *count > 0)
                        .map(|(count, what)| format!("{count} {what}"))
                        .collect();
                    let said = if said.is_empty() { "partitions in order".to_owned() } else { said.join(", ") };
                    format!("cluster {name}: {said}{polled}")
                }
            }
        })
        .collect()
}

/// A name, with its cluster's where there are several.
fn name_in(cluster: &ClusterStatus, all: &[ClusterStatus], name: &str) -> String {
    if all.len() > 1 { format!("{}: {name}", cluster.name) } else { name.to_owned() }
}
