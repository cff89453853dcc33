//! This process' own forwards as the monitor sees them: as groups beside the others, and as series of the metrics
//! that begin with `forward_`. Reads what they publish; asks them nothing.

use std::sync::Arc;

use litemap::LiteMap;

use crate::config::schema::{ForwardSettings, OffsetsMode};
use crate::logic::alert::{Figure, Labels, Metric, Observed, Series};
use crate::logic::sorted_set::SortedSet;
use crate::logic::watch::snapshot::{Committed, GroupSeen};
use crate::status::{ForwardState, ForwardStatus, StatusBoard};

/// How the groups that stand for forwards begin: no name of a group that Kafka tells us of can be meant.
const PREFIX: &str = "forward:";

/// The forwards of a cluster that no consumer group shows.
#[derive(Clone, Debug)]
pub(super) struct ForwardGroups {
    names: SortedSet<String>,
    board: StatusBoard,
}

/// The forwards that do not commit to a group, which would be watched anyway; each with its cluster.
pub(super) fn alone(forwards: &[ForwardSettings]) -> Vec<(String, String)> {
    let alone = |forward: &&ForwardSettings| forward.group.is_none() || forward.offsets == OffsetsMode::Local;
    forwards.iter().filter(alone).map(|forward| (forward.name.clone(), forward.cluster.clone())).collect()
}

impl ForwardGroups {
    /// Those of `alone`, as the function of that name gives them, that read from `cluster`.
    pub(super) fn of_cluster(cluster: &str, alone: &[(String, String)], board: StatusBoard) -> Self {
        let here = alone.iter().filter(|(_, of)| of == cluster);
        Self { names: here.map(|(name, _)| name.clone()).collect(), board }
    }

    /// They as groups, with what they have stored by now.
    pub(super) fn seen(&self) -> LiteMap<Arc<str>, GroupSeen> {
        if self.names.is_empty() {
            return LiteMap::new();
        }
        let status = self.board.status();
        let own = status.forwards.iter().filter(|forward| self.names.contains(&forward.name));
        own.map(|forward| (Arc::from(format!("{PREFIX}{}", forward.name)), group(forward))).collect()
    }
}

fn group(forward: &ForwardStatus) -> GroupSeen {
    let mut topics: LiteMap<&str, Arc<str>> = LiteMap::new();
    let mut committed: Vec<Committed> = Vec::new();
    for partition in &forward.partitions {
        let topic = topics.entry(&partition.topic).or_insert_with(|| Arc::from(partition.topic.as_str()));
        if let Some(offset) = partition.stored {
            committed.push(Committed { topic: Arc::clone(topic), partition: partition.partition, offset });
        }
    }
    committed.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    GroupSeen {
        // In Kafka's words: one that does not read has no members.
        state: Some(if forward.state == ForwardState::Paused { "Empty" } else { "Stable" }.to_owned()),
        group_type: "forward".to_owned(),
        coordinator: None,
        members: Some(u32::from(forward.state != ForwardState::Paused)),
        assigned: None,
        // Until it has its partitions, what it stored for them is not known here.
        committed: (forward.state != ForwardState::Starting && !forward.partitions.is_empty()).then_some(committed),
    }
}

/// How much each forward had got rid of when it was first looked at: whether a suspension is over shows only when
/// something was delivered.
#[derive(Debug, Default)]
pub(super) struct ForwardHistory {
    settled_before: LiteMap<String, u64>,
}

impl ForwardHistory {
    /// Remembers the forwards that are new, and forgets those that are gone.
    pub(super) fn note(&mut self, forwards: &[ForwardStatus]) {
        self.settled_before.retain(|name, _| forwards.iter().any(|forward| forward.name == *name));
        for forward in forwards {
            self.settled_before.entry(forward.name.clone()).or_insert_with(|| answered(forward));
        }
    }

    /// Whether the endpoint is known to work, or there is nothing to try it with.
    fn is_proven(&self, forward: &ForwardStatus) -> bool {
        forward.pending == 0 || self.settled_before.get(&forward.name).is_some_and(|before| answered(forward) > *before)
    }
}

/// Records that the endpoint had its say about.
fn answered(forward: &ForwardStatus) -> u64 {
    forward.delivered.saturating_add(forward.dropped).saturating_add(forward.dead_lettered)
}

/// The series of a metric of [`crate::logic::alert::Source::Forwards`].
pub(super) fn observe(forwards: &[ForwardStatus], history: &ForwardHistory, metric: &Metric) -> Observed {
    let series = forwards.iter().filter_map(|forward| {
        let labels = Labels::from_iter([("forward".to_owned(), forward.name.clone())]);
        Some(Series::new(labels, figure(forward, history, metric.name)?))
    });
    Observed { series: series.collect(), complete: true, unseen: Vec::new() }
}

