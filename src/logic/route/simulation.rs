//! A route in an invented world: a log with gaps, an endpoint that fails in every way, a disk, and a crash between any
//! two actions. After each step the promises of the documentation are checked; after the last the world is kind, and
//! everything must have arrived. Each seed is a different story, and always the same one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::*;
use crate::logic::outcome::{Answer, Outcome};

const SEEDS: u64 = 400;
const STEPS: u32 = 600;
const RECORDS: i64 = 60;
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_WRITE: Duration = Duration::from_millis(400);

/// A record of the log: partition and offset.
type Id = (i32, i64);

/// What outlives a crash: what the state files hold.
#[derive(Clone, Default)]
struct Disk {
    partitions: BTreeMap<i32, Snapshot>,
    counters: Counters,
    letters: BTreeSet<Id>,
}

/// What has really happened, whoever knows of it.
#[derive(Default)]
struct Truth {
    /// Taken by the endpoint at least once.
    delivered: BTreeSet<Id>,
    /// Answered for good in this life of the process, with the time of the answer.
    settled_at: BTreeMap<Id, Moment>,
    /// The same for the life that the last crash ended.
    settled_before_crash: BTreeMap<Id, Moment>,
    /// The endpoint said that it does not want them.
    dropped: BTreeSet<Id>,
    /// The endpoint said that it will never take them.
    rejected: BTreeSet<Id>,
    repeats: u32,
}

struct World {
    random: fastrand::Rng,
    now: Moment,
    settings: RouteSettings,
    route: Route,
    disk: Disk,
    truth: Truth,
    faults: bool,
    crashed_at: Option<Moment>,
    jobs: VecDeque<Job>,
    requests: Vec<Request>,
    burials: Vec<(EventId, Letter)>,
    store: Option<(StoreOffsets, Moment)>,
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("event", number)
}

fn id(name: &EventName) -> Id {
    (name.topic_partition.partition, name.offset)
}

fn id_of(request: &Request) -> Id {
    let mut parts = request.idempotency_key.split('/').skip(2);
    let mut next = || parts.next().unwrap().split('.').next().unwrap().parse::<i64>().unwrap();
    (next() as i32, next())
}

/// Every seventh offset is a gap. What becomes of the others follows from their offset.
fn log(number: i32, from: i64, count: i64) -> (Vec<Record>, Position) {
    let until = (from + count).min(RECORDS);
    let records = (from..until).filter(|offset| offset % 7 != 3).map(|offset| Record {
        offset,
        timestamp: 0,
        key: Some(vec![(offset % 4) as u8, number as u8]),
        value: Some(vec![b'x'; 200]),
        headers: Vec::new(),
        truncated_from: None,
    });
    (records.collect(), Position(until.max(from)))
}

fn is_filtered(offset: i64) -> bool {
    offset % 11 == 1
}

fn is_invalid(offset: i64) -> bool {
    offset % 13 == 5
}

