//! The promise, checked from outside: every record that should be delivered was, at least once; nothing else was; repeats
//! are only those that a fault explains; records with the same order value came in their order; the books balance.
//! Compares data only: knows neither processes nor Kafka.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use serde_json::Value;

use super::sink::Delivered;

/// Partition and offset.
pub(crate) type Place = (i32, i64);

/// What must become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Delivered; records with the same order value one after another (none: in any order).
    Delivered(Option<String>),
    /// In the dead letters, and not delivered.
    DeadLettered,
    /// Neither.
    Filtered,
}

/// How often a record may have been accepted.
#[derive(Clone, Debug)]
pub(crate) enum Repeats {
    /// Once, each of them.
    None,
    /// At most so many further deliveries in all: what was in flight, and settled within the last commit_interval.
    AtMost(usize),
    /// As often as it likes, but only these.
    Only(BTreeSet<Place>),
}

/// What was written to one topic, and what one forward must have made of it.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) forward: String,
    pub(crate) topic: String,
    pub(crate) records: BTreeMap<Place, Fate>,
    pub(crate) repeats: Repeats,
}

impl Expected {
    /// Nothing yet; repeats are not allowed.
    pub(crate) fn new(forward: &str, topic: &str) -> Self {
        let (forward, topic) = (forward.to_owned(), topic.to_owned());
        Self { forward, topic, records: BTreeMap::new(), repeats: Repeats::None }
    }

    /// Records of one partition with the same fate.
    pub(crate) fn add(&mut self, partition: i32, offsets: impl IntoIterator<Item = i64>, fate: &Fate) {
        self.records.extend(offsets.into_iter().map(|offset| ((partition, offset), fate.clone())));
    }

    /// Fails the test with every kind of breach and some of its records.
    #[track_caller]
    pub(crate) fn check(&self, delivered: &[Delivered], dead_letters: &[Value]) {
        let breaches = self.breaches(delivered, dead_letters);
        assert!(breaches.is_empty(), "conservation is broken:\n{}", breaches.join("\n"));
    }

    /// One line a kind of breach; empty when all is as promised.
    pub(crate) fn breaches(&self, delivered: &[Delivered], dead_letters: &[Value]) -> Vec<String> {
        let mut breaches = Breaches::default();
        // By key for repeats, since a record with several outputs has several; by place for what is lost.
        let mut accepted: HashMap<&str, usize> = HashMap::new();
        let mut places = BTreeSet::new();
        let mut last_of: HashMap<(i32, &str), i64> = HashMap::new();
        for each in delivered.iter().filter(|each| each.accepted()) {
            let Some(place) = self.place(&each.idempotency_key) else {
                breaches.add("delivered under a key that is not this topic's", &each.idempotency_key);
                continue;
            };
            places.insert(place);
            let count = accepted.entry(&each.idempotency_key).or_default();
            *count += 1;
            match self.records.get(&place) {
                // The order of first deliveries: a repeat after a crash goes back, and may.
                Some(Fate::Delivered(Some(value))) if *count == 1 => {
                    let last = last_of.entry((place.0, value)).or_insert(-1);
                    if *last > place.1 {
                        breaches.add("delivered behind a later record of its order value", &(place, value));
                    }
                    *last = place.1.max(*last);
                }
                Some(Fate::Delivered(_)) => {}
                Some(fate) => breaches.add("delivered, although it was to be", &(fate, place)),
                None => breaches.add("delivered, although it was never written", &place),
            }
        }
        let dead: BTreeSet<Place> = dead_letters.iter().filter_map(|letter| self.dead_place(letter)).collect();
        for (place, fate) in &self.records {
            match fate {
                Fate::Delivered(_) if !places.contains(place) => breaches.add("lost", place),
                Fate::DeadLettered if !dead.contains(place) => breaches.add("not in the dead letters", place),
                Fate::Filtered | Fate::Delivered(_) if dead.contains(place) => {
                    breaches.add("in the dead letters, although it was to be", &(fate, place));
                }
                _ => {}
            }
        }
        self.check_repeats(&accepted, &mut breaches);
        breaches.lines()
    }

    fn check_repeats(&self, accepted: &HashMap<&str, usize>, breaches: &mut Breaches) {
        let repeated = accepted.iter().filter(|(_, count)| **count > 1);
        match &self.repeats {
            Repeats::None => repeated.for_each(|each| breaches.add("delivered more than once", &each)),
            Repeats::AtMost(limit) => {
                let repeats: usize = repeated.map(|(_, count)| count - 1).sum();
                if repeats > *limit {
                    breaches.add("more repeats than a crash explains", &(repeats, "of at most", limit));
                }
            }
            Repeats::Only(places) => repeated
                .filter(|(key, _)| self.place(key).is_none_or(|place| !places.contains(&place)))
                .for_each(|each| breaches.add("delivered more than once", &each)),
        }
    }

    /// FORWARD/TOPIC/PARTITION/OFFSET, with `.1` for a further output and `~2` for a recreated topic.
    fn place(&self, key: &str) -> Option<Place> {
        let rest = key.strip_prefix(&format!("{}/{}/", self.forward, self.topic))?;
        let (partition, offset) = rest.split_once('/')?;
        let digits = offset.find(|c: char| !c.is_ascii_digit()).unwrap_or(offset.len());
        Some((partition.parse().ok()?, offset[..digits].parse().ok()?))
    }

