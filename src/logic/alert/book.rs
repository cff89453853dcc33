//! All alerts that live, by rule and labels, and what an evaluation does to them. Bounded. Pure; does not decide what
//! is told.

use std::collections::BTreeMap;

use litemap::LiteMap;

use super::action::Change;
use super::condition::{Reading, judge};
use super::live::{Alert, Phase};
use super::metric::{Labels, Observed};
use super::rule::Rule;
use super::time::Now;

/// Alerts that live at most. More would help nobody.
pub(super) const MAX_ALERTS: usize = 10_000;
/// Bytes of the labels of a series, names and values; a group's name alone may have 32 KiB. Larger series are left out.
const MAX_LABEL_BYTES: usize = 4096;

/// Which alerts an evaluation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All.
    Everything,
    /// Those with this label `cluster`: figures of other clusters come at other times.
    Cluster(&'a str),
}

impl Scope<'_> {
    fn includes(self, labels: &Labels) -> bool {
        match self {
            Self::Everything => true,
            Self::Cluster(cluster) => labels.get("cluster").is_some_and(|of| of == cluster),
        }
    }
}

/// An alert that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) change: Change,
}

/// Alerts by their rules' names and their labels.
#[derive(Debug, Default)]
pub(super) struct Book {
    alerts: LiteMap<String, BTreeMap<Labels, Alert>>,
    count: usize,
    evaluation: u64,
}

impl Book {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, name: &str, labels: &Labels) -> Option<&Alert> {
        self.alerts.get(name)?.get(labels)
    }

    pub(super) fn get_mut(&mut self, name: &str, labels: &Labels) -> Option<&mut Alert> {
        self.alerts.get_mut(name)?.get_mut(labels)
    }

    pub(super) fn of_rule(&self, name: &str) -> impl Iterator<Item = (&Labels, &Alert)> {
        self.alerts.get(name).into_iter().flatten()
    }

    pub(super) fn of_rule_mut(&mut self, name: &str) -> impl Iterator<Item = (&Labels, &mut Alert)> {
        self.alerts.get_mut(name).into_iter().flatten()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Labels, &Alert)> {
        self.alerts
            .iter()
            .flat_map(|(name, alerts)| alerts.iter().map(move |(labels, alert)| (name.as_str(), labels, alert)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &Labels, &mut Alert)> {
        self.alerts
            .iter_mut()
            .flat_map(|(name, alerts)| alerts.iter_mut().map(move |(labels, alert)| (name.as_str(), labels, alert)))
    }

    /// False: there are too many.
    pub(super) fn insert(&mut self, name: &str, labels: Labels, alert: Alert) -> bool {
        if self.count >= MAX_ALERTS {
            return false;
        }
        if self.alerts.entry(name.to_owned()).or_default().insert(labels, alert).is_none() {
            self.count += 1;
        }
        true
    }

    /// Removes the alert if nobody has to hear of it any more.
    pub(super) fn remove_if_done(&mut self, name: &str, labels: &Labels) {
        let Some(alerts) = self.alerts.get_mut(name) else { return };
        if alerts.get(labels).is_some_and(Alert::is_done) && alerts.remove(labels).is_some() {
            self.count -= 1;
        }
        if alerts.is_empty() {
            self.alerts.remove(name);
        }
    }

    /// Looks at all series of `rule` in `scope`. Returns how many series that break it were left out.
    pub(super) fn evaluate(
        &mut self,
        rule: &Rule,
        scope: Scope<'_>,
        observed: &Observed,
        now: Now,
        steps: &mut Vec<Step>,
    ) -> u64 {
        self.evaluation += 1;
        let evaluation = self.evaluation;
        let mut left_out = 0;
        let mut step = |labels: &Labels, change| {
            steps.push(Step { name: rule.name.clone(), labels: labels.clone(), change });
        };
        for series in observed.series.iter().filter(|series| scope.includes(&series.labels)) {
            if !rule.looks_at(&series.labels) {
                continue;
            }
            let reading = judge(rule, &series.figure);
            if let Some(alert) = self.get_mut(&rule.name, &series.labels) {
                alert.saw(series, evaluation);
                if let Some(change) = alert.step(rule, &series.labels, &reading, now) {
                    step(&series.labels, change);
                }
            } else if let Some((mut alert, change)) = Alert::begin(rule, &series.labels, &reading, now) {
                alert.saw(series, evaluation);
                if is_bounded(&series.labels) && self.insert(&rule.name, series.labels.clone(), alert) {
                    step(&series.labels, change);
                } else {
                    left_out += 1;
                }
            }
        }
        let gone = |labels: &Labels| {
            let covers = |some: &Labels| some.iter().all(|(name, value)| labels.get(name) == Some(value));
            observed.complete && !observed.unseen.iter().any(covers)
        };
        let unseen = self.alerts.get_mut(&rule.name).into_iter().flatten();
        for (labels, alert) in unseen.filter(|(labels, alert)| alert.seen_in != evaluation && scope.includes(labels)) {
            let reading = if gone(labels) { Reading::GONE } else { Reading::UNKNOWN };
            if let Some(change) = alert.step(rule, labels, &reading, now) {
                step(labels, change);
            }
        }
        left_out
    }

    /// Ends all alerts that `ends` says are not wanted any more.
    pub(super) fn resolve_where(
        &mut self,
        now: Now,
        steps: &mut Vec<Step>,
        ends: impl Fn(&str, &Labels, &Alert) -> bool,
    ) {
        for (name, labels, alert) in self.iter_mut() {
            if alert.phase != Phase::Over && ends(name, labels, alert) {
                let change = alert.resolve(now);
                steps.push(Step { name: name.to_owned(), labels: labels.clone(), change });
            }
        }
    }
}

fn is_bounded(labels: &Labels) -> bool {
    labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MAX_LABEL_BYTES
}