fn steps(record: &Record) -> Prepared {
    let order = OrderValue::Value(record.key.clone().unwrap());
    match record.offset {
        offset if is_filtered(offset) => Prepared::Filtered,
        offset if is_invalid(offset) => Prepared::Invalid("broken".to_owned()),
        offset if offset % 10 == 0 => Prepared::Ready { bodies: vec![vec![b'1'; 100], vec![b'2'; 100]], order },
        _ => Prepared::Ready { bodies: vec![vec![b'x'; 150]], order },
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let settings = RouteSettings {
            forward: "f".to_owned(),
            max_in_flight: random.usize(1..6),
            buffer_size: random.usize(1_500..20_000),
            retry: RetrySettings {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(2),
                give_up_after: None,
                poison_after: None,
            },
            invalid: Invalid::DeadLetter,
            commit_interval: if random.bool() { COMMIT_INTERVAL } else { Duration::ZERO },
        };
        let mut world = Self {
            route: Route::new(settings.clone(), Counters::default(), false, seed),
            random,
            now: Moment::default(),
            settings,
            disk: Disk::default(),
            truth: Truth::default(),
            faults: true,
            crashed_at: None,
            jobs: VecDeque::new(),
            requests: Vec::new(),
            burials: Vec::new(),
            store: None,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.route = Route::new(self.settings.clone(), self.disk.counters, false, self.random.u64(..));
        for number in 0..2 {
            let stored = self.disk.partitions.get(&number).cloned();
            let known = stored.is_some();
            let snapshot = stored.unwrap_or(Snapshot::starting_at(Position(0)));
            self.route.assign(partition(number), Identity::default(), snapshot, known, self.now);
        }
    }

    /// Everything in memory is gone. What was being written, sent or kept aside may or may not have got there.
    fn crash(&mut self) {
        if let Some((store, _)) = self.store.take()
            && self.random.bool()
        {
            self.write(store);
        }
        for request in std::mem::take(&mut self.requests) {
            if self.random.bool() {
                self.truth.delivered.insert(id_of(&request));
            }
        }
        for (_, letter) in std::mem::take(&mut self.burials) {
            if self.random.bool() {
                self.disk.letters.insert(id(&letter.name));
            }
        }
        self.jobs.clear();
        self.crashed_at = Some(self.now);
        self.truth.settled_before_crash = std::mem::take(&mut self.truth.settled_at);
        self.truth.repeats = 0;
        self.start();
    }

    /// What is called settled on disk must be so in truth, or it would be lost with the next crash.
    fn write(&mut self, store: StoreOffsets) {
        for PartitionSnapshot { topic_partition, snapshot, .. } in store.partitions {
            let number = topic_partition.partition;
            for record in log(number, 0, snapshot.fetched.0).0 {
                let id = (number, record.offset);
                let settled = !snapshot.unsettled.contains(&record.offset);
                assert!(!settled || self.is_done(id), "{id:?} is stored as settled and is not");
            }
            self.disk.partitions.insert(number, snapshot);
        }
        self.disk.counters = store.counters;
        let pending: usize = self.disk.partitions.values().map(|snapshot| snapshot.unsettled.len()).sum();
        assert!(
            self.disk.counters.is_conserved(pending as u64),
            "on disk: {:?}, {pending} pending",
            self.disk.counters
        );
    }

    fn is_done(&self, id: Id) -> bool {
        let truth = &self.truth;
        is_filtered(id.1)
            || truth.delivered.contains(&id)
            || truth.dropped.contains(&id)
            || self.disk.letters.contains(&id)
    }

    fn act(&mut self) {
        for action in self.route.next_actions(self.now) {
            match action {
                Action::Prepare(job) => self.jobs.push_back(job),
                Action::Send(request) => {
                    self.check_sent(&request);
                    self.requests.push(request);
                }
                Action::Bury(id, letter) => self.burials.push((id, letter)),
                Action::Store(store) => {
                    assert!(self.store.is_none(), "one write at a time");
                    self.store = Some((store, self.now));
                }
                Action::EndReplay { .. } => unreachable!("nothing is replayed here"),
                Action::Report(_) => {}
            }
        }
        self.check();
    }

    /// Order: nothing of the same key that comes earlier is still to be delivered. Repeats: only what was in flight or
    /// was settled so shortly before the crash that it could not be stored.
    fn check_sent(&mut self, request: &Request) {
        let sent = id_of(request);
        for record in log(sent.0, 0, sent.1).0.iter().filter(|record| record.offset % 4 == sent.1 % 4) {
            let earlier = (sent.0, record.offset);
            let done = self.is_done(earlier) || self.truth.rejected.contains(&earlier) || is_invalid(record.offset);
            assert!(done, "{sent:?} was sent before {earlier:?} was done");
        }
        assert!(!self.requests.iter().any(|other| id_of(other) == sent), "{sent:?} is out twice");
        let settled_at = self.truth.settled_before_crash.remove(&sent);
        if let Some((settled_at, crashed_at)) = settled_at.zip(self.crashed_at) {
            let age = crashed_at.since(settled_at);
            let bound = self.settings.commit_interval + 2 * LONGEST_WRITE;
            assert!(age <= bound, "{sent:?} was settled {age:?} before the crash and is sent again");
            self.truth.repeats += 1;
            if self.settings.commit_interval.is_zero() {
                let slots = self.settings.max_in_flight as u32 * 2;
                assert!(self.truth.repeats <= slots, "more repeats than senders have events and outputs");
            }
        }
    }

    fn check(&self) {
        let status = self.route.status(self.now);
        assert!(status.counters.is_conserved(status.pending), "{status:?}");
        assert!(status.in_flight <= self.settings.max_in_flight);
        let wakes_at = self.route.wakes_at();
        assert!(wakes_at.is_none_or(|moment| moment > self.now), "wakes at {wakes_at:?} for nothing: {status:?}");
        let slack = JOB_RECORDS * 400;
        assert!(self.route.held() <= self.settings.buffer_size + slack, "{} bytes held", self.route.held());
    }

    fn step(&mut self) {
        match self.random.u32(0..100) {
            0..20 => self.fetch(),
            20..35 => self.prepare(),
            35..65 => self.answer(),
            65..72 => self.end_burial(),
            72..80 => self.end_store(),
            80..82 if self.faults => self.crash(),
            _ => self.now = self.now + Duration::from_millis(self.random.u64(0..120)),
        }
        // A disk that hangs for longer is a fault of its own, and then nothing can be promised about repeats.
        if self.store.as_ref().is_some_and(|(_, since)| self.now.since(*since) > LONGEST_WRITE / 2) {
            self.end_store();
        }
        self.act();
    }

    fn fetch(&mut self) {
        let wanted = self.route.wanted();
        if wanted.is_empty() || (self.route.room() < 1_000 && !self.route.is_empty()) {
            return;
        }
        let (name, from) = wanted[self.random.usize(0..wanted.len())].clone();
        // A broker answers with whole batches: it may begin below the offset asked for.
        let begin = (from.0 - self.random.i64(0..3)).max(0);
        let (records, next) = log(name.partition, begin, self.random.i64(1..5) + (from.0 - begin));
        self.route.fetched(&name, records, next.max(from), Some(RECORDS), self.now);
    }

    fn prepare(&mut self) {
        let Some(job) = self.jobs.pop_front() else { return };
        let records = job.records.into_iter();
        let prepared =
            records.map(|input| PreparedRecord { prepared: steps(&input.record), event_id: None, input }).collect();
        self.route.prepared(prepared, self.now);
    }

    fn answer(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let request = self.requests.swap_remove(self.random.usize(0..self.requests.len()));
        let event = id_of(&request);
        let is_last_output = event.1 % 10 != 0 || request.idempotency_key.contains('.');
        let outcome = match self.random.u32(0..100) {
            _ if !self.faults => Outcome::Delivered,
            0..60 => Outcome::Delivered,
            60..64 => Outcome::DeadLetter,
            64..67 => Outcome::Drop,
            67..70 => Outcome::Suspend,
            // The answer is lost, and the endpoint may have taken it.
            70..80 => {
                if is_last_output {
                    self.truth.delivered.insert(event);
                }
                Outcome::Retry
            }
            _ => Outcome::Retry,
        };
        match outcome {
            Outcome::Delivered if is_last_output => {
                self.truth.delivered.insert(event);
                self.truth.settled_at.insert(event, self.now);
            }
            Outcome::Drop => {
                self.truth.dropped.insert(event);
                self.truth.settled_at.insert(event, self.now);
            }
            Outcome::DeadLetter => {
                self.truth.rejected.insert(event);
            }
            Outcome::Delivered | Outcome::Retry | Outcome::Suspend => {}
        }
        let answer = Answer { outcome, status: None, detail: String::new(), retry_after: None, log: None };
        self.route.answered(request.id, answer, self.now);
    }

    fn end_burial(&mut self) {
        if self.burials.is_empty() {
            return;
        }
        let (event, letter) = self.burials.swap_remove(self.random.usize(0..self.burials.len()));
        if self.faults && self.random.u32(0..4) == 0 {
            self.route.not_buried(event, letter, "the disk is full".to_owned(), self.now);
        } else {
            self.disk.letters.insert(id(&letter.name));
            self.route.buried(event, self.now);
        }
    }

    fn end_store(&mut self) {
        let Some((store, _)) = self.store.take() else { return };
        self.write(store);
        self.route.stored();
    }

    /// The world is kind from now on: everything must arrive, and be stored as such.
    fn finish(&mut self) {
        self.faults = false;
        let finished = |disk: &Disk| {
            let end = Snapshot::starting_at(Position(RECORDS));
            disk.partitions.len() == 2 && disk.partitions.values().all(|snapshot| *snapshot == end)
        };
        for _ in 0..20_000 {
            if finished(&self.disk) {
                break;
            }
            self.step();
        }
        assert!(finished(&self.disk), "not everything is settled: {:?}", self.route.status(self.now));
        for number in 0..2 {
            for record in log(number, 0, RECORDS).0 {
                let id = (number, record.offset);
                assert!(self.is_done(id), "{id:?} was lost");
                assert!(!is_invalid(record.offset) || self.disk.letters.contains(&id), "{id:?} is not kept");
            }
        }
        assert_eq!(self.disk.counters.consumed, 2 * log(0, 0, RECORDS).0.len() as u64);
    }
}

#[test]
fn whatever_fails_or_crashes_nothing_is_lost_and_no_more_is_repeated_than_promised() {
    for seed in 0..SEEDS {
        let story = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..STEPS {
                world.step();
            }
            world.finish();
        });
        if let Err(failure) = story {
            eprintln!("the story with seed {seed} failed");
            std::panic::resume_unwind(failure);
        }
    }
}