    fn dead_place(&self, letter: &Value) -> Option<Place> {
        if letter["forward"] != self.forward.as_str() || letter["topic"] != self.topic.as_str() {
            return None;
        }
        Some((i32::try_from(letter["partition"].as_i64()?).ok()?, letter["offset"].as_i64()?))
    }
}

/// consumed = delivered + filtered + skipped + dropped + dead-lettered + pending, in a forward's part of `status --json`.
#[track_caller]
pub(crate) fn check_books(forward: &Value) {
    let count = |name: &str| forward[name].as_u64().unwrap_or_else(|| panic!("{name} is missing in {forward:#}"));
    let settled = ["delivered", "filtered", "skipped", "dropped", "dead_lettered", "pending"].map(count);
    assert_eq!(count("consumed"), settled.iter().sum::<u64>(), "the books do not balance: {forward:#}");
}

/// Examples of each kind, so that a thousand lost records are one line.
#[derive(Default)]
struct Breaches(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Breaches {
    fn add(&mut self, kind: &'static str, what: &impl std::fmt::Debug) {
        let (count, examples) = self.0.entry(kind).or_default();
        *count += 1;
        if examples.len() < 5 {
            examples.push(format!("{what:?}"));
        }
    }

    fn lines(self) -> Vec<String> {
        let line = |(kind, (count, examples)): (&str, (usize, Vec<String>))| {
            let mut line = format!("{count} {kind}: {}", examples.join(", "));
            if count > examples.len() {
                let _ = write!(line, ", …");
            }
            line
        };
        self.0.into_iter().map(line).collect()
    }
}

mod tests {
    use super::*;

    fn taken(key: &str) -> Delivered {
        let (outcome, body) = ("answered".to_owned(), Value::Null);
        Delivered { n: 1, at_ms: 0, ended_ms: 0, idempotency_key: key.to_owned(), outcome, status: Some(200), body }
    }

    /// Offsets 0 and 1 have order value "a", 2 has "b", 3 is a dead letter, 4 is filtered.
    fn expected(repeats: Repeats) -> Expected {
        let mut expected = Expected::new("f", "t");
        expected.add(0, [0, 1], &Fate::Delivered(Some("a".to_owned())));
        expected.add(0, [2], &Fate::Delivered(Some("b".to_owned())));
        expected.add(0, [3], &Fate::DeadLettered);
        expected.add(0, [4], &Fate::Filtered);
        expected.repeats = repeats;
        expected
    }

    #[test]
    fn every_breach_is_found() {
        type Case<'a> = (&'a str, &'a [i64], &'a [i64], Repeats, &'a [&'a str]);
        let cases: [Case<'_>; 9] = [
            ("all as it should be", &[0, 1, 2], &[3], Repeats::None, &[]),
            ("other order values may overtake", &[2, 0, 1], &[3], Repeats::None, &[]),
            ("a lost record", &[0, 2], &[3], Repeats::None, &["1 lost"]),
            ("the order", &[1, 0, 2], &[3], Repeats::None, &["1 delivered behind"]),
            ("a repeat", &[0, 1, 0, 2], &[3], Repeats::None, &["1 delivered more than once"]),
            ("a repeat that a crash explains", &[0, 1, 0, 2], &[3], Repeats::AtMost(1), &[]),
            ("one more than that", &[0, 1, 0, 1, 2], &[3], Repeats::AtMost(1), &["1 more repeats"]),
            ("a lost dead letter", &[0, 1, 2], &[], Repeats::None, &["1 not in the dead letters"]),
            ("a filtered record", &[0, 1, 2, 4], &[3], Repeats::None, &["1 delivered, although it was to be"]),
        ];
        for (case, taken_offsets, dead_offsets, repeats, breaches) in cases {
            let delivered: Vec<_> = taken_offsets.iter().map(|offset| taken(&format!("f/t/0/{offset}"))).collect();
            let letter = |offset| serde_json::json!({"forward": "f", "topic": "t", "partition": 0, "offset": offset});
            let dead: Vec<_> = dead_offsets.iter().map(letter).collect();
            let found = expected(repeats).breaches(&delivered, &dead);
            assert_eq!(found.len(), breaches.len(), "{case}: {found:?}");
            for (found, wanted) in found.iter().zip(breaches) {
                assert!(found.starts_with(wanted), "{case}: {found}");
            }
        }
    }

    #[test]
    fn what_was_refused_does_not_count_as_delivered() {
        let mut refused = taken("f/t/0/2");
        refused.status = Some(503);
        let delivered = [taken("f/t/0/0"), taken("f/t/0/1.1~2"), refused, taken("f/other/0/0")];
        let found = expected(Repeats::None).breaches(&delivered, &[]);
        let kinds: Vec<_> = found.iter().map(|line| line.split(':').next().expect("a kind")).collect();
        assert_eq!(
            kinds,
            ["1 delivered under a key that is not this topic's", "1 lost", "1 not in the dead letters"],
            "the second output of a record counts as the record"
        );
    }
}
