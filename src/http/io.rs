//! hyper's sockets and timers in terms of tokio's. hyper brings its own traits and hyper-util the adapters; the little
//! that is needed of them is here, without unsafe code.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read at once: a request for a page fits.
const READ_BUFFER: usize = 8 * 1024;

/// A connection for hyper.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// Between the two: hyper's buffer may be uninitialised memory, which safe code can only copy to.
    buffer: Box<[u8; READ_BUFFER]>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Box::new([0; READ_BUFFER]) }
    }
}

impl Read for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = into.remaining().min(READ_BUFFER);
        let Some(space) = this.buffer.get_mut(..room) else { return Poll::Ready(Ok(())) };
        let mut read = ReadBuf::new(space);
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
        into.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bytes)
    }
}

/// hyper's timers, on tokio's.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokioTimer;

/// tokio's own `Sleep` must not move once it waits, hence the box.
struct BoxedSleep(Pin<Box<tokio::time::Sleep>>);

impl Future for BoxedSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl Sleep for BoxedSleep {}

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(BoxedSleep(Box::pin(tokio::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(BoxedSleep(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }
}
