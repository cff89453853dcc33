//! The daemon's end of the control socket: takes connections, reads requests, hands each to the daemon over a bounded
//! channel and writes its answer. Owns the socket's file. Knows nothing of what a request does.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::protocol::{ControlRequest, ControlResponse, MAX_IMPORT, MAX_REQUEST};

/// A request and where its answer goes. An asker that has gone away is no error.
pub type Command = (ControlRequest, oneshot::Sender<ControlResponse>);

/// Connections at once; more wait in the backlog.
const MAX_CONNECTIONS: usize = 16;
/// For a whole request to arrive, and for its answer to be taken.
const TRANSFER_LIMIT: Duration = Duration::from_secs(10);
/// For the daemon to answer; the client waits longer than this (`client::ANSWER_LIMIT`).
const ANSWER_LIMIT: Duration = Duration::from_secs(50);
/// After an accept that failed (no file descriptors): the next attempt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Why the socket cannot be served.
#[derive(Debug)]
pub enum BindError {
    /// Somebody answers on it.
    InUse(PathBuf),
    /// Something other than a socket lies there.
    NotASocket(PathBuf),
    /// The operating system refused.
    Io(PathBuf, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => {
                write!(
                    f,
                    "another daemon answers on the control socket {}: stop it, or set control.socket",
                    path.display()
                )
            }
            Self::NotASocket(path) => {
                write!(f, "{} exists and is no socket: remove it, or set control.socket", path.display())
            }
            Self::Io(path, error) => write!(f, "the control socket {} cannot be made: {error}", path.display()),
        }
    }
}

impl std::error::Error for BindError {}

/// The bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    file: SocketFile,
}

impl ControlServer {
    /// Makes the socket at `path` with mode 0600; one that nobody answers on (left by a killed daemon) is replaced. Must
    /// be called within a runtime.
    ///
    /// # Errors
    /// [`BindError`], each with what to do about it.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        remove_stale(path)?;
        let failed = |error| BindError::Io(path.to_owned(), error);
        let listener = bind_private(path).map_err(failed)?;
        let file = SocketFile::at(path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self { listener: UnixListener::from_std(listener).map_err(failed)?, file })
    }

    /// Serves until the daemon's end of `commands` is closed. Each connection may send any number of requests, one
    /// after the other.
    pub async fn serve(self, commands: mpsc::Sender<Command>) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = commands.closed() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let commands = commands.clone();
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, commands).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, socket = %self.file.path.display(), "no control connection can be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The socket's place in the file system, removed with it unless somebody else has put another one there.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device_and_inode: (metadata.dev(), metadata.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Ok(metadata) = fs::symlink_metadata(&self.path)
            && (metadata.dev(), metadata.ino()) == self.device_and_inode
        {
            // At worst a stale socket stays, which the next start replaces.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Io(path.to_owned(), error);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    // A listener with a full backlog would make a blocking connect wait.
    probe.set_nonblocking(true).map_err(failed)?;
    match probe.connect(&SockAddr::unix(path).map_err(failed)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(()) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BindError::InUse(path.to_owned())),
        Err(error) => Err(failed(error)),
    }
}

/// Nobody can connect before `listen`, and by then the mode is set: there is no moment at which the umask decides.
fn bind_private(path: &Path) -> io::Result<StdUnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(64)?;
    Ok(StdUnixListener::from(std::os::fd::OwnedFd::from(socket)))
}

async fn converse(stream: UnixStream, commands: mpsc::Sender<Command>) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let line = match timeout(TRANSFER_LIMIT, read_line(&mut reading)).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(ReadError::TooLong)) => {
                return answer(&mut writing, &ControlResponse::error("the request is too long")).await;
            }
            Ok(Err(ReadError::Io(error))) => return Err(error),
            Err(_) => return answer(&mut writing, &ControlResponse::error("the request took too long")).await,
        };
        let response = match ControlRequest::parse(&line) {
            Ok(request) => carry_out(request, &commands).await,
            Err(error) => ControlResponse::error(format!("not a request that this version knows: {error}")),
        };
        answer(&mut writing, &response).await?;
    }
}

async fn carry_out(request: ControlRequest, commands: &mpsc::Sender<Command>) -> ControlResponse {
    let (sender, receiver) = oneshot::channel();
    let answered = timeout(ANSWER_LIMIT, async {
        commands.send((request, sender)).await.ok()?;
        receiver.await.ok()
    });
    match answered.await {
        Ok(Some(response)) => response,
        Ok(None) => ControlResponse::error("the daemon is stopping"),
        Err(_) => ControlResponse::error(format!(
            "the daemon did not answer within {} s; whether it did what was asked, `barnabas status` tells",
            ANSWER_LIMIT.as_secs()
        )),
    }
}

async fn answer(writing: &mut (impl AsyncWriteExt + Unpin), response: &ControlResponse) -> io::Result<()> {
    let line = response.line() + "\n";
    match timeout(TRANSFER_LIMIT, writing.write_all(line.as_bytes())).await {
        Ok(written) => written,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not taken")),
    }
}

#[derive(Debug)]
enum ReadError {
    TooLong,
    Io(io::Error),
}

/// A line without its end; none at the end of the stream. What arrives is looked at piece by piece, so that nobody makes
/// us hold more than the limit.
async fn read_line(reading: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<Vec<u8>>, ReadError> {
    let mut line = Vec::new();
    loop {
        let piece = reading.fill_buf().await.map_err(ReadError::Io)?;
        if piece.is_empty() {
            return Ok(if line.is_empty() { None } else { Some(line) });
        }
        let (taken, complete) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end, true),
            None => (piece.len(), false),
        };
        line.extend_from_slice(piece.get(..taken).unwrap_or_default());
        reading.consume(if complete { taken + 1 } else { taken });
        let limit = if line.starts_with(ControlRequest::IMPORT_PREFIX) { MAX_IMPORT } else { MAX_REQUEST };
        if line.len() > limit {
            return Err(ReadError::TooLong);
        }
        if complete {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
