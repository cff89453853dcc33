//! The threads that take records through their steps, jq above all, apart from the loop that talks to sockets.
//!
//! A partition always goes to the same thread, so its events come out in order. jq cannot be interrupted: a thread
//! that is at one record for too long is left behind (it ends when its program does) and another one takes over its
//! work, without that record. Nobody waits for anybody here: jobs are counted, answers collected by `next`.
//! Knows nothing of offsets, lanes or requests; what a ticket is, is the caller's business.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc as jobs;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc as answers;

use crate::clock;
use crate::logic::jq;
use crate::logic::moment::Moment;
use crate::logic::prepare::{Prepared, PreparedEvent, Steps};
use crate::logic::record::{Record, TopicPartition};

/// How long a record may take. Its programs are bounded in what they do, so this is for what they cannot be bounded
/// in: a regular expression on megabytes of text.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Jobs that a thread may have at once; a further one is refused.
pub const JOBS_PER_THREAD: usize = 4;

/// Records of one partition, in their order.
#[derive(Clone, Debug)]
pub struct PrepareJob<T> {
    /// Where they come from.
    pub partition: TopicPartition,
    /// Each with what the caller knows it by.
    pub records: Vec<(T, Arc<Record>)>,
}

/// A job that is done.
#[derive(Clone, Debug)]
pub struct PrepareAnswer<T> {
    /// Where the records come from.
    pub partition: TopicPartition,
    /// What the steps made of each, in the job's order.
    pub events: Vec<(T, Arc<Record>, PreparedEvent)>,
}

/// What `next` has to tell.
#[derive(Debug)]
pub enum PrepareEvent<T> {
    /// A job is done.
    Answered(PrepareAnswer<T>),
    /// A record took longer than the deadline. It comes back as invalid with the answer to its job; this is for the
    /// forward to count and to stop at the second time.
    Overran {
        /// Where the record comes from.
        partition: TopicPartition,
        /// Which one it is.
        ticket: T,
        /// How often this has happened since the start.
        times: u32,
    },
    /// A thread had to be replaced and the system has none to give. It is tried again after the deadline.
    NoThread(io::Error),
}

/// The threads and what they have to do.
pub struct PrepareThreads<T> {
    steps: Arc<Steps>,
    deadline: Duration,
    workers: Vec<Worker<T>>,
    answers: answers::Receiver<Done>,
    /// For the workers; kept so that the channel never closes.
    answer: answers::Sender<Done>,
    /// Counts the threads that were ever started: an answer of one that was left behind is nobody's.
    threads_started: u64,
    times_overrun: u32,
    /// When the workers are looked at next.
    next_look: Moment,
}

/// How often a thread is looked at within the deadline. A thread is late when it made no progress from one look to
/// the next for so many times, not when so much time has passed: the whole process may have been stopped meanwhile.
const LOOKS: u32 = 4;

/// One of the N places at which a thread works.
struct Worker<T> {
    /// None where the system had none to give.
    thread: Option<Thread<T>>,
    /// Submitted and not answered, oldest first.
    pending: VecDeque<Task<T>>,
}

/// A running thread, as the watchdog sees it.
struct Thread<T> {
    id: u64,
    jobs: jobs::SyncSender<Task<T>>,
    progress: Arc<Progress>,
    /// Records in the jobs that it answered: what `progress` counts beyond lies in `pending`.
    answered: u64,
    /// What `progress` showed at the last look, and at how many looks since it was the same.
    seen: u64,
    unchanged: u32,
}

/// What a thread is given.
struct Task<T> {
    job: Arc<PrepareJob<T>>,
    /// Places in the job of records that took too long, and must not be tried again.
    overrun: Vec<usize>,
}

impl<T> Clone for Task<T> {
    fn clone(&self) -> Self {
        Self { job: Arc::clone(&self.job), overrun: self.overrun.clone() }
    }
}

/// What a thread gives back: an event for each record of its oldest job.
struct Done {
    place: usize,
    thread: u64,
    events: Vec<PreparedEvent>,
}

/// How far a thread is. Written by the thread, read by the watchdog.
#[derive(Default)]
struct Progress {
    /// Records begun since the thread started.
    begun: AtomicU64,
    /// Nobody listens any more: end.
    left_behind: AtomicBool,
}

