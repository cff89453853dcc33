//! A connection to the endpoint as ureq wants it: buffers above a TCP stream, with or without TLS.
//!
//! It differs from ureq's own in three ways. Head and body of a request leave in one write instead of two. The socket's
//! time limits are set when they change by a few percent, not with every call. And an answer that comes
//! before the request was taken whole (413, 401) is read, not lost to the broken pipe. Knows nothing of HTTP.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use socket2::SockRef;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use crate::clock;
use crate::logic::moment::Moment;

use super::connector::{Progress, Stage};

/// Output is held back until an answer is waited for, or until less than this is free. A header field must fit.
const ROOM_FOR_MORE: usize = 8 * 1024;

/// recv(2): look without taking, and without waiting.
const PEEK: i32 = 0x2;
const DONT_WAIT: i32 = if cfg!(target_os = "linux") { 0x40 } else { 0x80 };

/// A TCP stream whose reads and writes all end at one moment.
pub(super) struct TimedStream {
    stream: TcpStream,
    deadline: Moment,
    /// As the socket has it.
    read_limit: Duration,
    write_limit: Duration,
}

impl TimedStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, deadline: Moment::default(), read_limit: Duration::ZERO, write_limit: Duration::ZERO }
    }

    pub(super) fn set_deadline(&mut self, deadline: Moment) {
        self.deadline = deadline;
    }

    fn limit(&self) -> io::Result<Duration> {
        let left = self.deadline.since(clock::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(coarse(left)) }
    }

    /// Nothing has come that nobody asked for, and the peer has not closed.
    fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(&self.stream).recv_with_flags(&mut byte, PEEK | DONT_WAIT);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// `left`, rounded up by at most 3 %: so it stays the same from request to request, and the socket need not be told.
fn coarse(left: Duration) -> Duration {
    // An hour is as good as for ever, and keeps the arithmetic small.
    let micros = u64::try_from(left.as_micros()).unwrap_or(u64::MAX).clamp(1, 3_600_000_000);
    let step = (micros.next_power_of_two() / 64).max(1);
    Duration::from_micros(micros.div_ceil(step).saturating_mul(step))
}

/// A blocked call that was ended by the socket's time limit says `WouldBlock`.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let limit = self.limit()?;
            if limit != self.read_limit {
                self.stream.set_read_timeout(Some(limit))?;
                self.read_limit = limit;
            }
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(timed_out),
            }
        }
    }
}

impl Write for TimedStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let limit = self.limit()?;
        if limit != self.write_limit {
            self.stream.set_write_timeout(Some(limit))?;
            self.write_limit = limit;
        }
        self.stream.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to the endpoint.
pub(super) struct Connection {
    stream: TimedStream,
    tls: Option<Box<ClientConnection>>,
    buffers: HoldingBuffers,
    /// The peer took no more of the request; it may have said why.
    write_error: Option<io::Error>,
    progress: Arc<Progress>,
}

impl Connection {
    pub(super) fn new(
        stream: TimedStream,
        tls: Option<ClientConnection>,
        buffers: LazyBuffers,
        progress: Arc<Progress>,
    ) -> Self {
        let buffers = HoldingBuffers { lazy: buffers, held: 0 };
        Self { stream, tls: tls.map(Box::new), buffers, write_error: None, progress }
    }

    fn write_held(&mut self) -> io::Result<()> {
        let Some(output) = self.buffers.take_held() else { return Ok(()) };
        if self.write_error.is_some() {
            return Ok(());
        }
        let written = match &mut self.tls {
            None => self.stream.write_all(output),
            Some(session) => {
                let mut tls = rustls::Stream::new(&mut **session, &mut self.stream);
                tls.write_all(output).and_then(|()| tls.flush())
            }
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(error),
            Err(error) => {
                self.write_error = Some(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let input = self.buffers.input_append_buf();
        if input.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long"));
        }
        let read = match &mut self.tls {
            None => self.stream.read(input),
            Some(session) => rustls::Stream::new(&mut **session, &mut self.stream).read(input),
        };
        match (read, self.write_error.take()) {
            (Ok(0) | Err(_), Some(write_error)) => Err(write_error),
            (Ok(amount), write_error) => {
                self.write_error = write_error;
                self.buffers.input_appended(amount);
                Ok(amount)
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn error(error: io::Error, timeout: NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => ureq::Error::Io(error),
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.buffers.hold(amount);
        if self.buffers.room() >= ROOM_FOR_MORE {
            return Ok(());
        }
        self.stream.set_deadline(clock::now() + *timeout.after);
        self.write_held().map_err(|failed| error(failed, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.set_deadline(clock::now() + *timeout.after);
        let amount = self.write_held().and_then(|()| self.read()).map_err(|failed| error(failed, timeout))?;
        if amount > 0 {
            self.progress.reached(Stage::Answering);
        }
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // With TLS what has come may be a session ticket or the end of the session: not worth finding out.
        self.write_error.is_none() && self.stream.is_quiet()
    }

    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.stream.stream.peer_addr().ok()).finish_non_exhaustive()
    }
}

/// ureq's buffers, but output is appended to what is held back instead of written over it.
struct HoldingBuffers {
    lazy: LazyBuffers,
    /// Bytes at the beginning of the output that are to be written.
    held: usize,
}

impl HoldingBuffers {
    fn hold(&mut self, amount: usize) {
        self.held = self.held.saturating_add(amount);
    }

    fn room(&mut self) -> usize {
        self.output().len()
    }

    fn take_held(&mut self) -> Option<&[u8]> {
        let held = std::mem::take(&mut self.held);
        if held == 0 { None } else { self.lazy.output().get(..held) }
    }
}

impl Buffers for HoldingBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.lazy.output().get_mut(self.held..).unwrap_or_default()
    }

    fn input(&self) -> &[u8] {
        self.lazy.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.lazy.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.lazy.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.lazy.input_consume(amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (scratch, output) = self.lazy.tmp_and_output();
        (scratch, output.get_mut(self.held..).unwrap_or_default())
    }

    fn can_use_input(&self) -> bool {
        self.lazy.can_use_input()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_rounded_up_a_little_and_stays_the_same_from_request_to_request() {
        for micros in [1, 63, 64, 999, 1_000_000, 5_000_000, 9_999_999, 10_000_000, 3_599_000_000] {
            let left = Duration::from_micros(micros);
            assert!(coarse(left) >= left, "{left:?} became shorter");
            assert!(coarse(left) <= left.mul_f64(1.033), "{left:?} became {:?}", coarse(left));
        }
        let typical = [9_999_990, 9_999_900, 9_999_000].map(Duration::from_micros).map(coarse);
        assert!(typical.windows(2).all(|pair| pair[0] == pair[1]), "{typical:?}");
        assert_eq!(coarse(Duration::MAX), Duration::from_secs(3600).max(coarse(Duration::from_secs(3600))));
    }
}
