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

use bytes::Bytes;
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
const STACK_SIZE: usize = 2 * 1024 * 1024;

/// What an answer means for the event that was sent. Called by many threads at once, and not again for an answer like
/// the last one, unless that has a Retry-After.
pub type Judge = Arc<dyn Fn(&Response) -> Answer + Send + Sync>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// Comes back with the answer.
    pub id: u64,
    /// The request body.
    pub body: Bytes,
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
            self.end_surplus_threads(clock::now());
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

    /// A request that came to an end already, if there is one.
    pub fn try_next_answer(&mut self) -> Option<Delivery> {
        let Done { delivery, inbox } = self.done.try_recv().ok()?;
        self.idle.push_back((clock::now(), inbox));
        Some(delivery)
    }

    fn end_surplus_threads(&mut self, now: Moment) {
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
    let mut last = LastVerdict(None);
    while let Ok(Errand { request, inbox }) = errands.recv() {
        let answer = match client.send(&request.body, &request.idempotency_key) {
            Ok(response) => last.judge(response, judge),
            Err(error) => no_answer(error.to_string()),
        };
        let delivery = Delivery { id: request.id, answer };
        if report.blocking_send(Done { delivery, inbox }).is_err() {
            return;
        }
    }
}

/// What a thread heard last, and what it meant. An endpoint says the same most of the time, and to run the operator's
/// rules on it would cost a tenth of a whole delivery.
struct LastVerdict(Option<(Response, Answer)>);

/// Longer answers, in bytes, are not remembered: there may be hundreds of threads.
const REMEMBERED: usize = 1024;

impl LastVerdict {
    fn judge(&mut self, response: Response, judge: &Judge) -> Answer {
        if let Some((known, answer)) = &self.0
            && *known == response
        {
            return answer.clone();
        }
        let answer = judge(&response);
        // A date in Retry-After means another wait every time.
        let may_be_kept = answer.retry_after.is_none() && response.body.len() <= REMEMBERED;
        self.0 = may_be_kept.then(|| (response, answer.clone()));
        answer
    }
}

