//! Timelines: what a route does, second by second, when an endpoint behaves in a certain way.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::logic::outcome::{Answer, Outcome};

const SECOND: Duration = Duration::from_secs(1);

/// A route on one partition, with the time, and what it has given out.
struct Timeline {
    route: Route,
    now: Moment,
    next_offset: i64,
    sent: VecDeque<Request>,
    letters: VecDeque<(EventId, Letter)>,
    stores: VecDeque<StoreOffsets>,
    replays_ended: Vec<(u64, Option<String>)>,
    reports: Vec<Report>,
}

fn partition() -> TopicPartition {
    TopicPartition::new("event", 0)
}

fn settings() -> RouteSettings {
    RouteSettings {
        forward: "f".to_owned(),
        max_in_flight: 4,
        buffer_size: 1 << 20,
        retry: RetrySettings {
            initial: SECOND,
            max: 30 * SECOND,
            give_up_after: None,
            poison_after: Some(3600 * SECOND),
        },
        invalid: Invalid::DeadLetter,
        commit_interval: SECOND,
    }
}

fn record(offset: i64, key: &str, value: &str) -> Record {
    Record {
        offset,
        timestamp: 0,
        key: Some(key.into()),
        value: Some(value.into()),
        headers: Vec::new(),
        truncated_from: None,
    }
}

fn answer(outcome: Outcome) -> Answer {
    Answer { outcome, status: Some(200), detail: String::new(), retry_after: None, log: None }
}

/// The steps of these tests: the value tells what becomes of the record.
fn steps(record: &Record) -> Prepared {
    let order = OrderValue::Value(record.key.clone().unwrap());
    match record.value.as_deref().unwrap() {
        b"filtered" => Prepared::Filtered,
        b"invalid" => Prepared::Invalid("broken".to_owned()),
        b"two" => Prepared::Ready { bodies: vec![b"1".to_vec(), b"2".to_vec()], order },
        other => Prepared::Ready { bodies: vec![other.to_vec()], order },
    }
}

impl Timeline {
    fn new(settings: RouteSettings) -> Self {
        let mut timeline = Self {
            route: Route::new(settings, Counters::default(), false, 7),
            now: Moment::default(),
            next_offset: 0,
            sent: VecDeque::new(),
            letters: VecDeque::new(),
            stores: VecDeque::new(),
            replays_ended: Vec::new(),
            reports: Vec::new(),
        };
        let begin = Snapshot::starting_at(Position(0));
        timeline.route.assign(partition(), Identity::default(), begin, true, timeline.now);
        timeline
    }

    /// Records arrive: (key, value).
    fn arrive(&mut self, records: &[(&str, &str)]) {
        let first = self.next_offset;
        self.next_offset += records.len() as i64;
        let records = (first..).zip(records).map(|(offset, (key, value))| record(offset, key, value)).collect();
        let (next, end) = (Position(self.next_offset), self.next_offset);
        self.route.fetched(&partition(), records, next, Some(end), self.now);
        self.act();
    }

    /// Carries out all actions that need no answer from outside.
    fn act(&mut self) {
        loop {
            let actions = self.route.next_actions(self.now);
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Prepare(job) => {
                        let records = job.records.into_iter();
                        let prepared = records
                            .map(|input| PreparedRecord { prepared: steps(&input.record), event_id: None, input })
                            .collect();
                        self.route.prepared(prepared, self.now);
                    }
                    Action::Send(request) => self.sent.push_back(request),
                    Action::Bury(id, letter) => self.letters.push_back((id, letter)),
                    Action::Store(store) => self.stores.push_back(store),
                    Action::EndReplay { id, refused } => self.replays_ended.push((id, refused)),
                    Action::Report(report) => self.reports.push(report),
                }
            }
        }
    }

    /// The idempotency keys that are out and were not looked at before.
    fn sent(&self) -> Vec<String> {
        self.sent.iter().map(|request| request.idempotency_key.trim_start_matches("f/event/0/").to_owned()).collect()
    }

    /// The endpoint answers the oldest request.
    fn answer(&mut self, outcome: Outcome) {
        self.answer_with(answer(outcome));
    }

    fn answer_with(&mut self, answer: Answer) {
        let request = self.sent.pop_front().expect("a request to answer");
        self.route.answered(request.id, answer, self.now);
        self.act();
    }

    /// Time passes.
    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.act();
    }

    fn status(&self) -> RouteStatus {
        let status = self.route.status(self.now);
        assert!(status.counters.is_conserved(status.pending), "{status:?}");
        status
    }
}

