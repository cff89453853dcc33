//! One HTTP/1.1 request after another: asks the rules, does what they say, and tells the record.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::io_adapter::ForHyper;
use crate::record::{Line, Outcome, Record, now_ms};
use crate::rules::{self, Cut, Rules, Then};

/// The state that all connections share; there is one thread.
pub(crate) struct Receiver {
    rules: RefCell<Rules>,
    record: RefCell<Record>,
    delay: Duration,
}

/// Told to hyper, which then closes the connection.
#[derive(Debug)]
struct ConnectionCut;

impl fmt::Display for ConnectionCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut by the script")
    }
}

impl std::error::Error for ConnectionCut {}

/// Everything about a request that outlives its body.
struct Arrived {
    n: u64,
    at_ms: i64,
    key: String,
    head: hyper::http::request::Parts,
}

impl Receiver {
    pub(crate) fn new(rules: Rules, record: Record, delay: Duration) -> Self {
        Self { rules: RefCell::new(rules), record: RefCell::new(record), delay }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, stream: S) {
        self.record.borrow_mut().connected();
        let service = service_fn(move |request| {
            let receiver = Rc::clone(&self);
            async move { receiver.answer(request).await }
        });
        // However a connection ends, somebody wanted it so.
        let _ = hyper::server::conn::http1::Builder::new()
            .pipeline_flush(true)
            .serve_connection(ForHyper(stream), service)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Content>, ConnectionCut> {
        match (request.method(), request.uri().path()) {
            (&Method::PUT, "/_control") => Ok(self.control(request).await),
            (&Method::GET, "/_stats") => {
                Ok(json(StatusCode::OK, serde_json::to_vec(&self.record.borrow().stats()).unwrap_or_default()))
            }
            (&Method::GET, "/_log") => Ok(json(StatusCode::OK, self.record.borrow().recent())),
            _ => self.webhook(request).await,
        }
    }

    async fn control(&self, request: Request<Incoming>) -> Response<Content> {
        let parsed = match request.into_body().collect().await {
            Ok(body) => Rules::parse(&String::from_utf8_lossy(&body.to_bytes())),
            Err(error) => Err(error.to_string()),
        };
        match parsed {
            Ok(rules) => {
                let answer = serde_json::json!({ "rules": rules.len() });
                *self.rules.borrow_mut() = rules;
                json(StatusCode::OK, answer.to_string())
            }
            Err(error) => json(StatusCode::BAD_REQUEST, serde_json::json!({ "error": error }).to_string()),
        }
    }

    async fn webhook(&self, request: Request<Incoming>) -> Result<Response<Content>, ConnectionCut> {
        let n = self.record.borrow_mut().began();
        let _under_way = UnderWay(&self.record);
        let (head, body) = request.into_parts();
        let key = head.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
        let arrived = Arrived { n, at_ms: now_ms(), key, head };

        if self.decide(&arrived, None).is_some() {
            self.finish(&arrived, &Bytes::new(), Outcome::CutBefore, None);
            return Err(ConnectionCut);
        }
        // A client that gives up in the middle of its request took nothing from us, nor we from it.
        let body = body.collect().await.map_err(|_| ConnectionCut)?.to_bytes();
        self.record.borrow_mut().took(&arrived.key, body.len());
        let then = self.decide(&arrived, Some(&body)).unwrap_or_default();
        let delay = self.delay + then.delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if then.hang {
            self.finish(&arrived, &body, Outcome::Hung, None);
            return std::future::pending().await;
        }
        match then.cut {
            Some(Cut::After | Cut::Before) => {
                self.finish(&arrived, &body, Outcome::CutAfter, None);
                Err(ConnectionCut)
            }
            Some(Cut::During) => {
                self.finish(&arrived, &body, Outcome::CutDuring, None);
                Ok(response(&then))
            }
            None => {
                self.finish(&arrived, &body, Outcome::Answered, Some(then.status));
                Ok(response(&then))
            }
        }
    }

    fn decide(&self, arrived: &Arrived, body: Option<&[u8]>) -> Option<Then> {
        let mut rules = self.rules.borrow_mut();
        if rules.is_empty() {
            return None;
        }
        let Arrived { head, key, .. } = arrived;
        rules.decide(rules::Request { path: head.uri.path(), headers: &head.headers, body, key })
    }

    fn finish(&self, arrived: &Arrived, body: &Bytes, outcome: Outcome, status: Option<u16>) {
        let mut record = self.record.borrow_mut();
        record.counted(status);
        let keep = record.keep();
        if !keep.single_requests {
            return;
        }
        let head = &arrived.head;
        let headers = keep.headers.then(|| {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
        });
        record.line(&Line {
            n: arrived.n,
            at_ms: arrived.at_ms,
            ended_ms: now_ms(),
            idempotency_key: arrived.key.clone(),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            headers,
            outcome,
            status,
            body: serde_json::from_slice(body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
        });
    }
}

/// A request that is being answered; also one whose client went away.
struct UnderWay<'a>(&'a RefCell<Record>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().ended();
    }
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Content> {
    let mut response = Response::new(Content { data: Some(body.into()), end: End::Complete });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn response(then: &Then) -> Response<Content> {
    let body = match &then.body {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let status = StatusCode::from_u16(then.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let promised = body.len() + 100;
    let mut response = json(status, body);
    for (name, value) in &then.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if then.cut == Some(Cut::During) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(promised));
        response.body_mut().end = End::CutOnceSent;
    }
    response
}

/// The body of an answer.
struct Content {
    data: Option<Bytes>,
    end: End,
}

/// What comes after the data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that was announced has been sent.
    Complete,
    /// More was announced than there is; hyper must be given the time to send what there is.
    CutOnceSent,
    /// It has had that time.
    CutNow,
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.end {
            End::Complete => Poll::Ready(None),
            End::CutOnceSent => {
                self.end = End::CutNow;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::CutNow => Poll::Ready(Some(Err(io::Error::other(ConnectionCut)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end == End::Complete
    }

    fn size_hint(&self) -> SizeHint {
        match &self.data {
            Some(data) if self.end == End::Complete => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
