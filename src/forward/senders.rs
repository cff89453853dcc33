//! The threads that send requests to a webhook, and the two queues between them and the forward loop.
//!
//! A thread has one request at a time and one connection that it keeps. Threads start when a request finds none
//! idle, and end when they were not needed for a while. Of the idle ones the most recently used sends next: its
//! connection is the least likely to be stale, and the surplus is left in peace to end.
//!
//! Waits for nothing but sockets; knows no order, retry or offset. What an answer means is decided by the judge it
//! is given.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::mpsc;

use crate::clock;
use crate::config::schema::WebhookSettings;
use crate::http_client::{Client, Endpoint, EndpointError, Response};
use crate::logic::moment::Moment;
use crate::logic::outcome::{Answer, Outcome};

/// A thread that nobody needed for so long ends, and its connection with it.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Room for a TLS handshake and the jq of an outcome rule; only what is touched takes memory.
const STACK_SIZE: usize = 512 * 1024;

/// What an answer means for the event that was sent. Called by many threads at once.
pub type Judge = Arc<dyn Fn(&Response) -> Answer + Send + Sync>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// Comes back with the answer.
    pub id: u64,
    /// The request body.
    pub body: Vec<u8>,
    /// The value of the idempotency header.
    pub idempotency_key: String,
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// That of the request.
    pub id: u64,
    /// What became of it.
    pub answer: Answer,
}

/// A request on its way to a thread. It carries the thread's own inbox with it, which comes back with the answer:
/// who holds an inbox may use it, so no thread ever has two requests, and a thread ends when its inbox is dropped.
struct Errand {
    request: DeliveryRequest,
    inbox: Inbox,
}

type Inbox = SyncSender<Errand>;

struct Done {
    delivery: Delivery,
    inbox: Inbox,
}

/// The sender threads of one webhook. Dropping it ends them, each after the request it has.
pub struct Senders {
    endpoint: Arc<Endpoint>,
    judge: Judge,
    /// Threads without a request and since when, the most recently used last.
    idle: VecDeque<(Moment, Inbox)>,
    done: mpsc::Receiver<Done>,
    report: mpsc::Sender<Done>,
    /// Requests that no thread could be started for.
    unsent: VecDeque<Delivery>,
}

impl Senders {
    /// Gets ready to send; threads and connections come with the first requests. `tls` is needed for https.
    ///
    /// # Errors
    /// Settings that no request can be made of.
    pub fn start(
        settings: &WebhookSettings,
        max_in_flight: u16,
        tls: Option<Arc<ClientConfig>>,
        judge: Judge,
    ) -> Result<Self, EndpointError> {
        let endpoint = Arc::new(Endpoint::new(settings, tls)?);
        let (report, done) = mpsc::channel(usize::from(max_in_flight.max(1)));
        Ok(Self { endpoint, judge, idle: VecDeque::new(), done, report, unsent: VecDeque::new() })
    }

    /// Hands `request` to a thread; its answer comes out of [`next_answer`](Self::next_answer). Never blocks, if
    /// the caller keeps its promise to have at most `max_in_flight` requests without an answer.
    pub fn submit(&mut self, request: DeliveryRequest) {
        let inbox = match self.idle.pop_back() {
            Some((_, inbox)) => Ok(inbox),
            None => self.start_thread(),
        };
        let failed = match inbox {
            Ok(inbox) => {
                let id = request.id;
                let errand = Errand { request, inbox: inbox.clone() };
                // The inbox has room for the one request its thread may have, and the thread lives while we hold it.
                inbox.try_send(errand).err().map(|_| (id, "the sender thread is gone".to_owned()))
            }
            Err(error) => Some((request.id, format!("cannot start a sender thread: {error}"))),
        };
        if let Some((id, reason)) = failed {
            self.unsent.push_back(Delivery { id, answer: no_answer(reason) });
        }
    }

    /// The next request that came to an end; waits for ever where there is none. Cancel safe.
    pub async fn next_answer(&mut self) -> Delivery {
        loop {
            if let Some(delivery) = self.unsent.pop_front() {
                return delivery;
            }
            self.end_surplus_threads();
            let oldest = self.idle.front().map(|(since, _)| *since + IDLE_LIMIT);
            let done = tokio::select! {
                biased;
                done = self.done.recv() => done,
                () = until(oldest) => continue,
            };
            match done {
                Some(Done { delivery, inbox }) => {
                    self.idle.push_back((clock::now(), inbox));
                    return delivery;
                }
                // Not while `self.report` is there.
                None => std::future::pending().await,
            }
        }
    }

    fn end_surplus_threads(&mut self) {
        let now = clock::now();
        while self.idle.front().is_some_and(|(since, _)| now.since(*since) >= IDLE_LIMIT) {
            self.idle.pop_front();
        }
    }

    fn start_thread(&self) -> io::Result<Inbox> {
        let (inbox, errands) = sync_channel(1);
        let (client, judge, report) =
            (Client::new(Arc::clone(&self.endpoint)), Arc::clone(&self.judge), self.report.clone());
        thread::Builder::new()
            .name("sender".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || send_all(client, &errands, &judge, &report))?;
        Ok(inbox)
    }
}

impl fmt::Debug for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Senders").field("idle", &self.idle.len()).finish_non_exhaustive()
    }
}

async fn until(moment: Option<Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock::instant(moment)).await,
        None => std::future::pending().await,
    }
}

/// The life of a sender thread: it ends when nobody holds its inbox any more, or nobody waits for answers.
fn send_all(mut client: Client, errands: &Receiver<Errand>, judge: &Judge, report: &mpsc::Sender<Done>) {
    while let Ok(Errand { request, inbox }) = errands.recv() {
        let answer = match client.send(&request.body, &request.idempotency_key) {
            Ok(response) => judge(&response),
            Err(error) => no_answer(error.to_string()),
        };
        let delivery = Delivery { id: request.id, answer };
        if report.blocking_send(Done { delivery, inbox }).is_err() {
            return;
        }
    }
}

/// Without an answer an event is always tried again: the endpoint may never have seen it.
fn no_answer(detail: String) -> Answer {
    Answer { outcome: Outcome::Retry, status: None, detail, retry_after: None, log: None }
}
