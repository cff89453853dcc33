//! Which alerts others explain: a cluster that cannot be reached explains everything else of it, a dead broker its own
//! figures, and dead brokers together the partitions that nothing but they keep from being well. What is explained is
//! shown, and not told. Pure.

use std::time::Duration;

use litemap::LiteMap;

use super::book::Book;
use super::live::Phase;
use super::metric::Labels;
use super::rule::Rule;
use super::time::Now;
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;

/// What brokers that are down do to partitions, wherever they are led.
const PARTITION_METRICS: [&str; 3] = ["partitions_offline", "partitions_under_replicated", "partitions_under_min_isr"];
/// A pending cause fires at the first poll after its hold: its consequences wait for that poll, too.
const POLL: Duration = Duration::from_mins(1);

/// An alert that explains others.
#[derive(Debug)]
pub(super) struct Cause<'a> {
    pub(super) rule: &'a Rule,
    pub(super) labels: &'a Labels,
}

/// The causes at one moment.
#[derive(Debug, Default)]
pub(super) struct Causes<'a> {
    /// By cluster.
    clusters: LiteMap<&'a str, Vec<Cause<'a>>>,
    /// By cluster and broker.
    brokers: LiteMap<&'a str, LiteMap<&'a str, Vec<Cause<'a>>>>,
    /// When the first pending one has been pending for too long to be waited for.
    pub(super) wakes_at: Option<Moment>,
}

impl<'a> Causes<'a> {
    /// Finds them: alerts that fire, or that are about to.
    pub(super) fn find(book: &'a Book, rules: &'a LiteMap<String, Rule>, now: Now) -> Self {
        let mut causes = Self::default();
        for rule in rules.values().filter(|rule| is_about_an_absence(rule)) {
            for (labels, alert) in book.of_rule(&rule.name) {
                let Some(cluster) = labels.get("cluster") else { continue };
                let patience = rule.hold.saturating_add(POLL);
                match alert.phase {
                    Phase::Firing { .. } => {}
                    Phase::Pending if alert.since.elapsed(now) < patience => {
                        let end = alert.since.after(patience);
                        causes.wakes_at = Some(causes.wakes_at.map_or(end, |earliest| earliest.min(end)));
                    }
                    Phase::Pending | Phase::Over => continue,
                }
                let cause = Cause { rule, labels };
                match labels.get("broker") {
                    None => causes.clusters.entry(cluster).or_default().push(cause),
                    Some(broker) => {
                        causes.brokers.entry(cluster).or_default().entry(broker).or_default().push(cause);
                    }
                }
            }
        }
        causes
    }

    /// A cause that explains a series of `metric`, of those that are `told`: the first, where it takes several.
    /// `because_of`: the brokers whose absence would, all of them together; none: not known, so any broker's does.
    pub(super) fn explaining(
        &self,
        metric: &str,
        labels: &Labels,
        because_of: Option<&SortedSet<String>>,
        told: impl Fn(&Cause<'a>) -> bool,
    ) -> Option<&Cause<'a>> {
        let cluster = labels.get("cluster")?.as_str();
        // Two rules on the same thing do not explain each other.
        if metric == "cluster_up" {
            return None;
        }
        let of_cluster = self.clusters.get(cluster).into_iter().flatten().find(|cause| told(cause));
        let brokers = self.brokers.get(cluster).filter(|_| metric != "broker_up");
        let of_broker = |id: &str| brokers?.get(id)?.iter().find(|cause| told(cause));
        of_cluster.or_else(|| match (labels.get("broker"), because_of) {
            (Some(broker), _) => of_broker(broker),
            (None, _) if !PARTITION_METRICS.contains(&metric) => None,
            // One that is missing and has no cause is a reason of its own.
            (None, Some(missing)) => {
                let causes = missing.iter().map(|broker| of_broker(broker)).collect::<Option<Vec<_>>>()?;
                causes.first().copied()
            }
            (None, None) => brokers?.values().flatten().find(|cause| told(cause)),
        })
    }
}

/// A rule that is broken when something does not answer, and not when it does.
fn is_about_an_absence(rule: &Rule) -> bool {
    matches!(rule.metric.name, "cluster_up" | "broker_up") && rule.condition.is_met(0.0) && !rule.condition.is_met(1.0)
}
