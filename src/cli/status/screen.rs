//! What `status --watch` shows, as lines that fit the terminal: what is wrong first, then the forwards, then where they
//! are behind. Pure.

use crate::cli::table::{Column, Table};
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
#[derive(Debug, Default)]
pub(super) struct View {
    /// The last status, and the one before with the seconds that lie between.
    pub(super) status: Option<Status>,
    pub(super) before: Option<(Status, f64)>,
    /// Why there is no newer one.
    pub(super) failure: Option<String>,
}

impl View {
    /// At most `size.rows` lines, none wider than `size.columns`.
    pub(super) fn lines(&self, size: Size) -> Vec<String> {
        let mut lines = vec![self.head(), String::new()];
        let wrong = self.wrong();
        if !wrong.is_empty() {
            lines.extend(wrong);
            lines.push(String::new());
        }
        if let Some(status) = &self.status {
            lines.extend(self.forwards(status, size.columns));
            // A blank line and a head come before them.
            let room = size.rows.saturating_sub(lines.len() + 2);
            lines.extend(behind(status, size.columns, room));
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
        let reasons = self.status.iter().flat_map(|status| status.reasons.iter());
        let reasons = reasons.map(|reason| format!("! {}", printable(reason)));
        let alerts = self.status.iter().flat_map(|status| status.alerts.iter()).filter(|alert| alert.wants_attention());
        let alerts = alerts.map(|alert| {
            let (name, summary, since) = (printable(&alert.name), printable(&alert.summary), printable(&alert.since));
            format!("! alert {name}: {summary} since {since}")
        });
        failure.chain(reasons).chain(alerts).collect()
    }

    /// As many columns as fit, the first ones being those that matter most.
    fn forwards(&self, status: &Status, columns: usize) -> Vec<String> {
        const COLUMNS: [Column; 13] = [
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
        ];
        const LEAST: usize = 3;
        let rows: Vec<Vec<String>> = status.forwards.iter().map(|forward| self.cells(forward)).collect();
        (LEAST..=COLUMNS.len())
            .rev()
            .map(|count| {
                let mut table = Table::new(COLUMNS.get(..count).unwrap_or_default());
                for row in &rows {
                    table.row(row.iter().take(count).cloned());
                }
                table.aligned().lines().map(str::to_owned).collect::<Vec<String>>()
            })
            .find(|lines| lines.iter().all(|line| width(line) <= columns))
            .unwrap_or_else(|| rows.iter().map(|row| row.join(" ")).collect())
    }

    fn cells(&self, forward: &ForwardStatus) -> Vec<String> {
        let dash = || "-".to_owned();
        vec![
            cut(&printable(&forward.name), NAME).into_owned(),
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

/// Partitions that are behind, the worst first, as many as there is room for.
fn behind(status: &Status, columns: usize, room: usize) -> Vec<String> {
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
    if behind.is_empty() || room == 0 {
        return Vec::new();
    }
    let mut table = Table::new(&[Column::Right("LAG"), Column::Left("PARTITION")]);
    for (lag, name) in behind.iter().take(room) {
        table.row([lag.to_string(), cut(name, columns).into_owned()]);
    }
    std::iter::once(String::new()).chain(table.aligned().lines().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{AlertState, AlertStatus, ForwardState, PartitionStatus};

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
        View { status: Some(status(150)), before: Some((status(100), 2.0)), failure: None }
    }

    #[test]
    fn what_is_wrong_comes_first_and_what_is_behind_last() {
        let lines = view().lines(Size { columns: 80, rows: 24 });
        let expected = [
            "barnabas 0.1.0 · NOT READY · up since 2026-11-21T07:00:00.000Z · q ends",
            "",
            "! guance-to-omp is suspended: the endpoint answers 401",
            "! alert lag: 7 behind since now",
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

    proptest::proptest! {
        #[test]
        fn it_fits_any_terminal(columns in 1_usize..200, rows in 1_usize..60) {
            let lines = view().lines(Size { columns, rows });
            proptest::prop_assert!(lines.len() <= rows);
            proptest::prop_assert!(lines.iter().all(|line| width(line) <= columns), "{:?}", lines);
        }
    }
}