impl<T: Clone + Send + Sync + 'static> PrepareThreads<T> {
    /// Starts `threads` threads (at least one) that run `steps`; `deadline` is `DEADLINE` outside of tests.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub fn start(steps: Arc<Steps>, threads: usize, deadline: Duration) -> io::Result<Self> {
        let threads = threads.max(1);
        // Room for more answers than there can be, so that a thread that was left behind waits for nobody.
        let (answer, answers) = answers::channel(threads.saturating_mul(JOBS_PER_THREAD.saturating_mul(2)));
        let mut started = Self {
            steps,
            deadline,
            workers: Vec::new(),
            answers,
            answer,
            threads_started: 0,
            times_overrun: 0,
            next_look: clock::now() + deadline / LOOKS,
        };
        for place in 0..threads {
            let thread = Some(started.start_thread(place)?);
            started.workers.push(Worker { thread, pending: VecDeque::new() });
        }
        Ok(started)
    }

    /// Hands a job over, if the thread of its partition has fewer than `JOBS_PER_THREAD`.
    ///
    /// # Errors
    ///
    /// The job itself, to be submitted again after an answer.
    pub fn submit(&mut self, job: PrepareJob<T>) -> Result<(), PrepareJob<T>> {
        let place = place_of(&job.partition, self.workers.len());
        match self.workers.get_mut(place) {
            Some(worker) if worker.pending.len() < JOBS_PER_THREAD => {
                worker.hand_over(Task { job: Arc::new(job), overrun: Vec::new() });
                Ok(())
            }
            _ => Err(job),
        }
    }

    /// Whether a job is out that has not been answered.
    pub fn is_busy(&self) -> bool {
        self.workers.iter().any(|worker| !worker.pending.is_empty())
    }

    /// Waits for the next event; for ever, where nothing is submitted. Dropping the future loses nothing.
    pub async fn next(&mut self) -> PrepareEvent<T> {
        loop {
            let look = clock::instant(self.next_look);
            let busy = self.is_busy();
            tokio::select! {
                biased;
                done = self.answers.recv() => {
                    if let Some(answer) = done.and_then(|done| self.done(done)) {
                        return PrepareEvent::Answered(answer);
                    }
                }
                () = tokio::time::sleep_until(look), if busy => {
                    self.next_look = clock::now() + self.deadline / LOOKS;
                    if let Some(event) = self.look() {
                        return event;
                    }
                }
            }
        }
    }

    fn done(&mut self, done: Done) -> Option<PrepareAnswer<T>> {
        let worker = self.workers.get_mut(done.place)?;
        let thread = worker.thread.as_mut().filter(|thread| thread.id == done.thread)?;
        let job = worker.pending.pop_front()?.job;
        thread.answered = thread.answered.saturating_add(job.records.len() as u64);
        // A thread that was left behind may still hold the job.
        let job = Arc::try_unwrap(job).unwrap_or_else(|shared| (*shared).clone());
        let events = job.records.into_iter().zip(done.events);
        let events = events.map(|((ticket, record), event)| (ticket, record, event)).collect();
        Some(PrepareAnswer { partition: job.partition, events })
    }

    /// Looks for a thread that makes no progress, and for a place without one.
    fn look(&mut self) -> Option<PrepareEvent<T>> {
        for place in 0..self.workers.len() {
            let worker = self.workers.get_mut(place)?;
            let overrun = if worker.is_late() { worker.leave_behind() } else { None };
            let is_deserted = worker.thread.is_none();
            let replaced = if is_deserted { self.replace(place) } else { Ok(()) };
            match (overrun, replaced) {
                (Some((partition, ticket)), _) => {
                    self.times_overrun = self.times_overrun.saturating_add(1);
                    return Some(PrepareEvent::Overran { partition, ticket, times: self.times_overrun });
                }
                (None, Err(error)) => return Some(PrepareEvent::NoThread(error)),
                (None, Ok(())) => {}
            }
        }
        None
    }

    /// Starts a thread at a place and gives it what is pending there.
    fn replace(&mut self, place: usize) -> io::Result<()> {
        let thread = self.start_thread(place)?;
        if let Some(worker) = self.workers.get_mut(place) {
            worker.thread = Some(thread);
            for task in std::mem::take(&mut worker.pending) {
                worker.hand_over(task);
            }
        }
        Ok(())
    }

    fn start_thread(&mut self, place: usize) -> io::Result<Thread<T>> {
        self.threads_started = self.threads_started.saturating_add(1);
        let id = self.threads_started;
        let (jobs, received) = jobs::sync_channel(JOBS_PER_THREAD);
        let progress = Arc::new(Progress::default());
        let work = Work {
            place,
            thread: id,
            steps: Arc::clone(&self.steps),
            reason: format!("the jq program did not end within {} s", self.deadline.as_secs_f64()),
            jobs: received,
            progress: Arc::clone(&progress),
            answer: self.answer.clone(),
        };
        let builder = thread::Builder::new().name(format!("prepare-{place}")).stack_size(jq::STACK_SIZE);
        builder.spawn(move || work.run())?;
        Ok(Thread { id, jobs, progress, answered: 0, seen: 0, unchanged: 0 })
    }
}

