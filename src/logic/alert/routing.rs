//! What a channel may be told at this moment, and the notice that says it. An alert reaches a channel when its rule
//! names the channel, it is severe enough, no silence covers it, and no other alert that the channel is told explains
//! it. The end of an alert that was told is told in any case: a person who waits for it must learn that it is over.

use std::cmp::Reverse;
use std::time::Duration;

use litemap::LiteMap;

use super::book::Book;
use super::grouping::Entry;
use super::inhibit::{Cause, Causes};
use super::live::{Alert, Phase};
use super::metric::Labels;
use super::notice::{ChannelSettings, Notice, NoticeAlert, Reason};
use super::rule::Rule;
use super::silences::Silences;
use super::time::Now;
use crate::logic::moment::Moment;
use crate::logic::sorted_set::SortedSet;

/// Alerts and ends that a notice lists at most; the rest is a number.
const MAX_LISTED: usize = 200;
/// Bytes of JSON of what a notice lists at most. Half of what the state takes as one document; one alert has far less.
const MAX_LISTED_BYTES: usize = 128 * 1024;
/// How long an alert goes untold after what explained it is over: replicas catch up for a while after their broker is
/// back.
const AFTERMATH: Duration = Duration::from_mins(1);

/// An alert with its identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) labels: &'a Labels,
    pub(super) alert: &'a Alert,
}

/// Everything that decides what may be told.
#[derive(Debug)]
pub(super) struct Situation<'a> {
    book: &'a Book,
    rules: &'a LiteMap<String, Rule>,
    silenced: SortedSet<&'a str>,
    pub(super) causes: Causes<'a>,
    now: Now,
}

/// What one channel may be told.
#[derive(Debug, Default)]
pub(super) struct Tidings<'a> {
    pub(super) entries: Vec<Entry>,
    /// What fires and may be told, whether it was or not.
    pub(super) firing: Vec<Named<'a>>,
    /// What was told and is over.
    pub(super) over: Vec<Named<'a>>,
    /// What another alert explains, and was not told.
    pub(super) explained: Vec<Named<'a>>,
    /// What another alert explained until now.
    pub(super) freed: Vec<Named<'a>>,
    /// When the aftermath of something is over.
    pub(super) wakes_at: Vec<Moment>,
}

impl<'a> Situation<'a> {
    pub(super) fn new(book: &'a Book, rules: &'a LiteMap<String, Rule>, silences: &Silences, now: Now) -> Self {
        let names = rules.keys().map(String::as_str);
        Self {
            book,
            rules,
            silenced: names.filter(|name| silences.covering(name, now).is_some()).collect(),
            causes: Causes::find(book, rules, now),
            now,
        }
    }

    /// The name of an alert that explains this one, whichever channel is told of it.
    pub(super) fn explanation(&self, alert: &Named<'_>) -> Option<&str> {
        let told = |cause: &Cause<'_>| !self.silenced.contains(cause.rule.name.as_str());
        self.causes
            .explaining(&alert.alert.metric, alert.labels, alert.alert.because_of.as_ref(), told)
            .map(|cause| cause.rule.name.as_str())
    }

