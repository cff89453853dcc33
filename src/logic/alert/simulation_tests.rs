//! Random lives of alerts, with channels that fail and a process that dies between any two steps, before or after its
//! disk was written. Whatever happens, on each channel: what was told gets exactly one end, nothing ends that was never
//! told, nothing is told twice within group_interval, and in the end nothing is left.

use std::time::Duration;

use litemap::LiteMap;
use proptest::prelude::*;

use super::metric::{Labels, Observed, Series};
use super::notice::{ChannelSettings, Notice, Reason};
use super::rule::{Condition, NoData, Rule, Severity};
use super::test_support::{labels, rule};
use super::{Action, DocumentKind, Engine, Figure, Now, Scope};
use crate::logic::moment::{Moment, Timestamp};

const START: i64 = 1_795_244_400_000;
const GROUP_INTERVAL: u64 = 120;
const CHANNELS: [&str; 2] = ["ops", "night"];
/// Metric and labels of every series there is.
const SERIES: [(&str, &[(&str, &str)]); 7] = [
    ("group_lag", &[("cluster", "a"), ("topic", "x")]),
    ("group_lag", &[("cluster", "a"), ("topic", "y")]),
    ("group_lag", &[("cluster", "b"), ("topic", "x")]),
    ("broker_up", &[("broker", "1"), ("cluster", "a")]),
    ("partitions_offline", &[("cluster", "a"), ("topic", "x")]),
    ("partitions_offline", &[("cluster", "b"), ("topic", "x")]),
    ("cluster_up", &[("cluster", "b")]),
];

#[derive(Clone, Debug)]
enum Event {
    /// From now on, this series has that figure.
    Breaks(usize),
    Recovers(usize),
    CannotBeRead(usize),
    Vanishes(usize),
    /// So many seconds pass, with a poll at the end.
    Pass(u64),
    Wake,
    Silence(usize, u64),
    Unsilence(usize),
    /// What the channel does from now on.
    Takes(usize, bool),
    /// The process dies, and starts again after so many seconds.
    Dies(Death, u64),
}

#[derive(Clone, Copy, Debug)]
enum Death {
    /// What it wanted to store is not on disk, and nothing of that was sent.
    Unstored,
    /// It is on disk, and was not sent.
    Unsent,
    /// It was sent, and whether it was taken is not on disk.
    Unanswered,
}

fn rules() -> Vec<Rule> {
    let both: Vec<_> = CHANNELS.iter().map(|name| (*name).to_owned()).collect();
    let with = |rule: Rule, hold, no_data, severity| Rule {
        hold: Duration::from_secs(hold),
        no_data,
        severity,
        notify: both.clone(),
        ..rule
    };
    let below = |rule| Rule { condition: Condition::Below(1.0), clear_at: 1.0, ..rule };
    vec![
        with(rule("lag", "group_lag"), 0, NoData::Keep, Severity::Warning),
        with(rule("lag-for-long", "group_lag"), 90, NoData::Resolve, Severity::Critical),
        with(rule("offline", "partitions_offline"), 0, NoData::Fire, Severity::Critical),
        with(below(rule("broker-down", "broker_up")), 60, NoData::Keep, Severity::Critical),
        with(below(rule("cluster-down", "cluster_up")), 30, NoData::Keep, Severity::Critical),
    ]
}

fn channels() -> Vec<ChannelSettings> {
    let channel = |name: &str, wait, min_severity| ChannelSettings {
        name: name.to_owned(),
        group_wait: Duration::from_secs(wait),
        group_interval: Duration::from_secs(GROUP_INTERVAL),
        repeat_interval: Duration::from_secs(600),
        min_severity,
    };
    vec![channel(CHANNELS[0], 20, Severity::Info), channel(CHANNELS[1], 0, Severity::Critical)]
}

type Identity = (String, Labels);

/// What the people behind one channel have read.
#[derive(Default)]
struct Reader {
    last: Option<Notice>,
    /// What fires as far as they know, with the notice that said so first.
    fires: LiteMap<Identity, u64>,
    first_told_at: LiteMap<Identity, i64>,
}

