//! One connection to one broker. A task owns the socket; requests reach it over a bounded channel, are written as they
//! come, and are answered in order, which the protocol guarantees and the correlation ids prove.
//!
//! When anything goes wrong (a time limit, a frame that makes no sense, the peer closing) the connection is over and
//! everyone who waits is told why. It never reconnects; the pool does that. It does not log in either: connect.rs does.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::api::{Api, RequestKind};
use super::error::ErrorKind;
use super::frame::{self, Inbox, broken};
use super::question::{Question, decode, encode};
use super::shape::after_header_tags;
use super::versions::BrokerVersions;
use crate::logic::moment::Moment;

/// Brokers close idle connections after ten minutes (connections.max.idle.ms); we are a little earlier, so that no
/// request meets one that is just being closed.
const IDLE_LIMIT: Duration = Duration::from_secs(9 * 60);
/// Requests waiting to be written, and again as many waiting for their answer.
const QUEUE: usize = 16;

/// What the connection runs over: a TCP stream, or TLS on one.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A handle on the connection; the connection ends when the last one is dropped and all answers are in.
#[derive(Debug)]
pub(in crate::kafka) struct Connection {
    jobs: mpsc::Sender<Job>,
    next_id: AtomicI32,
    client_id: String,
    limit: Duration,
    end: Arc<OnceLock<ErrorKind>>,
    /// What the broker speaks; empty until it was asked.
    pub(in crate::kafka) versions: BrokerVersions,
    /// When the login expires (KIP-368); none: never.
    pub(super) expires: Option<Moment>,
}

/// A request on its way.
#[derive(Debug)]
struct Job {
    frame: Bytes,
    waiting: Waiting,
}

/// A request that was written and not yet answered.
#[derive(Debug)]
struct Waiting {
    correlation_id: i32,
    max_answer: usize,
    /// Counted from when it is this request's turn: the broker answers in order, and one that waits for records holds
    /// up those behind it.
    limit: Duration,
    answer: oneshot::Sender<Bytes>,
}

impl Connection {
    /// Starts the task on `socket`. `limit` holds for each request.
    pub(super) fn start(socket: Box<dyn Socket>, client_id: String, limit: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let end = Arc::new(OnceLock::new());
        let (reading, writing) = tokio::io::split(socket);
        tokio::spawn(run(Inbox::new(reading), writing, queue, Arc::clone(&end)));
        Self {
            jobs,
            next_id: AtomicI32::new(1),
            client_id,
            limit,
            end,
            versions: BrokerVersions::default(),
            expires: None,
        }
    }

    /// The task ended; nothing can be sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Sends `request` in `version` and waits for the answer, `patience` longer than for other requests.
    ///
    /// # Errors
    /// Whatever ended the connection meanwhile; Protocol when the answer makes no sense.
    pub(in crate::kafka) async fn call<R: Api>(
        &self,
        request: &R,
        version: i16,
        patience: Duration,
    ) -> Result<R::Answer, ErrorKind> {
        let body = self.exchange(R::KIND, version, patience, encode(request, version)?).await?;
        decode::<R>(body, version)
    }

    /// As `call`, with a question, which has the answer afterwards.
    pub(super) async fn ask(
        &self,
        question: &mut dyn Question,
        version: i16,
        patience: Duration,
    ) -> Result<(), ErrorKind> {
        let body = self.exchange(question.kind(), version, patience, question.encode(version)?).await?;
        question.decode(body, version)
    }

    /// Sends a request's `body` and returns that of the answer as it came, both without their headers.
    pub(super) async fn exchange(
        &self,
        kind: &RequestKind,
        version: i16,
        patience: Duration,
        body: BytesMut,
    ) -> Result<Bytes, ErrorKind> {
        // Wraps to negative numbers after two thousand million requests, which are as good.
        let correlation_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = frame::encode(kind, version, correlation_id, &self.client_id, &body)?;
        drop(body);
        let (answer, answered) = oneshot::channel();
        let waiting =
            Waiting { correlation_id, max_answer: kind.max_answer, limit: self.limit.saturating_add(patience), answer };
        if self.jobs.send(Job { frame, waiting }).await.is_err() {
            return Err(self.reason().await);
        }
        let Ok(mut frame) = answered.await else { return Err(self.reason().await) };
        frame.advance(4.min(frame.len()));
        if (kind.answer_header)(version) >= 1 {
            let rest = after_header_tags(&frame).map_err(|error| kind.malformed(version, &error))?.len();
            frame.advance(frame.len().saturating_sub(rest));
        }
        Ok(frame)
    }

    /// Why the connection ended; the task stores that before it lets go of the queue.
    async fn reason(&self) -> ErrorKind {
        self.jobs.closed().await;
        self.end.get().cloned().unwrap_or_else(|| ErrorKind::Closed("it was closed by us".to_owned()))
    }
}

/// The task: ends when the last handle is gone and all is answered, or when something goes wrong.
async fn run<S: Socket>(
    inbox: Inbox<ReadHalf<S>>,
    writing: WriteHalf<S>,
    mut queue: mpsc::Receiver<Job>,
    end: Arc<OnceLock<ErrorKind>>,
) {
    let (written, unanswered) = mpsc::channel(QUEUE);
    if let Err(reason) = tokio::try_join!(write(&mut queue, writing, written), read(inbox, unanswered)) {
        tracing::debug!(%reason, "connection ended");
        let _first_reason = end.set(reason);
    }
}

async fn write<S: Socket>(
    queue: &mut mpsc::Receiver<Job>,
    mut socket: WriteHalf<S>,
    written: mpsc::Sender<Waiting>,
) -> Result<(), ErrorKind> {
    while let Some(Job { frame, waiting }) = queue.recv().await {
        if waiting.answer.is_closed() {
            continue; // The caller has gone; nobody needs the answer.
        }
        let limit = waiting.limit;
        // Before it is written, so that the answer never comes before it is known to be expected.
        if written.send(waiting).await.is_err() {
            return Ok(());
        }
        let send = async {
            socket.write_all(&frame).await?;
            socket.flush().await
        };
        match tokio::time::timeout(limit, send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(broken(&error)),
            Err(_) => return Err(ErrorKind::Timeout(limit)),
        }
    }
    Ok(())
}

async fn read<S: AsyncRead + Unpin>(
    mut inbox: Inbox<S>,
    mut unanswered: mpsc::Receiver<Waiting>,
) -> Result<(), ErrorKind> {
    loop {
        let next = tokio::select! {
            // In this order: an answer can be there as soon as its request is.
            biased;
            next = unanswered.recv() => next,
            reason = inbox.ended() => return Err(reason),
            () = tokio::time::sleep(IDLE_LIMIT) => return Err(ErrorKind::Closed("it was idle".to_owned())),
        };
        let Some(waiting) = next else { return Ok(()) };
        let frame = inbox.frame(waiting.max_answer, waiting.limit).await?;
        let came = frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
        if came != Some(waiting.correlation_id) {
            return Err(ErrorKind::Protocol(format!(
                "it answered request {} where {} was next",
                came.unwrap_or_default(),
                waiting.correlation_id
            )));
        }
        // A caller that gave up does not matter to those behind it.
        let _gone = waiting.answer.send(frame);
    }
}