impl<T> Drop for PrepareThreads<T> {
    /// Threads that wait end because their channel closes; those at work end after their record.
    fn drop(&mut self) {
        for thread in self.workers.iter().filter_map(|worker| worker.thread.as_ref()) {
            thread.progress.left_behind.store(true, Ordering::Relaxed);
        }
    }
}

impl<T: Clone> Worker<T> {
    fn hand_over(&mut self, task: Task<T>) {
        if let Some(thread) = &mut self.thread {
            if self.pending.is_empty() {
                // It made no progress until now for a good reason.
                thread.unchanged = 0;
            }
            // There is room for it: the channel holds as many as may be pending. A thread that ended by a panic (in a
            // build that unwinds) makes no progress, and is replaced like one that takes too long.
            let _ = thread.jobs.try_send(task.clone());
        }
        self.pending.push_back(task);
    }

    /// Whether the thread is at the same record for the whole deadline. To be asked at every look.
    fn is_late(&mut self) -> bool {
        let Some(thread) = self.thread.as_mut().filter(|_| !self.pending.is_empty()) else { return false };
        let begun = thread.progress.begun.load(Ordering::Relaxed);
        thread.unchanged = if begun == thread.seen { thread.unchanged.saturating_add(1) } else { 0 };
        thread.seen = begun;
        // The first look that finds it unchanged may come right after it began.
        thread.unchanged > LOOKS
    }

    /// Gives the thread up, and says which record it was at. None: it has not begun any, since the machine is busy
    /// with something else, and keeps its work.
    fn leave_behind(&mut self) -> Option<(TopicPartition, T)> {
        let thread = self.thread.as_ref()?;
        let mut index = usize::try_from(thread.seen.checked_sub(thread.answered)?.checked_sub(1)?).ok()?;
        for task in &mut self.pending {
            if let Some((ticket, _)) = task.job.records.get(index) {
                let overrun = (task.job.partition.clone(), ticket.clone());
                task.overrun.push(index);
                thread.progress.left_behind.store(true, Ordering::Relaxed);
                self.thread = None;
                return Some(overrun);
            }
            index = index.checked_sub(task.job.records.len())?;
        }
        None
    }
}

/// What a thread has.
struct Work<T> {
    place: usize,
    thread: u64,
    steps: Arc<Steps>,
    /// Why a record is invalid that took too long.
    reason: String,
    jobs: jobs::Receiver<Task<T>>,
    progress: Arc<Progress>,
    answer: answers::Sender<Done>,
}

impl<T> Work<T> {
    fn run(self) {
        while let Ok(task) = self.jobs.recv() {
            let Some(events) = self.events(&task) else { return };
            // The job goes back whole to where it came from, not as a copy.
            drop(task);
            if self.answer.blocking_send(Done { place: self.place, thread: self.thread, events }).is_err() {
                return;
            }
        }
    }

    /// None: nobody listens any more.
    fn events(&self, task: &Task<T>) -> Option<Vec<PreparedEvent>> {
        let mut events = Vec::with_capacity(task.job.records.len());
        for (index, (_ticket, record)) in task.job.records.iter().enumerate() {
            if self.progress.left_behind.load(Ordering::Relaxed) {
                return None;
            }
            self.progress.begun.fetch_add(1, Ordering::Relaxed);
            events.push(if task.overrun.contains(&index) {
                PreparedEvent { event_id: None, prepared: Prepared::Invalid(self.reason.clone()) }
            } else {
                self.steps.prepare(&task.job.partition, record)
            });
        }
        Some(events)
    }
}

/// The same place for the same partition, and the partitions of a topic evenly over all.
fn place_of(partition: &TopicPartition, places: usize) -> usize {
    let topic = partition.topic.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let number = usize::try_from(partition.partition).unwrap_or(0);
    topic.wrapping_add(number).checked_rem(places).unwrap_or(0)
}

#[cfg(test)]
mod tests;