    /// What `channel` may be told.
    pub(super) fn tidings(&self, channel: &ChannelSettings) -> Tidings<'a> {
        let mut tidings = Tidings::default();
        for (name, labels, alert) in self.book.iter() {
            let named = Named { name, labels, alert };
            let is_told = alert.told.contains_key(&channel.name);
            let Phase::Firing { fired } = alert.phase else {
                if let Some(end) = alert.end.filter(|_| is_told) {
                    tidings.entries.push(Entry::Over(end.at.elapsed(self.now)));
                    tidings.over.push(named);
                }
                continue;
            };
            match (self.hearing(&named, channel), is_told) {
                (Hearing::Open, true) => tidings.entries.push(Entry::Told),
                (Hearing::Open, false) => {
                    let waited = match alert.held.get(&channel.name) {
                        None => fired.elapsed(self.now),
                        Some(Some(freed)) if self.now.moment.since(*freed) >= AFTERMATH => {
                            fired.elapsed(self.now).min(self.now.moment.since(*freed).saturating_sub(AFTERMATH))
                        }
                        Some(Some(freed)) => {
                            tidings.wakes_at.push(*freed + AFTERMATH);
                            continue;
                        }
                        Some(None) => {
                            tidings.freed.push(named);
                            tidings.wakes_at.push(self.now.moment + AFTERMATH);
                            continue;
                        }
                    };
                    tidings.entries.push(Entry::New(waited));
                }
                (Hearing::Closed | Hearing::Explained, true) => tidings.entries.push(Entry::ToldAndHeld),
                (Hearing::Explained, false) => tidings.explained.push(named),
                (Hearing::Closed, false) => {}
            }
            if self.hearing(&named, channel) == Hearing::Open {
                tidings.firing.push(named);
            }
        }
        tidings
    }

    fn hearing(&self, alert: &Named<'_>, channel: &ChannelSettings) -> Hearing {
        let Some(rule) = self.rules.get(alert.name) else { return Hearing::Closed };
        if !self.reaches(rule, alert.labels, channel) {
            return Hearing::Closed;
        }
        let told = |cause: &Cause<'_>| self.reaches(cause.rule, cause.labels, channel);
        match self.causes.explaining(rule.metric.name, alert.labels, alert.alert.because_of.as_ref(), told) {
            Some(_) => Hearing::Explained,
            None => Hearing::Open,
        }
    }

    fn reaches(&self, rule: &Rule, labels: &Labels, channel: &ChannelSettings) -> bool {
        let is_about_itself = rule.metric.name == "channel_failing" && labels.get("channel") == Some(&channel.name);
        rule.notify.contains(&channel.name)
            && rule.severity >= channel.min_severity
            && !is_about_itself
            && !self.silenced.contains(rule.name.as_str())
    }
}

/// Whether a channel may be told that an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    Open,
    /// It is not for this channel, or silenced.
    Closed,
    Explained,
}

impl Tidings<'_> {
    /// The notice that tells all of this, as far as a notice may be long.
    pub(super) fn notice(&self, id: u64, channel: &str, reason: Reason, now: Now) -> Notice {
        let told_in = |alert: &Alert| alert.told.get(channel).copied();
        let mut firing = self.firing.clone();
        firing.sort_by_key(|named| {
            (Reverse(named.alert.severity), told_in(named.alert).is_some(), named.alert.since.wall(now))
        });
        let mut over = self.over.clone();
        over.sort_by_key(|named| Reverse(named.alert.severity));
        // If both are many, half of it each.
        let listed_over = over.len().min(MAX_LISTED.saturating_sub(firing.len()).max(MAX_LISTED / 2));
        let listed_firing = firing.len().min(MAX_LISTED - listed_over);
        let list = |alerts: &[Named<'_>], length: usize| -> Vec<NoticeAlert> {
            let alerts = alerts.iter().take(length);
            alerts.map(|named| named.alert.in_notice(named.name, named.labels, told_in(named.alert), now)).collect()
        };
        let (mut listed, mut ends) = (list(&firing, listed_firing), list(&over, listed_over));
        keep_bounded(&mut listed, &mut ends);
        let left_out = firing.len() - listed.len() + over.len() - ends.len();
        Notice {
            id,
            channel: channel.to_owned(),
            reason,
            at: now.wall.0,
            firing: listed,
            resolved: ends,
            more: u64::try_from(left_out).unwrap_or(u64::MAX),
        }
    }
}

/// Leaves out the last of whichever list is the larger one, until both together are small enough.
fn keep_bounded(firing: &mut Vec<NoticeAlert>, over: &mut Vec<NoticeAlert>) {
    // What cannot be written as JSON cannot be stored either; strings and numbers always can.
    let size = |alert: &NoticeAlert| serde_json::to_vec(alert).map_or(0, |json| json.len() + 1);
    let sizes = |alerts: &[NoticeAlert]| alerts.iter().map(size).sum::<usize>();
    let (mut of_firing, mut of_over) = (sizes(firing), sizes(over));
    while of_firing + of_over > MAX_LISTED_BYTES {
        let (longer, bytes) =
            if of_firing >= of_over { (&mut *firing, &mut of_firing) } else { (&mut *over, &mut of_over) };
        let Some(last) = longer.pop() else { return };
        *bytes -= size(&last);
    }
}
