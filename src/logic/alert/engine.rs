//! The state machine of alerts: figures, the time and what channels answered come in; documents to store, notices to
//! send and lines to log leave as [`Action`]s. Owns rules, alerts, silences and channels.
//!
//! Knows no Kafka, no transport, no file and no clock. Who drives it calls `actions` after everything that it told it,
//! and when `wakes_at` has come.

use std::time::Duration;

use litemap::LiteMap;

use super::action::{Action, AlertReport, Change, DocumentKind};
use super::book::{Book, MAX_ALERTS, Scope, Step};
use super::channel::Channel;
use super::condition::{self, Reading};
use super::grouping::{Need, need};
use super::live::Phase;
use super::metric::{Labels, Observed, Series, Source};
use super::notice::{ChannelSettings, Notice, NoticeAlert, Reason};
use super::routing::{Named, Situation};
use super::rule::{Rule, Severity};
use super::sentence;
use super::silences::{Silence, SilenceError, Silences};
use super::stored::{StoredAlert, StoredChannel, StoredSilence, alert_key};
use super::time::{Now, Since};
use crate::logic::from_json;
use crate::logic::moment::{Moment, Timestamp};
use crate::logic::sorted_set::SortedSet;

/// Alerts, and whom to tell.
#[derive(Debug)]
pub struct Engine {
    pub(super) rules: LiteMap<String, Rule>,
    pub(super) book: Book,
    pub(super) silences: Silences,
    channels: LiteMap<String, Channel>,
    last_id: u64,
    /// Documents that changed since the last actions.
    changed: SortedSet<Document>,
    /// Stored documents that nobody needs.
    superfluous: Vec<(DocumentKind, String)>,
    to_send: Vec<Notice>,
    reports: Vec<AlertReport>,
    crowd: Crowd,
    clock: WallClock,
    wakes_at: Option<Moment>,
}

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Document {
    Alert(String, Labels),
    Channel(String),
    Silence(String),
    Notice(u64),
}

/// Whether there are more alerts than may live, so that this is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowd {
    Fits,
    Reported,
}

/// Whether times that were written down can be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WallClock {
    NotSet,
    Set,
}

impl Engine {
    /// Nothing fires, nothing was told. Of two rules or channels with the same name the last counts.
    pub fn new(rules: Vec<Rule>, channels: Vec<ChannelSettings>) -> Self {
        Self {
            rules: by_name(rules),
            book: Book::default(),
            silences: Silences::default(),
            channels: channels.into_iter().map(|channel| (channel.name.clone(), Channel::new(channel))).collect(),
            last_id: 0,
            changed: SortedSet::new(),
            superfluous: Vec::new(),
            to_send: Vec::new(),
            reports: Vec::new(),
            crowd: Crowd::Fits,
            clock: WallClock::Set,
            wakes_at: None,
        }
    }

    /// Takes what an earlier life stored: kind, key and JSON of each document, in any order. What cannot be understood is
    /// dropped and reported; alerts of rules that do not exist any more are over; notices that were not taken go again.
    ///
    /// Call it once, before anything else.
    pub fn restore(&mut self, documents: Vec<(DocumentKind, String, String)>, now: Now) {
        for (kind, key, json) in documents {
            let restored = match kind {
                DocumentKind::Alert => self.restore_alert(&key, &json, now),
                DocumentKind::Channel => self.restore_channel(&key, &json, now),
                DocumentKind::Silence => self.restore_silence(&key, &json, now),
                DocumentKind::Notice => self.restore_notice(&key, &json),
            };
            if let Err(error) = restored {
                self.superfluous.push((kind, key.clone()));
                self.reports.push(AlertReport::Unreadable { kind, key, error });
            }
        }
        self.drop_what_does_not_apply(now);
        for (_, channel) in self.channels.iter_mut() {
            // Else what was told would be repeated at once.
            channel.last_notice.get_or_insert_with(|| Since::new(now));
            self.to_send.extend(channel.waiting.clone());
        }
        self.touch(now);
    }