impl Reader {
    fn reads(&mut self, notice: Notice) {
        if let Some(last) = &self.last {
            if last.id == notice.id {
                assert_eq!(*last, notice, "a repetition is the same");
                return;
            }
            assert!(notice.id > last.id, "ids ascend");
            let distance = notice.at - last.at;
            assert!(
                notice.reason == Reason::First || distance >= 1000 * GROUP_INTERVAL.cast_signed(),
                "{:?} keeps its distance, {distance} ms",
                notice.reason
            );
        }
        assert!(!notice.firing.is_empty() || !notice.resolved.is_empty());
        for alert in &notice.resolved {
            let identity = (alert.name.clone(), alert.labels.clone());
            let told_in = self.fires.remove(&identity);
            assert!(told_in.is_some(), "the end of what was never told, or a second end: {identity:?}");
            assert_eq!(alert.told_in, told_in);
            assert!(alert.ended.is_some_and(|ended| ended >= alert.since));
        }
        for alert in &notice.firing {
            let identity = (alert.name.clone(), alert.labels.clone());
            assert_eq!(alert.ended, None);
            assert_eq!(alert.told_in, self.fires.get(&identity).copied(), "{identity:?}");
            if alert.told_in.is_none() {
                self.fires.insert(identity.clone(), notice.id);
                if let Some(before) = self.first_told_at.insert(identity, notice.at) {
                    assert!(notice.at - before >= 1000 * GROUP_INTERVAL.cast_signed(), "told twice");
                }
            }
        }
        self.last = Some(notice);
    }
}

struct World {
    engine: Engine,
    disk: LiteMap<(DocumentKind, String), String>,
    readers: [Reader; 2],
    takes: [bool; 2],
    figures: [Option<Figure>; SERIES.len()],
    seconds: u64,
    started_at: u64,
}

impl World {
    fn new() -> Self {
        Self {
            engine: Engine::new(rules(), channels()),
            disk: LiteMap::new(),
            readers: Default::default(),
            takes: [true; 2],
            figures: std::array::from_fn(|_| None),
            seconds: 0,
            started_at: 0,
        }
    }

    fn now(&self) -> Now {
        Now {
            moment: Moment::after_start(Duration::from_secs(self.seconds - self.started_at)),
            wall: Timestamp(START + 1000 * self.seconds.cast_signed()),
        }
    }