/// None: no such metric. What a forward does is not known while it begins, so that a restart ends no alert.
fn figure(forward: &ForwardStatus, history: &ForwardHistory, metric: &str) -> Option<Figure> {
    let begins = forward.state == ForwardState::Starting;
    let is = |state| u64::from(forward.state == state);
    let count = match metric {
        "forward_lag" => {
            return Some(forward.lag.map_or(Figure::Unknown, |lag| Figure::Value(real(lag.unsigned_abs()))));
        }
        "forward_pending" | "forward_in_flight" | "forward_oldest_pending_seconds" | "forward_stalled" if begins => {
            return Some(Figure::Unknown);
        }
        "forward_suspended" if begins || (forward.state == ForwardState::Running && !history.is_proven(forward)) => {
            return Some(Figure::Unknown);
        }
        "forward_oldest_pending_seconds" => {
            return Some(Figure::Value(forward.oldest_pending_seconds.unwrap_or(0.0)));
        }
        "forward_pending" => forward.pending,
        "forward_in_flight" => forward.in_flight,
        "forward_suspended" => is(ForwardState::Suspended),
        "forward_paused" => is(ForwardState::Paused),
        "forward_stalled" => is(ForwardState::Stalled),
        "forward_consumed_total" => forward.consumed,
        "forward_delivered_total" => forward.delivered,
        "forward_filtered_total" => forward.filtered,
        "forward_skipped_total" => forward.skipped,
        "forward_dropped_total" => forward.dropped,
        "forward_dead_lettered_total" => forward.dead_lettered,
        "forward_retries_total" => forward.retries,
        "forward_lost_offsets_total" => forward.lost_offsets,
        "dead_letters" => forward.dead_letters_waiting,
        _ => return None,
    };
    Some(Figure::Value(real(count)))
}

/// Exact up to 2^53, and nobody sets a threshold beyond.
#[allow(clippy::cast_precision_loss, reason = "as said")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::alert::{METRICS, Source};
    use crate::status::PartitionStatus;

    #[test]
    fn every_metric_of_forwards_has_a_figure() {
        let forward = ForwardStatus { lag: Some(7), ..ForwardStatus::default() };
        for metric in METRICS.iter().filter(|metric| metric.source == Source::Forwards) {
            assert!(figure(&forward, &ForwardHistory::default(), metric.name).is_some(), "{}", metric.name);
        }
    }

    #[test]
    fn a_restart_does_not_end_a_suspension() {
        let mut history = ForwardHistory::default();
        let mut forward = ForwardStatus { pending: 5, delivered: 100, ..ForwardStatus::default() };
        let mut check = |why: &str, forward: &ForwardStatus, expected: Figure| {
            history.note(std::slice::from_ref(forward));
            assert_eq!(figure(forward, &history, "forward_suspended"), Some(expected), "{why}");
        };
        check("it begins", &forward, Figure::Unknown);
        forward.state = ForwardState::Running;
        check("it has not tried yet", &forward, Figure::Unknown);
        forward.state = ForwardState::Suspended;
        check("it tried", &forward, Figure::Value(1.0));
        forward.state = ForwardState::Running;
        forward.delivered = 101;
        check("the endpoint took one", &forward, Figure::Value(0.0));
        let idle = ForwardStatus { state: ForwardState::Running, ..ForwardStatus::default() };
        check("there is nothing to try it with", &idle, Figure::Value(0.0));
    }

    #[test]
    fn a_forward_is_a_group_with_what_it_stored() {
        let place = |topic: &str, partition, stored| PartitionStatus {
            topic: topic.to_owned(),
            partition,
            stored,
            fetched: None,
            end: None,
        };
        let partitions = vec![place("b", 1, Some(3)), place("b", 0, Some(5)), place("a", 0, None)];
        let seen = group(&ForwardStatus { partitions, state: ForwardState::Running, ..ForwardStatus::default() });
        let committed: Vec<(String, i32, i64)> =
            seen.committed.unwrap().iter().map(|it| (it.topic.to_string(), it.partition, it.offset)).collect();
        assert_eq!(committed, [("b".to_owned(), 0, 5), ("b".to_owned(), 1, 3)]);
        assert_eq!(seen.group_type, "forward");
        let begins = group(&ForwardStatus { state: ForwardState::Running, ..ForwardStatus::default() });
        assert_eq!(begins.committed, None, "it has no partitions yet");
    }
}