    /// Takes other rules and channels; what a channel has not taken yet is to be sent again. Alerts whose rule has kept its name and its metric and still looks at their labels
    /// stay as they are; the others are over.
    pub fn reconfigure(&mut self, rules: Vec<Rule>, channels: Vec<ChannelSettings>, now: Now) {
        self.rules = by_name(rules);
        let mut old = std::mem::take(&mut self.channels);
        for settings in channels {
            let name = settings.name.clone();
            let channel = match old.remove(&name) {
                Some(mut channel) => {
                    channel.settings = settings;
                    // Whoever carried it has ended.
                    self.to_send.extend(channel.waiting.clone());
                    channel
                }
                None => Channel::new(settings),
            };
            self.channels.insert(name, channel);
        }
        for (name, channel) in old {
            self.changed.insert(Document::Channel(name));
            self.changed.extend(channel.waiting.map(|notice| Document::Notice(notice.id)));
        }
        self.drop_what_does_not_apply(now);
        self.touch(now);
    }

    /// Looks at the figures of a poll: of every cluster, or of one. A metric that is not in `observed` is left alone.
    /// `channel_failing` is the engine's own and is never taken from there.
    pub fn evaluate(&mut self, scope: Scope<'_>, observed: &LiteMap<&'static str, Observed>, now: Now) {
        let mut steps = Vec::new();
        let mut left_out = 0_u64;
        for rule in self.rules.values().filter(|rule| rule.metric.source != Source::Process) {
            if let Some(observed) = observed.get(rule.metric.name) {
                left_out = left_out.saturating_add(self.book.evaluate(rule, scope, observed, now, &mut steps));
            }
        }
        match self.crowd {
            Crowd::Fits if left_out > 0 => {
                self.crowd = Crowd::Reported;
                self.reports.push(AlertReport::TooMany { alerts: self.book.count(), left_out });
            }
            Crowd::Reported if left_out == 0 && self.book.count() < MAX_ALERTS / 10 * 9 => self.crowd = Crowd::Fits,
            Crowd::Fits | Crowd::Reported => {}
        }
        self.take_steps(steps, now);
        self.touch(now);
    }

    /// The alerts of other clusters than these are over: they are not watched any more.
    pub fn keep_clusters(&mut self, clusters: &SortedSet<String>, now: Now) {
        let mut steps = Vec::new();
        let is_gone = |labels: &Labels| labels.get("cluster").is_some_and(|cluster| !clusters.contains(cluster));
        self.book.resolve_where(now, &mut steps, |_, labels, _| is_gone(labels));
        self.take_steps(steps, now);
        self.touch(now);
    }

    /// The ages that rules on `group_lag_seconds` need exact verdicts for.
    pub fn ages_wanted(&self) -> SortedSet<Duration> {
        condition::ages_wanted(self.rules.values())
    }

    /// The metric `channel_failing`: 1 after three failures in a row or five minutes of failing, 0 after a success.
    pub fn channel_failing(&self, now: Now) -> Observed {
        let series = |(name, channel): (&String, &Channel)| {
            Series::new(Labels::from_iter([("channel".to_owned(), name.clone())]), channel.failing(now))
        };
        Observed { series: self.channels.iter().map(series).collect(), complete: true, unseen: Vec::new() }
    }