    fn good(metric: &str) -> f64 {
        if metric.ends_with("_up") { 1.0 } else { 0.0 }
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Breaks(series) => self.figures[*series] = Some(Figure::Value(1.0 - Self::good(SERIES[*series].0))),
            Event::Recovers(series) => self.figures[*series] = Some(Figure::Value(Self::good(SERIES[*series].0))),
            Event::CannotBeRead(series) => self.figures[*series] = Some(Figure::Unknown),
            Event::Vanishes(series) => self.figures[*series] = None,
            Event::Pass(seconds) => {
                self.pass(*seconds);
                self.poll();
            }
            Event::Wake => {
                let wait = self.engine.wakes_at().map_or(1, |wake| wake.since(self.now().moment).as_secs());
                self.pass(wait.clamp(1, 3600));
            }
            Event::Silence(rule, seconds) => {
                let name = rules()[*rule].name.clone();
                let _ = self.engine.silence(&name, Duration::from_secs(*seconds), self.now());
                self.act(None);
            }
            Event::Unsilence(rule) => {
                self.engine.unsilence(&rules()[*rule].name, self.now());
                self.act(None);
            }
            Event::Takes(channel, takes) => self.takes[*channel] = *takes,
            Event::Dies(death, seconds) => {
                self.engine.evaluate(Scope::Everything, &self.observed(), self.now());
                self.act(Some(*death));
                self.seconds += seconds;
                self.restart();
            }
        }
    }

    /// Time passes second by second as far as the engine is concerned.
    fn pass(&mut self, seconds: u64) {
        let end = self.seconds + seconds;
        while self.seconds < end {
            let wake = self.engine.wakes_at().map_or(u64::MAX, |wake| self.started_at + wake.since_start().as_secs());
            self.seconds = wake.clamp(self.seconds + 1, end);
            self.act(None);
            for (channel, takes) in CHANNELS.iter().zip(self.takes) {
                self.try_again(channel, takes);
            }
        }
    }

    /// The notice that waits on disk is tried again.
    fn try_again(&mut self, channel: &str, takes: bool) {
        let waiting: Vec<Notice> = self
            .disk
            .iter()
            .filter(|((kind, _), _)| *kind == DocumentKind::Notice)
            .map(|(_, json)| crate::logic::from_json::read(json.as_bytes()).expect("a notice"))
            .filter(|notice: &Notice| notice.channel == channel)
            .collect();
        assert!(waiting.len() <= 1, "one waits at most");
        for notice in waiting {
            self.attempt(notice, takes, true);
        }
        self.act(None);
    }

    /// A channel that fails may have delivered all the same.
    fn attempt(&mut self, notice: Notice, takes: bool, answers: bool) {
        let reader = CHANNELS.iter().position(|channel| *channel == notice.channel).expect("a channel");
        self.readers[reader].reads(notice.clone());
        let now = self.now();
        match (answers, takes) {
            (false, _) => {}
            (true, true) => self.engine.taken(notice.id, &notice.channel, now),
            (true, false) => self.engine.failed(&notice.channel, "no", now),
        }
    }

    fn observed(&self) -> LiteMap<&'static str, Observed> {
        let mut observed = LiteMap::new();
        for ((metric, pairs), figure) in SERIES.iter().zip(&self.figures) {
            let of: &mut Observed = observed.entry(*metric).or_default();
            of.complete = true;
            of.series.extend(figure.clone().map(|figure| Series::new(labels(pairs), figure)));
        }
        observed
    }

    fn poll(&mut self) {
        self.engine.evaluate(Scope::Everything, &self.observed(), self.now());
        self.act(None);
    }

    fn act(&mut self, death: Option<Death>) {
        loop {
            let actions = self.engine.actions(self.now());
            if actions.is_empty() || matches!(death, Some(Death::Unstored)) {
                return;
            }
            let mut to_send = Vec::new();
            for action in actions {
                match action {
                    Action::Store { kind, key, json } => {
                        self.disk.insert((kind, key), json);
                    }
                    Action::Forget { kind, key } => {
                        self.disk.remove(&(kind, key));
                    }
                    Action::Send(notice) => to_send.push(notice),
                    Action::Log(_) => {}
                }
            }
            if matches!(death, Some(Death::Unsent)) {
                return;
            }
            for notice in to_send {
                let channel = CHANNELS.iter().position(|channel| *channel == notice.channel).expect("a channel");
                let takes = self.takes[channel];
                self.attempt(notice, takes, death.is_none());
            }
            if death.is_some() {
                return;
            }
        }
    }

    fn restart(&mut self) {
        self.started_at = self.seconds;
        self.engine = Engine::new(rules(), channels());
        let documents = self.disk.iter().map(|((kind, key), json)| (*kind, key.clone(), json.clone())).collect();
        self.engine.restore(documents, self.now());
        self.act(None);
    }

    /// Everything is well again, for long enough.
    fn ends_well(&mut self) {
        self.takes = [true; 2];
        for series in 0..SERIES.len() {
            self.happens(&Event::Recovers(series));
        }
        for _ in 0..20 {
            self.happens(&Event::Pass(30));
        }
        for (channel, reader) in CHANNELS.iter().zip(&self.readers) {
            assert_eq!(reader.fires, LiteMap::new(), "{channel} was never told of an end");
        }
        let kinds: Vec<_> = self.disk.keys().filter(|(kind, _)| *kind == DocumentKind::Alert).collect();
        assert_eq!(kinds, Vec::<&(DocumentKind, String)>::new(), "nothing is left");
        assert_eq!(self.engine.views(self.now()), []);
    }
}

fn event() -> impl Strategy<Value = Event> {
    let series = 0..SERIES.len();
    let rule = 0..rules().len();
    let death = prop_oneof![Just(Death::Unstored), Just(Death::Unsent), Just(Death::Unanswered)];
    prop_oneof![
        6 => series.clone().prop_map(Event::Breaks),
        4 => series.clone().prop_map(Event::Recovers),
        1 => series.clone().prop_map(Event::CannotBeRead),
        1 => series.prop_map(Event::Vanishes),
        8 => (1_u64..90).prop_map(Event::Pass),
        2 => Just(Event::Wake),
        1 => (rule.clone(), 1_u64..400).prop_map(|(rule, seconds)| Event::Silence(rule, seconds)),
        1 => rule.prop_map(Event::Unsilence),
        1 => (0..CHANNELS.len(), any::<bool>()).prop_map(|(channel, takes)| Event::Takes(channel, takes)),
        2 => (death, 0_u64..200).prop_map(|(death, seconds)| Event::Dies(death, seconds)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]
    #[test]
    fn whatever_happens_the_promises_hold(events in proptest::collection::vec(event(), 1..80)) {
        let mut world = World::new();
        for event in &events {
            world.happens(event);
        }
        world.ends_well();
    }
}
