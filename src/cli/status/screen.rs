//! What `status --watch` shows, as lines that fit the terminal: what is wrong first, then forwards, groups and brokers,
//! then where forwards are behind. Each gets a share of the height. Pure.

use super::monitor::{self, Listing};
use crate::cli::table::{Column, Table};
use crate::logic::moment::Timestamp;
use crate::logic::printable::{cut, printable, width};
use crate::status::{ForwardStatus, Status};

/// Wide and high enough for a person; smaller ones are cut.
const NAME: usize = 24;

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What is known when the screen is drawn.
#[derive(Debug)]
pub(super) struct View {
    /// When that was.
    pub(super) now: Timestamp,
    /// The last status, and the one before with the seconds that lie between.
    pub(super) status: Option<Status>,
    pub(super) before: Option<(Status, f64)>,
    /// Why there is no newer one.
    pub(super) failure: Option<String>,
}

impl View {
    /// Nothing is known yet.
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, status: None, before: None, failure: None }
    }

    /// At most `size.rows` lines, none wider than `size.columns`.
    pub(super) fn lines(&self, size: Size) -> Vec<String> {
        let mut sections = vec![self.wrong()];
        if let Some(status) = &self.status {
            let clusters = &status.monitor.clusters;
            sections.push(fitting(&self.forwards(status), size.columns));
            sections.push(monitor::clusters(clusters, self.now));
            sections.push(fitting(&monitor::groups(clusters), size.columns));
            sections.push(fitting(&monitor::brokers(clusters), size.columns));
            sections.push(behind(status, size.columns));
        }
        sections.retain(|section| !section.is_empty());
        let mut lines = vec![self.head()];
        // A blank line comes before each.
        let room = size.rows.saturating_sub(lines.len() + sections.len());
        let needs: Vec<usize> = sections.iter().map(Vec::len).collect();
        for (section, share) in sections.into_iter().zip(shares(&needs, room)) {
            if share > 0 {
                lines.push(String::new());
                lines.extend(cut_to(section, share));
            }
        }
        lines.truncate(size.rows);
        lines.iter().map(|line| cut(line, size.columns).into_owned()).collect()
    }

    fn head(&self) -> String {
        match &self.status {
            None => "barnabas · q ends".to_owned(),
            Some(status) => {
                let ready = if status.ready { "ready" } else { "NOT READY" };
                let (version, since) = (printable(&status.version), printable(&status.started_at));
                format!("barnabas {version} · {ready} · up since {since} · q ends")
            }
        }
    }

    fn wrong(&self) -> Vec<String> {
        let failure = self.failure.iter().map(|failure| format!("! {}", printable(failure)));
        let mut lines: Vec<String> = failure.collect();
        if let Some(status) = &self.status {
            lines.extend(status.reasons.iter().map(|reason| format!("! {}", printable(reason))));
            lines.extend(monitor::alerts(status, self.now));
            lines.extend(monitor::quiet_alerts(status));
        }
        lines
    }

    fn forwards(&self, status: &Status) -> Listing {
        Listing {
            columns: &[
                Column::Left("FORWARD"),
                Column::Left("STATE"),
                Column::Right("LAG"),
                Column::Right("PENDING"),
                Column::Right("OLDEST"),
                Column::Right("PER-SECOND"),
                Column::Right("DELIVERED"),
                Column::Right("DEAD"),
                Column::Right("IN-FLIGHT"),
                Column::Right("RETRIES"),
                Column::Right("FILTERED"),
                Column::Right("DROPPED"),
                Column::Right("SKIPPED"),
            ],
            rows: status.forwards.iter().map(|forward| self.cells(forward)).collect(),
        }
    }

    fn cells(&self, forward: &ForwardStatus) -> Vec<String> {
        let dash = || "-".to_owned();
        vec![
            forward.name.clone(),
            forward.state.name().to_owned(),
            forward.lag.map_or_else(dash, |lag| lag.to_string()),
            forward.pending.to_string(),
            forward.oldest_pending_seconds.map_or_else(dash, |seconds| format!("{seconds:.1}s")),
            self.per_second(forward).map_or_else(dash, |rate| format!("{rate:.1}")),
            forward.delivered.to_string(),
            forward.dead_letters_waiting.to_string(),
            forward.in_flight.to_string(),
            forward.retries.to_string(),
            forward.filtered.to_string(),
            forward.dropped.to_string(),
            forward.skipped.to_string(),
        ]
    }

    /// Deliveries a second since the status before this one.
    fn per_second(&self, forward: &ForwardStatus) -> Option<f64> {
        let (before, seconds) = self.before.as_ref()?;
        let before = before.forwards.iter().find(|other| other.name == forward.name)?;
        let delivered = forward.delivered.checked_sub(before.delivered)?;
        #[allow(clippy::cast_precision_loss, reason = "a rate with one decimal")]
        (*seconds > 0.0).then(|| delivered as f64 / seconds)
    }
}