#[test]
fn a_retry_holds_back_its_own_key_and_no_other() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("a", "x"), ("b", "x")]);
    assert_eq!(t.sent(), ["0", "2"]);
    t.answer(Outcome::Retry);
    t.answer(Outcome::Delivered);
    assert!(t.sent().is_empty(), "1 waits behind 0");
    t.pass(SECOND);
    assert_eq!(t.sent(), ["0"]);
    t.answer(Outcome::Delivered);
    assert_eq!(t.sent(), ["1"]);
    assert_eq!(t.status().counters.retries, 1);
}

#[test]
fn every_output_must_be_accepted_and_a_retry_does_not_repeat_those_that_were() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "two")]);
    t.answer(Outcome::Delivered);
    assert_eq!(t.sent(), ["0.1"]);
    t.answer(Outcome::Retry);
    assert_eq!(t.status().counters.delivered, 0);
    t.pass(SECOND);
    assert_eq!(t.sent(), ["0.1"]);
    t.answer(Outcome::Delivered);
    assert_eq!(t.status().counters.delivered, 1);
}

#[test]
fn the_key_of_a_recreated_topic_differs_and_its_mark_comes_last() {
    let mut t = Timeline::new(settings());
    let identity = Identity { recreated: 1, ..Identity::default() };
    t.route.assign(partition(), identity, Snapshot::starting_at(Position(0)), true, t.now);
    t.arrive(&[("a", "two")]);
    assert_eq!(t.sent(), ["0~2"]);
    t.answer(Outcome::Delivered);
    assert_eq!(t.sent(), ["0.1~2"]);
}

#[test]
fn what_is_filtered_or_invalid_is_settled_without_a_request() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "filtered"), ("a", "invalid"), ("a", "x")]);
    assert_eq!(t.sent(), ["2"], "a broken event holds back nobody");
    let (id, letter) = t.letters.pop_front().unwrap();
    assert_eq!(letter.reason, "invalid: broken");
    assert_eq!((t.status().counters.filtered, t.status().counters.dead_lettered), (1, 0), "not durable yet");
    t.route.buried(id, t.now);
    assert_eq!(t.status().counters.dead_lettered, 1);
    assert_eq!(t.status().partitions[0].unsettled, 1);
}

#[test]
fn offsets_are_stored_when_the_commit_interval_is_over_and_one_write_at_a_time() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("b", "x")]);
    t.answer(Outcome::Delivered);
    assert!(t.stores.is_empty());
    t.pass(SECOND);
    let store = t.stores.pop_front().unwrap();
    assert_eq!(store.partitions[0].snapshot.storable(), Position(1));
    t.answer(Outcome::Delivered);
    t.pass(5 * SECOND);
    assert!(t.stores.is_empty(), "the first write is not over");
    t.route.stored();
    t.act();
    assert_eq!(t.stores.pop_front().unwrap().partitions[0].snapshot, Snapshot::starting_at(Position(2)));
}

#[test]
fn with_a_commit_interval_of_zero_a_sender_waits_until_its_record_is_stored() {
    let mut t = Timeline::new(RouteSettings { max_in_flight: 1, commit_interval: Duration::ZERO, ..settings() });
    t.arrive(&[("a", "x"), ("b", "x")]);
    t.route.stored();
    t.act();
    t.route.stored();
    t.act();
    t.answer(Outcome::Delivered);
    assert!(t.sent().is_empty());
    t.route.stored();
    t.act();
    assert_eq!(t.sent(), ["1"]);
}

