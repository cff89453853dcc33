//! Takes connections and speaks HTTP/1.1 on them (hyper), within limits on how many, how long and how slow. What is
//! answered is decided in `answers`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::answers::{Asked, answer};
use super::io::{Connection, TokioTimer};
use super::kept::Kept;
use crate::clock;
use crate::config::schema::HttpSettings;
use crate::status::StatusBoard;

/// Connections at once; more wait in the backlog.
const MAX_CONNECTIONS: usize = 64;
/// For the header of a request to arrive, also the first on an idle connection.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// For a connection as a whole: who takes longer over an answer than this, or keeps asking, may connect again.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// For an answer under way when the connection's time is over.
const LAST_ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Of a request's header, in bytes.
const MAX_HEADER: usize = 16 * 1024;
/// After an accept that failed (no file descriptors): the next attempt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The bound port.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    hosts: Arc<[String]>,
}

impl HttpServer {
    /// Opens the port.
    ///
    /// # Errors
    /// It is in use, or not ours to open; the text names the address.
    pub async fn bind(settings: &HttpSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("http.listen = \"{}\": {error}", settings.listen)))?;
        Ok(Self { listener, hosts: settings.hosts.as_slice().into() })
    }

    /// The address that it listens on, with the port that was found where 0 was asked for.
    ///
    /// # Errors
    /// The operating system does not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever; dropping the future closes the port, and what is being answered goes on until its limit.
    pub async fn serve(self, board: StatusBoard) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let kept = Arc::new(Mutex::new(Kept::default()));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (hosts, board, kept) = (Arc::clone(&self.hosts), board.clone(), Arc::clone(&kept));
                    tokio::spawn(async move {
                        converse(stream, hosts, board, kept).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no HTTP connection can be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, hosts: Arc<[String]>, board: StatusBoard, kept: Arc<Mutex<Kept>>) {
    let service = service_fn(move |request| {
        // The body is never read: hyper closes the connection after answering where one comes.
        let asked = Asked { hosts: &hosts, board: &board, now: clock::now(), wall_clock: clock::wall_clock() };
        let response = answer(&request, asked, &kept);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer)
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER)
        .serve_connection(Connection::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tokio::time::sleep(CONNECTION_LIMIT) => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_ANSWER_LIMIT, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
