//! A command's end of the control socket: one request, one answer, and a time limit. Synchronous, because a command has
//! nothing else to do. Tells "nobody runs there" from all other errors: then a command may open the state itself.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::protocol::{ControlRequest, ControlResponse};

/// For the answer to begin: a little longer than the server gives the daemon.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// The longest answer that is read: an export of all dead letters.
const MAX_ANSWER: u64 = 1024 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// No socket, or nobody listens on it.
    NotRunning(PathBuf),
    /// The socket belongs to somebody else.
    Forbidden(PathBuf),
    /// The connection broke, or the daemon did not answer in time.
    Io(PathBuf, io::Error),
    /// What came back is no answer.
    Garbled(PathBuf, String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => write!(f, "no daemon answers on {}: is barnabas running?", path.display()),
            Self::Forbidden(path) => {
                write!(f, "{} belongs to another user: run the command as the daemon's user or as root", path.display())
            }
            Self::Io(path, error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                write!(f, "the daemon on {} did not answer in time", path.display())
            }
            Self::Io(path, error) => write!(f, "the daemon on {}: {error}", path.display()),
            Self::Garbled(path, error) => {
                write!(f, "the answer from {} is not one of this version: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for AskError {}

/// Sends `request` to the daemon that listens on `path`, and waits for its answer.
///
/// # Errors
/// [`AskError`]; a refusal by the daemon is no error here but [`ControlResponse::Error`].
pub fn ask(path: &Path, request: &ControlRequest) -> Result<ControlResponse, AskError> {
    ask_within(path, request, ANSWER_LIMIT)
}

fn ask_within(path: &Path, request: &ControlRequest, limit: Duration) -> Result<ControlResponse, AskError> {
    let failed = |error| AskError::Io(path.to_owned(), error);
    let mut stream = connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(path.to_owned()),
        io::ErrorKind::PermissionDenied => AskError::Forbidden(path.to_owned()),
        _ => failed(error),
    })?;
    stream.set_read_timeout(Some(limit)).map_err(failed)?;
    stream.set_write_timeout(Some(limit)).map_err(failed)?;
    let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_ANSWER)).read_line(&mut answer).map_err(failed)?;
    if answer.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without an answer")));
    }
    ControlResponse::parse(&answer).map_err(|error| AskError::Garbled(path.to_owned(), error))
}

/// A full backlog fails at once (EAGAIN) where a plain connect would wait without a limit.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn nobody_there_is_told_from_somebody_who_does_not_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("control.sock");
        assert!(matches!(ask(&path, &ControlRequest::Status), Err(AskError::NotRunning(_))), "no socket");

        let listener = UnixListener::bind(&path).expect("a socket");
        let answered = ask_within(&path, &ControlRequest::Status, Duration::from_millis(50));
        let error = answered.expect_err("nobody accepts");
        assert!(matches!(error, AskError::Io(..)), "{error}");
        assert!(error.to_string().contains("did not answer in time"), "{error}");

        drop(listener);
        assert!(matches!(ask(&path, &ControlRequest::Status), Err(AskError::NotRunning(_))), "a stale socket");
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        for (garbage, expected) in [(&b"hello\n"[..], "not one of this version"), (b"", "without an answer")] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("control.sock");
            let listener = UnixListener::bind(&path).expect("a socket");
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut request = String::new();
                BufReader::new(stream.try_clone().expect("a clone")).read_line(&mut request).expect("a request");
                stream.write_all(garbage).expect("an answer");
            });
            let error = ask(&path, &ControlRequest::Status).expect_err("garbage").to_string();
            assert!(error.contains(expected), "{error}");
            server.join().expect("the server ends");
        }
    }
}