#[test]
fn nothing_is_sent_while_the_state_cannot_be_written() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("a", "x")]);
    t.answer(Outcome::Delivered);
    t.sent.clear();
    t.pass(SECOND);
    t.route.not_stored("No space left on device".to_owned(), t.now);
    t.arrive(&[("b", "x")]);
    assert!(t.sent().is_empty());
    assert_eq!(t.status().state, RouteState::Stalled);
    t.pass(SECOND);
    assert_eq!(t.stores.len(), 2, "tried again");
    t.route.stored();
    t.act();
    assert_eq!(t.sent(), ["2"]);
    assert_eq!(t.status().state, RouteState::Running);
}

#[test]
fn nothing_is_sent_while_dead_letters_cannot_be_kept_and_none_is_lost() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "invalid")]);
    let (id, letter) = t.letters.pop_front().unwrap();
    t.route.not_buried(id, letter, "full".to_owned(), t.now);
    t.arrive(&[("b", "x")]);
    assert!(t.sent().is_empty());
    assert_eq!((t.status().state, t.status().pending), (RouteState::Stalled, 2));
    t.pass(2 * SECOND);
    let (id, _) = t.letters.pop_front().expect("offered again");
    t.route.buried(id, t.now);
    t.act();
    assert_eq!(t.sent(), ["1"]);
}

#[test]
fn an_endpoint_that_is_down_gets_one_event_at_a_time_and_everything_when_it_is_back() {
    let mut t = Timeline::new(settings());
    let keys: Vec<String> = (0..20).map(|key| key.to_string()).collect();
    t.arrive(&keys.iter().map(|key| (key.as_str(), "x")).collect::<Vec<_>>());
    for _ in 0..11 {
        t.answer(Outcome::Retry);
    }
    assert!(t.sent().is_empty(), "eight refusals in a row, three more were out");
    assert!(t.reports.iter().any(|report| matches!(report, Report::EndpointDown { .. })));
    t.pass(SECOND);
    assert_eq!(t.sent(), ["11"], "one that was never tried");
    assert_eq!(t.status().state, RouteState::Running, "it may be over in a moment");
    t.answer(Outcome::Retry);
    t.pass(14 * SECOND);
    assert_eq!(t.status().state, RouteState::Stalled);
    t.answer(Outcome::Delivered);
    assert_eq!(t.status().state, RouteState::Running);
    assert_eq!(t.sent(), ["0", "1", "2", "3"], "all at once again, the oldest first");
}

#[test]
fn a_suspended_endpoint_gets_the_oldest_event_every_retry_max() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("b", "x"), ("c", "x")]);
    t.answer(Outcome::Suspend);
    assert_eq!(t.status().state, RouteState::Suspended);
    t.answer(Outcome::Delivered);
    t.answer(Outcome::Suspend);
    assert!(t.sent().is_empty());
    t.pass(29 * SECOND);
    assert!(t.sent().is_empty());
    t.pass(SECOND);
    assert_eq!(t.sent(), ["0"]);
    t.answer(Outcome::Delivered);
    assert_eq!(t.sent(), ["2"]);
    assert_eq!(t.status().state, RouteState::Running);
}

#[test]
fn what_the_endpoint_asked_for_is_waited_for() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x")]);
    t.answer_with(Answer { retry_after: Some(60 * SECOND), ..answer(Outcome::Retry) });
    t.pass(59 * SECOND);
    assert!(t.sent().is_empty());
    assert_eq!(t.route.wakes_at(), Some(Moment::after_start(60 * SECOND)));
    t.pass(SECOND);
    assert_eq!(t.sent(), ["0"]);
}

#[test]
fn a_poisonous_event_is_kept_aside_when_others_are_accepted_for_an_hour() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("poison", "x"), ("poison", "x")]);
    for _ in 0..150 {
        while t.sent() == ["0"] {
            t.answer(Outcome::Retry);
        }
        t.arrive(&[("b", "x")]);
        while t.sent.front().is_some_and(|request| !request.idempotency_key.ends_with("/0")) {
            t.answer(Outcome::Delivered);
        }
        t.pass(30 * SECOND);
    }
    assert!(t.letters[0].1.reason.starts_with("poisonous"), "{:?}", t.letters);
    assert!(t.letters[0].1.attempts > 100);
}