/// Without an answer an event is always tried again: the endpoint may never have seen it.
fn no_answer(detail: String) -> Answer {
    Answer { outcome: Outcome::Retry, status: None, detail, retry_after: None, log: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{Secret, TlsSettings};
    use crate::logic::sorted_set::SortedSet;
    use litemap::LiteMap;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SOON: Duration = Duration::from_secs(20);

    /// Answers every request with its own body, and counts connections. Requests that say "wait" are answered when
    /// the test has come to the gate, too.
    fn echo(gate: Arc<Barrier>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (mut stream, gate) = (stream.unwrap(), Arc::clone(&gate));
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                        let body = request.split("\r\n\r\n").nth(1).unwrap();
                        if body.starts_with("wait") {
                            gate.wait();
                        }
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        (url, connections)
    }

    fn senders(url: &str, max_in_flight: u16) -> Senders {
        let settings = WebhookSettings {
            url: Secret::new(url),
            display_url: url.to_owned(),
            method: "POST".to_owned(),
            headers: vec![],
            tls: TlsSettings::default(),
            timeout: SOON,
            connect_timeout: SOON,
            max_response_size: 1024,
            idempotency_header: None,
            outcomes: vec![],
        };
        let judge = |response: &Response| Answer {
            outcome: Outcome::Delivered,
            status: Some(response.status),
            detail: String::from_utf8_lossy(&response.body).into_owned(),
            retry_after: None,
            log: None,
        };
        Senders::start(&settings, max_in_flight, None, Arc::new(judge)).unwrap()
    }

    fn request(id: u64, body: &str) -> DeliveryRequest {
        DeliveryRequest { id, body: Bytes::copy_from_slice(body.as_bytes()), idempotency_key: format!("key-{id}") }
    }

    async fn next(senders: &mut Senders) -> Delivery {
        tokio::time::timeout(SOON, senders.next_answer()).await.expect("an answer in time")
    }

    #[tokio::test]
    async fn one_after_another_goes_over_one_connection() {
        let (url, connections) = echo(Arc::new(Barrier::new(2)));
        let mut senders = senders(&url, 16);
        for id in 0..5 {
            senders.submit(request(id, "one"));
            assert_eq!(next(&mut senders).await.id, id);
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn every_request_gets_its_own_answer_whatever_the_order() {
        let (url, connections) = echo(Arc::new(Barrier::new(2)));
        let mut senders = senders(&url, 8);
        let mut answers = LiteMap::new_vec();
        for id in 0..200 {
            senders.submit(request(id, &format!("body of {id}")));
            if id >= 7 {
                let delivery = next(&mut senders).await;
                answers.insert(delivery.id, delivery.answer.detail);
            }
        }
        while answers.len() < 200 {
            let delivery = next(&mut senders).await;
            answers.insert(delivery.id, delivery.answer.detail);
        }
        assert!(answers.iter().all(|(id, detail)| *detail == format!("body of {id}")), "{answers:?}");
        assert!(connections.load(Ordering::SeqCst) <= 8);
    }

    #[tokio::test]
    async fn a_slow_request_holds_back_no_other() {
        let gate = Arc::new(Barrier::new(2));
        let (url, _) = echo(Arc::clone(&gate));
        let mut senders = senders(&url, 4);
        senders.submit(request(0, "wait"));
        for id in 1..10 {
            senders.submit(request(id, "quick"));
            assert_eq!(next(&mut senders).await.id, id);
        }
        gate.wait();
        assert_eq!(next(&mut senders).await.id, 0);
    }

    #[tokio::test]
    async fn waiting_for_an_answer_can_be_given_up_and_taken_up_again() {
        let (url, _) = echo(Arc::new(Barrier::new(2)));
        let mut senders = senders(&url, 4);
        (0..4).for_each(|id| senders.submit(request(id, "x")));
        let mut answered = SortedSet::new();
        while answered.len() < 4 {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                delivery = senders.next_answer() => assert!(answered.insert(delivery.id)),
            }
        }
    }

    #[tokio::test]
    async fn without_an_endpoint_the_answer_is_to_try_again() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut senders = senders(&format!("http://127.0.0.1:{port}/?token=hidden"), 4);
        senders.submit(request(7, "x"));
        let Delivery { id, answer } = next(&mut senders).await;
        assert_eq!((id, answer.outcome, answer.status), (7, Outcome::Retry, None));
        assert_eq!(answer.detail, format!("cannot connect to 127.0.0.1:{port}: connection refused"));
    }

    #[test]
    fn an_answer_like_the_last_one_is_not_judged_again_unless_it_depends_on_the_time_or_is_long() {
        let heard = |status, body: &str| Response { status, headers: vec![], body: body.as_bytes().to_vec() };
        let long = "x".repeat(REMEMBERED + 1);
        for (case, answers, judged) in [
            ("the same", vec![heard(200, "ok"), heard(200, "ok"), heard(200, "ok")], 1),
            ("another body", vec![heard(200, "ok"), heard(200, "no"), heard(200, "ok")], 3),
            ("another status", vec![heard(200, "ok"), heard(201, "ok")], 2),
            ("to be tried again later", vec![heard(429, "later"), heard(429, "later")], 2),
            ("a long one", vec![heard(200, &long), heard(200, &long)], 2),
        ] {
            let times = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&times);
            let judge: Judge = Arc::new(move |response: &Response| {
                counter.fetch_add(1, Ordering::SeqCst);
                let retry_after = (response.status == 429).then_some(SOON);
                Answer { retry_after, status: Some(response.status), ..no_answer("judged".to_owned()) }
            });
            let mut last = LastVerdict(None);
            for answer in answers {
                let status = answer.status;
                assert_eq!(last.judge(answer, &judge).status, Some(status), "{case}");
            }
            assert_eq!(times.load(Ordering::SeqCst), judged, "{case}");
        }
    }

    #[tokio::test]
    async fn threads_that_nobody_needs_end() {
        let (url, _) = echo(Arc::new(Barrier::new(2)));
        let mut senders = senders(&url, 4);
        (0..4).for_each(|id| senders.submit(request(id, "x")));
        for _ in 0..4 {
            next(&mut senders).await;
        }
        assert_eq!(senders.idle.len(), 4);
        senders.end_surplus_threads(clock::now() + IDLE_LIMIT);
        assert!(senders.idle.is_empty());
        // The judge is held by every thread, and by the senders themselves.
        let gone = async {
            while Arc::strong_count(&senders.judge) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(SOON, gone).await.expect("the threads to end");
    }
}