    /// The channel took this notice.
    pub fn taken(&mut self, notice_id: u64, channel: &str, now: Now) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.took();
            if channel.waiting.take_if(|notice| notice.id == notice_id).is_some() {
                self.changed.insert(Document::Notice(notice_id));
            }
        }
        self.touch(now);
    }

    /// The channel did not take a notice this time, for this reason; it is tried again.
    pub fn failed(&mut self, channel: &str, error: &str, now: Now) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.failed(error, now);
        }
        self.touch(now);
    }

    /// Tells nobody of alerts whose names match `name` (a glob) for a while; answers when that ends. A silence with the
    /// same glob is replaced. The end of an alert that somebody was told of is told all the same.
    ///
    /// # Errors
    ///
    /// The name or the length cannot be meant, or there are too many silences.
    pub fn silence(&mut self, name: &str, length: Duration, now: Now) -> Result<Timestamp, SilenceError> {
        let covered: SortedSet<_> =
            self.rules.keys().filter(|name| self.silences.covering(name, now).is_some()).cloned().collect();
        let silence = Silence { begun: Since::new(now), length };
        self.silences.add(name, silence)?;
        self.changed.insert(Document::Silence(name.to_owned()));
        let mut steps = Vec::new();
        for (alert_name, labels, alert) in self.book.iter() {
            let is_covered_now = !covered.contains(alert_name) && self.silences.covering(alert_name, now).is_some();
            if matches!(alert.phase, Phase::Firing { .. }) && is_covered_now {
                let change = Change::Silenced;
                steps.push(Step { name: alert_name.to_owned(), labels: labels.clone(), change });
            }
        }
        for step in steps {
            self.report(&step);
        }
        self.touch(now);
        Ok(silence.until(now))
    }

    /// Ends the silence with exactly this glob. False: there is none.
    pub fn unsilence(&mut self, name: &str, now: Now) -> bool {
        let ended = self.silences.remove(name);
        if ended {
            self.changed.insert(Document::Silence(name.to_owned()));
        }
        self.touch(now);
        ended
    }

    /// A notice that says that it is a test. It is not stored, and not sent again. None: there is no such channel.
    pub fn test_notice(&mut self, channel: &str, now: Now) -> Option<Notice> {
        self.channels.get(channel)?;
        let alert = NoticeAlert {
            name: "test".to_owned(),
            metric: "test".to_owned(),
            labels: Labels::from_iter([("channel".to_owned(), channel.to_owned())]),
            severity: Severity::Info,
            summary: format!("This is a test of channel {channel}. Nothing is wrong."),
            runbook: None,
            value: None,
            value_text: String::new(),
            threshold_text: String::new(),
            since: now.wall.0,
            ended: None,
            told_in: None,
        };
        self.last_id = self.next_id(now);
        Some(Notice {
            id: self.last_id,
            channel: channel.to_owned(),
            reason: Reason::Test,
            at: now.wall.0,
            firing: vec![alert],
            resolved: Vec::new(),
            more: 0,
        })
    }

    /// What is to be done now: first what is stored and forgotten, then what is sent, then what is logged.
    pub fn actions(&mut self, now: Now) -> Vec<Action> {
        for glob in self.silences.expire(now) {
            self.changed.insert(Document::Silence(glob));
        }
        self.watch_the_clock(now);
        self.evaluate_channels(now);
        self.tell(now);
        let mut actions: Vec<_> = self.superfluous.drain(..).map(|(kind, key)| Action::Forget { kind, key }).collect();
        let changed = std::mem::take(&mut self.changed);
        actions.extend(changed.into_iter().map(|document| self.write(document, now)));
        actions.extend(self.to_send.drain(..).map(Action::Send));
        actions.extend(self.reports.drain(..).map(Action::Log));
        actions
    }

    /// When `actions` has something to say at the latest, if nothing happens before. It may be over.
    pub fn wakes_at(&self) -> Option<Moment> {
        self.wakes_at
    }

    /// Something changed: `actions` should look.
    fn touch(&mut self, now: Now) {
        self.wakes_at = Some(now.moment);
    }

    /// What was written down under a clock that had not been set is written again when it is.
    fn watch_the_clock(&mut self, now: Now) {
        let clock = if now.is_plausible() { WallClock::Set } else { WallClock::NotSet };
        if std::mem::replace(&mut self.clock, clock) == WallClock::NotSet && clock == WallClock::Set {
            let alerts = self.book.iter().map(|(name, labels, _)| Document::Alert(name.to_owned(), labels.clone()));
            self.changed.extend(alerts);
            self.changed.extend(self.channels.keys().cloned().map(Document::Channel));
            self.changed.extend(self.silences.iter().map(|(glob, _)| Document::Silence(glob.to_owned())));
        }
    }

    fn evaluate_channels(&mut self, now: Now) {
        let observed = self.channel_failing(now);
        let mut steps = Vec::new();
        for rule in self.rules.values().filter(|rule| rule.metric.name == "channel_failing") {
            self.book.evaluate(rule, Scope::Everything, &observed, now, &mut steps);
            for (labels, alert) in self.book.of_rule_mut(&rule.name).filter(|_| rule.summary.is_none()) {
                let channel = labels.get("channel").and_then(|name| self.channels.get(name));
                if let Some(error) = channel.and_then(Channel::error) {
                    alert.summary = sentence::with_reason(&sentence::summary(rule, labels, &Reading::FAILING), error);
                }
            }
        }
        self.take_steps(steps, now);
    }

    /// Decides for each channel whether it needs a notice, and when to look again.
    fn tell(&mut self, now: Now) {
        let mut wakes_at: Vec<Moment> = self.silences.next_end().into_iter().collect();
        wakes_at.extend(self.channels.values().filter_map(|channel| channel.wakes_at(now)));
        let names: Vec<_> = self.channels.keys().cloned().collect();
        for name in names {
            let id = self.next_id(now);
            let situation = Situation::new(&self.book, &self.rules, &self.silences, now);
            wakes_at.extend(situation.causes.wakes_at);
            let Some(channel) = self.channels.get_mut(&name) else { continue };
            let tidings = situation.tidings(&channel.settings);
            let since_last = channel.last_notice.map_or(Duration::MAX, |last| last.elapsed(now));
            let need = match channel.waiting {
                // What it has not taken comes first, and meanwhile the next one gathers.
                Some(_) => Need::Nothing,
                None => need(&tidings.entries, &channel.settings, since_last),
            };
            wakes_at.extend(&tidings.wakes_at);
            let held = [(identities(&tidings.explained), None), (identities(&tidings.freed), Some(now.moment))];
            let reason = match need {
                Need::Notice(reason) => Some(reason),
                Need::Wait(wait) => {
                    wakes_at.push(now.moment + wait);
                    None
                }
                Need::Nothing => None,
            };
            let told = reason.map(|reason| {
                let notice = tidings.notice(id, &name, reason, now);
                channel.last_notice = Some(Since::new(now));
                channel.waiting = Some(notice.clone());
                self.to_send.push(notice);
                (identities(&tidings.firing), identities(&tidings.over))
            });
            for (alerts, until) in held {
                for (rule, labels) in alerts {
                    if let Some(alert) = self.book.get_mut(&rule, &labels) {
                        alert.held.insert(name.clone(), until);
                    }
                }
            }
            if let Some((firing, over)) = told {
                self.last_id = id;
                self.changed.insert(Document::Notice(id));
                self.changed.insert(Document::Channel(name.clone()));
                self.mark_told(&name, id, firing, over);
            }
        }
        self.wakes_at = wakes_at.into_iter().min();
    }

    /// A notice told `channel` that these fire, and that those are over.
    fn mark_told(&mut self, channel: &str, id: u64, firing: Vec<(String, Labels)>, over: Vec<(String, Labels)>) {
        for (name, labels) in firing {
            let Some(alert) = self.book.get_mut(&name, &labels) else { continue };
            alert.held.remove(channel);
            if !alert.told.contains_key(channel) {
                alert.told.insert(channel.to_owned(), id);
                self.changed.insert(Document::Alert(name, labels));
            }
        }
        for (name, labels) in over {
            if let Some(alert) = self.book.get_mut(&name, &labels) {
                alert.told.remove(channel);
            }
            self.book.remove_if_done(&name, &labels);
            self.changed.insert(Document::Alert(name, labels));
        }
    }

    /// Reports what changed, has it stored, and removes what nobody has to hear of.
    fn take_steps(&mut self, steps: Vec<Step>, now: Now) {
        for step in steps {
            self.report(&step);
            if step.change == Change::Firing && self.silences.covering(&step.name, now).is_some() {
                self.report(&Step { change: Change::Silenced, ..step.clone() });
            }
            self.book.remove_if_done(&step.name, &step.labels);
            self.changed.insert(Document::Alert(step.name, step.labels));
        }
    }

    fn report(&mut self, step: &Step) {
        if let Some(alert) = self.book.get(&step.name, &step.labels) {
            self.reports.push(AlertReport::Changed {
                change: step.change,
                name: step.name.clone(),
                labels: step.labels.clone(),
                severity: alert.severity,
                summary: alert.summary.clone(),
            });
        }
    }

    /// Channels that do not exist were told nothing; alerts that no rule looks at are over.
    fn drop_what_does_not_apply(&mut self, now: Now) {
        let mut fewer = Vec::new();
        for (name, labels, alert) in self.book.iter_mut() {
            let before = alert.told.len();
            alert.told.retain(|channel, _| self.channels.contains_key(channel));
            if alert.told.len() < before {
                fewer.push((name.to_owned(), labels.clone()));
            }
        }
        for (name, labels) in fewer {
            self.book.remove_if_done(&name, &labels);
            self.changed.insert(Document::Alert(name, labels));
        }
        let rules = &self.rules;
        let mut steps = Vec::new();
        self.book.resolve_where(now, &mut steps, |name, labels, alert| {
            !rules.get(name).is_some_and(|rule| rule.metric.name == alert.metric && rule.looks_at(labels))
        });
        self.take_steps(steps, now);
    }

    /// The milliseconds since 1970, or one more than the last id.
    fn next_id(&self, now: Now) -> u64 {
        u64::try_from(now.wall.0).unwrap_or(0).max(self.last_id.saturating_add(1))
    }

    fn write(&self, document: Document, now: Now) -> Action {
        let (kind, key, json) = match document {
            Document::Alert(name, labels) => {
                let alert = self.book.get(&name, &labels).map(|alert| StoredAlert::new(&name, &labels, alert, now));
                (DocumentKind::Alert, alert_key(&name, &labels), alert.and_then(|alert| json(&alert)))
            }
            Document::Channel(name) => {
                let stored = |channel: &Channel| StoredChannel {
                    last_notice: channel.last_notice.map(|last| last.wall(now).0),
                    last_id: self.last_id,
                };
                let json = self.channels.get(&name).and_then(|channel| json(&stored(channel)));
                (DocumentKind::Channel, name, json)
            }
            Document::Silence(glob) => {
                let json = self.silences.get(&glob).and_then(|silence| json(&StoredSilence::new(silence, now)));
                (DocumentKind::Silence, glob, json)
            }
            Document::Notice(id) => {
                let mut waiting = self.channels.values().filter_map(|channel| channel.waiting.as_ref());
                let json = waiting.find(|notice| notice.id == id).and_then(json);
                (DocumentKind::Notice, id.to_string(), json)
            }
        };
        match json {
            Some(json) => Action::Store { kind, key, json },
            None => Action::Forget { kind, key },
        }
    }

    fn restore_alert(&mut self, key: &str, json: &str, now: Now) -> Result<(), String> {
        let stored: StoredAlert = from_json::read(json.as_bytes())?;
        let (name, labels, alert) = stored.restore(now);
        if alert_key(&name, &labels) != key {
            return Err("it stands under a key that is not its own".to_owned());
        }
        match self.book.insert(&name, labels, alert) {
            true => Ok(()),
            false => Err(format!("there are more than {MAX_ALERTS}")),
        }
    }

    fn restore_channel(&mut self, key: &str, json: &str, now: Now) -> Result<(), String> {
        let stored: StoredChannel = from_json::read(json.as_bytes())?;
        self.last_id = self.last_id.max(stored.last_id);
        match self.channels.get_mut(key) {
            Some(channel) => channel.last_notice = stored.last_notice.map(|last| Since::restored(last, now)),
            None => self.superfluous.push((DocumentKind::Channel, key.to_owned())),
        }
        Ok(())
    }

    fn restore_silence(&mut self, key: &str, json: &str, now: Now) -> Result<(), String> {
        let stored: StoredSilence = from_json::read(json.as_bytes())?;
        self.silences.add(key, stored.restore(now)).map_err(|error| error.to_string())
    }

    fn restore_notice(&mut self, key: &str, json: &str) -> Result<(), String> {
        let notice: Notice = from_json::read(json.as_bytes())?;
        if notice.id.to_string() != key {
            return Err("it stands under a key that is not its own".to_owned());
        }
        self.last_id = self.last_id.max(notice.id);
        match self.channels.get_mut(&notice.channel) {
            Some(channel) if channel.waiting.is_some() => Err("its channel has another one".to_owned()),
            Some(channel) => {
                channel.waiting = Some(notice);
                Ok(())
            }
            None => {
                self.superfluous.push((DocumentKind::Notice, key.to_owned()));
                Ok(())
            }
        }
    }
}

fn identities(alerts: &[Named<'_>]) -> Vec<(String, Labels)> {
    alerts.iter().map(|named| (named.name.to_owned(), named.labels.clone())).collect()
}

fn by_name(rules: Vec<Rule>) -> LiteMap<String, Rule> {
    rules.into_iter().map(|rule| (rule.name.clone(), rule)).collect()
}

fn json<T: serde::Serialize>(document: &T) -> Option<String> {
    // Strings, numbers and maps by strings can always be written.
    serde_json::to_string(document).ok()
}
