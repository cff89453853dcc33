//! One alert from the first broken figure to the last channel that was told its end: pending, firing, over. Pure; knows
//! neither silences nor other alerts, and does not decide what is told.

use litemap::LiteMap;

use super::action::Change;
use super::condition::{Reading, Verdict};
use super::figure_text::UNKNOWN;
use super::metric::{Labels, Series};
use super::notice::NoticeAlert;
use super::rule::{NoData, Rule, Severity};
use super::sentence;
use super::time::{Now, Since};
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;

/// An alert. Its identity, the rule's name and the labels of the series, is where it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alert {
    pub(super) metric: String,
    pub(super) severity: Severity,
    pub(super) runbook: Option<String>,
    /// As of the last figure that broke the rule.
    pub(super) summary: String,
    pub(super) value: Option<f64>,
    pub(super) value_text: String,
    pub(super) threshold_text: String,
    pub(super) phase: Phase,
    /// Since when the rule is broken.
    pub(super) since: Since,
    /// Its last end, as long as a channel that was told of the alert may have to be told the end.
    pub(super) end: Option<End>,
    /// The channels that believe that it fires, each with the id of the notice that told them first.
    pub(super) told: LiteMap<String, u64>,
    /// The channels that were not told because another alert explains this one, and when that ended; none: it has not.
    pub(super) held: LiteMap<String, Option<Moment>>,
    /// The brokers whose absence would explain it, as its series said last; none: it has not said yet.
    pub(super) because_of: Option<SortedSet<String>>,
    /// The evaluation that saw its series last.
    pub(super) seen_in: u64,
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rule is broken, but not for long enough.
    Pending,
    /// It fires.
    Firing {
        /// Since when.
        fired: Since,
    },
    /// It is over, and kept because somebody has to be told so.
    Over,
}

/// The end of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Since when the rule had been broken.
    pub(super) since: Since,
    /// When it was over.
    pub(super) at: Since,
}

impl Alert {
    /// A series breaks a rule for the first time. None: it does not.
    pub(super) fn begin(rule: &Rule, labels: &Labels, reading: &Reading, now: Now) -> Option<(Self, Change)> {
        if !is_broken(rule, reading.verdict) {
            return None;
        }
        let mut alert = Self {
            metric: String::new(),
            severity: rule.severity,
            runbook: None,
            summary: String::new(),
            value: None,
            value_text: String::new(),
            threshold_text: String::new(),
            phase: Phase::Over,
            since: Since::new(now),
            end: None,
            told: LiteMap::new(),
            held: LiteMap::new(),
            because_of: None,
            seen_in: 0,
        };
        let change = alert.step(rule, labels, reading, now)?;
        Some((alert, change))
    }

    /// Its series is there, in this evaluation.
    pub(super) fn saw(&mut self, series: &Series, evaluation: u64) {
        self.seen_in = evaluation;
        // A figure that cannot be read says nothing new.
        if series.because_of.is_some() {
            self.because_of.clone_from(&series.because_of);
        }
    }

    /// Takes the next reading. None: it stays as it is.
    pub(super) fn step(&mut self, rule: &Rule, labels: &Labels, reading: &Reading, now: Now) -> Option<Change> {
        let broken = is_broken(rule, reading.verdict);
        let good = match reading.verdict {
            Verdict::Good | Verdict::Gone => true,
            Verdict::Unknown => rule.no_data == NoData::Resolve,
            Verdict::Broken | Verdict::Between => false,
        };
        self.severity = rule.severity;
        if broken || self.phase != Phase::Over {
            self.describe(rule, labels, reading, broken);
        }
        match self.phase {
            Phase::Over if broken => {
                self.since = Since::new(now);
                Some(self.broken_for_long(rule, now).unwrap_or_else(|| {
                    self.phase = Phase::Pending;
                    Change::Pending
                }))
            }
            Phase::Pending if broken => self.broken_for_long(rule, now),
            Phase::Pending if good || reading.verdict == Verdict::Between => {
                self.phase = Phase::Over;
                Some(Change::Withdrawn)
            }
            Phase::Firing { .. } if good => Some(self.resolve(now)),
            Phase::Over | Phase::Pending | Phase::Firing { .. } => None,
        }
    }

    /// It is over, whatever its series says: its rule is gone.
    pub(super) fn resolve(&mut self, now: Now) -> Change {
        let change = match self.phase {
            Phase::Pending => Change::Withdrawn,
            Phase::Firing { .. } | Phase::Over => {
                self.end = Some(End { since: self.since, at: Since::new(now) });
                Change::Resolved
            }
        };
        self.phase = Phase::Over;
        change
    }

    /// Nobody has to hear of it any more.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Over && self.told.is_empty()
    }

    /// How a notice tells it. `told_in`: the notice that told that channel first.
    pub(super) fn in_notice(&self, name: &str, labels: &Labels, told_in: Option<u64>, now: Now) -> NoticeAlert {
        let (since, ended) = match (self.phase, self.end) {
            (Phase::Firing { .. }, _) | (_, None) => (self.since, None),
            (_, Some(end)) => (end.since, Some(end.at)),
        };
        NoticeAlert {
            name: name.to_owned(),
            metric: self.metric.clone(),
            labels: labels.clone(),
            severity: self.severity,
            summary: self.summary.clone(),
            runbook: self.runbook.clone(),
            value: self.value,
            value_text: self.value_text.clone(),
            threshold_text: self.threshold_text.clone(),
            since: since.wall(now).0,
            ended: ended.map(|ended| ended.wall(now).0),
            told_in,
        }
    }

    fn broken_for_long(&mut self, rule: &Rule, now: Now) -> Option<Change> {
        (self.since.elapsed(now) >= rule.hold).then(|| {
            self.phase = Phase::Firing { fired: Since::new(now) };
            // Whoever was told and has not heard of the end is told nothing: for him it never stopped.
            self.end = None;
            Change::Firing
        })
    }

    fn describe(&mut self, rule: &Rule, labels: &Labels, reading: &Reading, broken: bool) {
        self.value = reading.value;
        self.value_text = match reading.verdict {
            Verdict::Gone => "gone".to_owned(),
            Verdict::Unknown => UNKNOWN.to_owned(),
            _ => sentence::value_text(rule, reading),
        };
        if broken || reading.verdict == Verdict::Between {
            rule.metric.name.clone_into(&mut self.metric);
            self.runbook.clone_from(&rule.runbook);
            self.threshold_text = sentence::threshold(rule);
        }
        // While it cannot be read, and at its end, the sentence of the last broken figure says more.
        if broken && (reading.value.is_some() || self.summary.is_empty()) {
            self.summary = sentence::summary(rule, labels, reading);
        }
    }
}

/// Whether a verdict counts as broken.
fn is_broken(rule: &Rule, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Broken => true,
        Verdict::Unknown => rule.no_data == NoData::Fire,
        Verdict::Between | Verdict::Good | Verdict::Gone => false,
    }
}