#[test]
fn a_poisonous_event_is_found_out_also_where_others_are_rare() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("poison", "x")]);
    for minute in 0..70 {
        if minute % 10 == 5 {
            t.arrive(&[("b", "x")]);
        }
        while let Some(request) = t.sent.front() {
            let outcome = if request.idempotency_key.ends_with("/0") { Outcome::Retry } else { Outcome::Delivered };
            t.answer(outcome);
        }
        t.pass(60 * SECOND);
    }
    assert!(t.letters[0].1.reason.starts_with("poisonous"), "{:?}", t.letters);
}

#[test]
fn a_pause_lets_what_is_out_come_back_and_sends_nothing_more() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("a", "x")]);
    t.route.pause(true);
    t.answer(Outcome::Delivered);
    t.pass(1000 * SECOND);
    assert!(t.sent().is_empty());
    assert_eq!(t.status().state, RouteState::Paused);
    t.route.pause(false);
    t.act();
    assert_eq!(t.sent(), ["1"]);
}

#[test]
fn a_reset_forgets_what_was_pending_and_a_late_answer_settles_nothing() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("a", "x"), ("b", "filtered")]);
    t.route.assign(partition(), Identity::default(), Snapshot::starting_at(Position(3)), false, t.now);
    t.act();
    assert_eq!(t.status().counters.consumed, 1, "the filtered one");
    t.answer(Outcome::Delivered);
    assert_eq!(t.status().counters.delivered, 0);
    assert!(t.sent().is_empty(), "1 was forgotten");
    assert!(t.route.wanted().is_empty(), "not before the new position is durable");
    t.route.stored();
    assert_eq!(t.route.wanted(), [(partition(), Position(3))]);
    assert_eq!(t.route.held(), 0);
}

#[test]
fn a_replay_gets_one_attempt_and_counts_apart() {
    let mut t = Timeline::new(settings());
    assert!(t.route.replay(9, partition(), record(40, "a", "x"), 0, t.now));
    assert!(!t.route.replay(9, partition(), record(40, "a", "x"), 0, t.now), "it is on its way");
    t.act();
    assert_eq!(t.sent(), ["40"], "the same key as the first time");
    t.answer(Outcome::Retry);
    assert!(t.replays_ended[0].1.is_some());
    t.route.replay(9, partition(), record(40, "a", "x"), 0, t.now);
    t.act();
    t.answer(Outcome::Delivered);
    assert_eq!(t.replays_ended[1], (9, None));
    assert_eq!(t.status().counters, Counters::default());
}

#[test]
fn a_drain_ends_when_what_is_in_flight_is_settled_and_stored() {
    let mut t = Timeline::new(settings());
    t.arrive(&[("a", "x"), ("a", "x")]);
    t.route.drain(t.now);
    t.act();
    assert!(!t.route.is_drained());
    t.answer(Outcome::Delivered);
    assert!(t.sent().is_empty());
    t.route.stored();
    t.pass(SECOND);
    t.route.stored();
    assert!(t.route.is_drained());
    assert_eq!(t.status().pending, 1, "for the next run");
}

#[test]
fn the_second_event_that_the_steps_cannot_end_stops_the_forward() {
    let mut t = Timeline::new(settings());
    t.route.overran("event/0/1");
    assert_eq!(t.status().state, RouteState::Running);
    t.route.overran("event/0/2");
    assert_eq!(t.status().state, RouteState::Stalled);
    assert!(t.route.wanted().is_empty());
    t.route.go_on();
    assert_eq!(t.status().state, RouteState::Running);
}

#[test]
fn what_is_held_never_exceeds_the_buffer_by_more_than_a_job() {
    let mut t = Timeline::new(RouteSettings { buffer_size: 100_000, ..settings() });
    t.route.pause(true);
    let big = "x".repeat(1_000);
    while t.route.room() > 2_000 {
        t.arrive(&[("a", big.as_str())]);
    }
    assert!(t.route.held() <= 100_000 + JOB_BYTES, "{}", t.route.held());
}