/// The lines of a listing: as many columns as fit, the first ones being those that matter most. Nothing where there is
/// no row.
fn fitting(listing: &Listing, columns: usize) -> Vec<String> {
    const LEAST: usize = 3;
    if listing.rows.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Vec<String>> = listing
        .rows
        .iter()
        .map(|row| row.iter().map(|cell| cut(&printable(cell), NAME).into_owned()).collect())
        .collect();
    (LEAST..=listing.columns.len())
        .rev()
        .map(|count| {
            let mut table = Table::new(listing.columns.get(..count).unwrap_or_default());
            for row in &rows {
                table.row(row.iter().take(count).cloned());
            }
            table.aligned().lines().map(str::to_owned).collect::<Vec<String>>()
        })
        .find(|lines| lines.iter().all(|line| width(line) <= columns))
        .unwrap_or_else(|| rows.iter().map(|row| row.join(" ")).collect())
}

/// How many of `room` lines each section gets that needs so many: what it needs where all have room, else a fair share,
/// and of what others leave the first ones before the last.
fn shares(needs: &[usize], room: usize) -> Vec<usize> {
    let fair = room / needs.len().max(1);
    let mut shares: Vec<usize> = needs.iter().map(|need| (*need).min(fair)).collect();
    let mut left = room.saturating_sub(shares.iter().sum());
    for (share, need) in shares.iter_mut().zip(needs) {
        let more = need.saturating_sub(*share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

/// The first lines; the last of them counts those that are missing.
fn cut_to(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most && most > 1 {
        let missing = lines.len() - most + 1;
        lines.truncate(most - 1);
        lines.push(format!("… {missing} more"));
    }
    lines.truncate(most);
    lines
}

/// Partitions that are behind, the worst first.
fn behind(status: &Status, columns: usize) -> Vec<String> {
    const MOST: usize = 200;
    let mut behind: Vec<(i64, String)> = Vec::new();
    for forward in &status.forwards {
        for partition in &forward.partitions {
            let lag = partition.end.zip(partition.stored).map_or(0, |(end, stored)| end.saturating_sub(stored));
            if lag > 0 {
                let name = format!("{} {}/{}", forward.name, partition.topic, partition.partition);
                behind.push((lag, printable(&name).into_owned()));
            }
        }
    }
    behind.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    if behind.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&[Column::Right("LAG"), Column::Left("PARTITION")]);
    for (lag, name) in behind.iter().take(MOST) {
        table.row([lag.to_string(), cut(name, columns).into_owned()]);
    }
    table.aligned().lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::status::{AlertState, AlertStatus, ForwardState, PartitionStatus, made_up};
    use tokio::sync::watch;

    const NOW: Timestamp = Timestamp(1_795_244_412_000);

    fn status(delivered: u64) -> Status {
        let partition = |partition, stored, end| PartitionStatus {
            topic: "event".to_owned(),
            partition,
            stored: Some(stored),
            fetched: None,
            end: Some(end),
        };
        let forward = ForwardStatus {
            name: "guance-to-omp\u{1b}[2J".to_owned(),
            state: ForwardState::Suspended,
            lag: Some(1_234_567),
            delivered,
            partitions: vec![partition(0, 5, 5), partition(1, 0, 7), partition(2, 0, 9)],
            ..ForwardStatus::default()
        };
        Status {
            version: "0.1.0".to_owned(),
            started_at: "2026-11-21T07:00:00.000Z".to_owned(),
            ready: false,
            reasons: vec!["guance-to-omp is suspended: the endpoint answers 401".to_owned()],
            forwards: vec![forward],
            alerts: vec![AlertStatus {
                name: "lag".to_owned(),
                state: AlertState::Firing,
                summary: "7 behind".to_owned(),
                since: "now".to_owned(),
                ..AlertStatus::default()
            }],
            ..Status::default()
        }
    }

    fn view() -> View {
        View { now: NOW, status: Some(status(150)), before: Some((status(100), 2.0)), failure: None }
    }

    #[test]
    fn what_is_wrong_comes_first_and_what_is_behind_last() {
        let lines = view().lines(Size { columns: 80, rows: 24 });
        let expected = [
            "barnabas 0.1.0 · NOT READY · up since 2026-11-21T07:00:00.000Z · q ends",
            "",
            "! guance-to-omp is suspended: the endpoint answers 401",
            "! warning for -: 7 behind (lag)",
            "",
            "FORWARD               STATE          LAG  PENDING  OLDEST  PER-SECOND  DELIVERED",
            "guance-to-omp\\x1b[2J  suspended  1234567        0       -        25.0        150",
            "",
            "LAG  PARTITION",
            "  9  guance-to-omp\\x1b[2J event/2",
            "  7  guance-to-omp\\x1b[2J event/1",
        ];
        assert_eq!(lines, expected);
        let narrower = view().lines(Size { columns: 79, rows: 24 });
        assert!(narrower[5].ends_with("PER-SECOND"), "what does not fit is left out: {narrower:#?}");
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_said_beside_its_last_status() {
        let mut view = view();
        view.failure = Some("no daemon answers".to_owned());
        let lines = view.lines(Size { columns: 80, rows: 24 });
        assert_eq!(lines[2], "! no daemon answers");
        assert!(lines.iter().any(|line| line.contains("suspended")));
    }

    /// A daemon that watches a cluster with trouble.
    fn watching() -> View {
        let (publisher, board) = crate::status::board(Timestamp(1_795_244_400_000));
        publisher.set_forwards(status(0).forwards.into_iter().map(|forward| watch::channel(forward).1).collect());
        publisher.set_clusters(vec![watch::channel(made_up::publication("default")).1]);
        publisher.set_alerts(Some(watch::channel(Arc::new(made_up::alerts())).1));
        View { status: Some(board.status()), ..View::at(NOW) }
    }

    #[test]
    fn a_watched_cluster_is_shown_in_80_columns() {
        let lines = watching().lines(Size { columns: 80, rows: 50 });
        let expected = [
            "! forward guance-to-omp\\x1b[2J is suspended",
            "! channel hook is failing: 503 from hook.example.com",
            "! critical for 5min: Broker 3 does not answer (broker-down)",
            "! warning for 19min: Group billing is 12,480 messages behind in orders, above 1…",
            "3 alerts silenced, pending or explained by another; silenced: leader-skew",
        ];
        assert_eq!(&lines[2..7], expected);
        let expected = [
            "cluster default: 1 offline, 79 under-replicated, polled 12s ago",
            "",
            "GROUP    STATUS     LAG  BEHIND  MEMBERS  STATE   TOPIC",
            "billing  stall    12480   21min        2  Stable  orders",
            "fraud    warning    310     31s        2  Stable  payments",
            "omp      ok           4    0.4s        2  Stable  event",
            "search   ok           0    0.0s        2  Stable  orders",
            "",
            "BROKER  STATE  CAN-RESTART  LEADERS  REPLICAS  LOAD  TRAFFIC  LATENCY",
            "3       down   -                  0        79     -        -        -",
            "1       up     no: 7             59        79     -      50%    1.2ms",
            "2*      up     yes               60        79   83%      50%    1.2ms",
        ];
        let at = lines.iter().position(|line| line.starts_with("cluster")).expect("the cluster");
        assert_eq!(&lines[at..at + expected.len()], expected);
    }

    #[test]
    fn what_does_not_fit_is_cut_from_each_section() {
        let mut view = watching();
        let cluster = &mut view.status.as_mut().expect("a status").monitor.clusters[0];
        let group = cluster.groups[0].clone();
        cluster.groups = (0..500).map(|_| group.clone()).collect();
        let lines = view.lines(Size { columns: 80, rows: 24 });
        assert_eq!(lines.len(), 24);
        for (section, shown) in
            [("what is wrong", "! "), ("forwards", "FORWARD"), ("groups", "GROUP"), ("brokers", "BROKER")]
        {
            assert!(lines.iter().any(|line| line.starts_with(shown)), "{section}: {lines:#?}");
        }
        assert!(lines.iter().any(|line| line.ends_with(" more") && line.starts_with('…')), "{lines:#?}");
    }

    #[test]
    fn a_share_is_fair() {
        assert_eq!(shares(&[5, 1, 100], 30), [5, 1, 24]);
        assert_eq!(shares(&[50, 2, 100], 30), [18, 2, 10]);
        assert_eq!(shares(&[1, 1], 1), [1, 0]);
        assert_eq!(shares(&[], 10), Vec::<usize>::new());
    }

    proptest::proptest! {
        #[test]
        fn it_fits_any_terminal(columns in 1_usize..200, rows in 1_usize..60) {
            for view in [view(), watching()] {
                let lines = view.lines(Size { columns, rows });
                proptest::prop_assert!(lines.len() <= rows);
                proptest::prop_assert!(lines.iter().all(|line| width(line) <= columns), "{:?}", lines);
            }
        }
    }
}
