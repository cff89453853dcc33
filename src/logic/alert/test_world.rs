//! An engine with an invented clock and a disk, for tests: takes every action as the shell would, and starts again from
//! what was stored.

use std::time::Duration;

use litemap::LiteMap;

use super::metric::{Figure, Observed};
use super::notice::{ChannelSettings, Notice, Reason};
use super::rule::Rule;
use super::test_support::labels;
use super::{Action, AlertReport, DocumentKind, Engine, Now, Scope, Series};
use crate::logic::moment::{Moment, Timestamp};

/// 2026-11-21T07:00:00Z, at second 0 of every test.
pub(super) const START: i64 = 1_795_244_400_000;

/// The engine and its surroundings.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) rules: Vec<Rule>,
    pub(super) channels: Vec<ChannelSettings>,
    pub(super) disk: LiteMap<(DocumentKind, String), String>,
    /// Every notice that was sent, in order, those that came again after a restart too.
    pub(super) sent: Vec<Notice>,
    pub(super) reports: Vec<String>,
    /// Seconds on the wall clock since the start.
    pub(super) seconds: u64,
    /// By how many milliseconds the wall clock is wrong.
    pub(super) wrong_by: i64,
    started_at: u64,
    pub(super) takes: Takes,
    observed: LiteMap<&'static str, Observed>,
}

/// What channels do with notices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Everything,
    Nothing,
}

impl World {
    pub(super) fn new(rules: Vec<Rule>, channels: Vec<ChannelSettings>) -> Self {
        Self {
            engine: Engine::new(rules.clone(), channels.clone()),
            rules,
            channels,
            disk: LiteMap::new(),
            sent: Vec::new(),
            reports: Vec::new(),
            seconds: 0,
            wrong_by: 0,
            started_at: 0,
            takes: Takes::Everything,
            observed: LiteMap::new(),
        }
    }

    pub(super) fn now(&self) -> Now {
        let wall = START + i64::try_from(self.seconds).expect("few") * 1000 + self.wrong_by;
        Now { moment: Moment::after_start(Duration::from_secs(self.seconds - self.started_at)), wall: Timestamp(wall) }
    }

    /// From now on, polls see this of a metric.
    pub(super) fn sees(&mut self, metric: &'static str, series: &[(&[(&str, &str)], f64)]) -> &mut Self {
        self.sees_all(metric, super::test_support::observed(series))
    }

    /// From now on, polls see this of one series, which the absence of these brokers would explain.
    pub(super) fn sees_because(
        &mut self,
        metric: &'static str,
        pairs: &[(&str, &str)],
        value: f64,
        brokers: &[&str],
    ) -> &mut Self {
        let because_of = Some(brokers.iter().map(|broker| (*broker).to_owned()).collect());
        let series = vec![Series { because_of, ..Series::new(labels(pairs), Figure::Value(value)) }];
        self.sees_all(metric, Observed { series, complete: true, unseen: Vec::new() })
    }

    /// From now on, polls see these series, and no figure in any.
    pub(super) fn sees_nothing_of(&mut self, metric: &'static str, pairs: &[(&str, &str)]) -> &mut Self {
        let series = vec![Series::new(labels(pairs), Figure::Unknown)];
        self.sees_all(metric, Observed { series, complete: true, unseen: Vec::new() })
    }

    pub(super) fn sees_all(&mut self, metric: &'static str, observed: Observed) -> &mut Self {
        self.observed.insert(metric, observed);
        self
    }

    /// Polls now.
    pub(super) fn poll(&mut self) -> &mut Self {
        self.engine.evaluate(Scope::Everything, &self.observed, self.now());
        self.act();
        self
    }

    /// Goes on to this second, with a poll every 30 s and whenever it is reached, and wakes up when asked to.
    pub(super) fn until(&mut self, seconds: u64) -> &mut Self {
        while self.seconds < seconds {
            let next_poll = (self.seconds / 30 + 1) * 30;
            let wake = self.engine.wakes_at().map_or(u64::MAX, |wake| {
                self.started_at + wake.since_start().as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX / 2)
            });
            self.seconds = next_poll.min(wake.max(self.seconds + 1)).min(seconds);
            if self.seconds == next_poll {
                self.poll();
            } else {
                self.act();
            }
        }
        self
    }

    /// Executes what the engine wants.
    pub(super) fn act(&mut self) {
        loop {
            let now = self.now();
            let actions = self.engine.actions(now);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Store { kind, key, json } => {
                        self.disk.insert((kind, key), json);
                    }
                    Action::Forget { kind, key } => {
                        self.disk.remove(&(kind, key));
                    }
                    Action::Send(notice) => {
                        let stored = self.disk.get(&(DocumentKind::Notice, notice.id.to_string()));
                        assert!(stored.is_some(), "a notice is stored before it is sent");
                        self.sent.push(notice.clone());
                        match self.takes {
                            Takes::Everything => self.engine.taken(notice.id, &notice.channel, now),
                            Takes::Nothing => self.engine.failed(&notice.channel, "connection refused", now),
                        }
                    }
                    Action::Log(report) => self.reports.push(describe(&report)),
                }
            }
        }
    }

    /// The process ends, and starts again `down` seconds later with the rules and channels that there are now.
    pub(super) fn restart(&mut self, down: u64) -> &mut Self {
        self.seconds += down;
        self.started_at = self.seconds;
        self.engine = Engine::new(self.rules.clone(), self.channels.clone());
        let documents = self.disk.iter().map(|((kind, key), json)| (*kind, key.clone(), json.clone())).collect();
        self.engine.restore(documents, self.now());
        self.act();
        self
    }

    /// What was sent since this was asked last: the second, the reason, what fires and what is over.
    #[track_caller]
    pub(super) fn expect(&mut self, why: &str, expected: &[(u64, Reason, &[&str], &[&str])]) {
        let name = |alert: &super::NoticeAlert| alert.name.clone();
        let sent: Vec<_> = std::mem::take(&mut self.sent)
            .iter()
            .map(|notice| {
                let second = u64::try_from((notice.at - START - self.wrong_by) / 1000).expect("after the start");
                let firing: Vec<_> = notice.firing.iter().map(name).collect();
                (second, notice.reason, firing, notice.resolved.iter().map(name).collect::<Vec<_>>())
            })
            .collect();
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected: Vec<_> =
            expected.iter().map(|(second, reason, firing, over)| (*second, *reason, own(firing), own(over))).collect();
        assert_eq!(sent, expected, "{why}");
    }
}

fn describe(report: &AlertReport) -> String {
    match report {
        AlertReport::Changed { change, name, .. } => format!("{name} {}", change.name()),
        other => other.to_string(),
    }
}
