//! One connection of Java's remote method protocol (JRMP, stream protocol): greeting, calls, answers, and the
//! acknowledgement of remote objects. Knows no object and no figure.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::error::Reason;
use crate::config::schema::HostPort;
use crate::logic::java_serial::views::{self, Exception};
use crate::logic::java_serial::{Argument, Content, SerialError, Value, read, write_arguments};
use crate::logic::printable::printable_bytes;
use crate::tcp;
use crate::tls;

/// Bytes of one answer. The names of all kinds of requests take 40 KB; an exception with its stack 10 KB.
const MAX_ANSWER: usize = 512 * 1024;

const STREAM_PROTOCOL: [u8; 7] = [b'J', b'R', b'M', b'I', 0, 2, 0x4b];
const PROTOCOL_ACK: u8 = 0x4e;
const CALL: u8 = 0x50;
const RETURN_DATA: u8 = 0x51;
const DGC_ACK: u8 = 0x54;
const NORMAL_RETURN: u8 = 1;
/// What every serialization stream begins with.
const STREAM_HEADER: [u8; 4] = [0xac, 0xed, 0, 5];

trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Socket for S {}

/// The methods that are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `Registry.lookup(String)`.
    Lookup,
    /// `RMIServer.newClient(Object)`.
    NewClient,
    /// `RMIConnection.getAttribute(ObjectName, String, Subject)`.
    GetAttribute,
    /// `RMIConnection.getAttributes(ObjectName, String[], Subject)`.
    GetAttributes,
    /// `RMIConnection.queryNames(ObjectName, MarshalledObject, Subject)`.
    QueryNames,
    /// `RMIConnection.close()`.
    Close,
}

impl Method {
    /// The operation's number and the method's hash. The registry is of the time when methods had numbers.
    fn id(self) -> (i32, i64) {
        match self {
            Self::Lookup => (2, 4_905_912_898_345_647_071),
            Self::NewClient => (-1, -1_089_742_558_549_201_240),
            Self::GetAttribute => (-1, -1_089_783_104_982_388_203),
            Self::GetAttributes => (-1, 6_285_293_806_596_348_999),
            Self::QueryNames => (-1, 9_152_567_528_369_059_802),
            Self::Close => (-1, -4_742_752_445_160_157_748),
        }
    }

    /// Whether a normal answer holds a value.
    fn returns(self) -> bool {
        self != Self::Close
    }

    /// Whether that value is a remote object, whose receipt is to be acknowledged.
    fn returns_remote_object(self) -> bool {
        matches!(self, Self::Lookup | Self::NewClient)
    }
}

/// A call of a remote object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Its id there.
    pub(super) object: [u8; 22],
    /// What is called.
    pub(super) method: Method,
    /// With what.
    pub(super) arguments: &'a [Argument<'a>],
}

impl Call<'_> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let (operation, hash) = self.method.id();
        bytes.push(CALL);
        bytes.extend(STREAM_HEADER);
        bytes.extend([0x77, 34]);
        bytes.extend(self.object);
        bytes.extend(operation.to_be_bytes());
        bytes.extend(hash.to_be_bytes());
        write_arguments(bytes, self.arguments);
    }
}

/// What a call came back with.
#[derive(Debug, PartialEq)]
pub(super) enum Answer<T> {
    /// What it returned.
    Value(T),
    /// What it threw.
    Exception(Exception),
}

/// A greeted connection. After an error it is of no use.
pub(super) struct Link {
    socket: Box<dyn Socket>,
    inbox: Vec<u8>,
}

impl Link {
    /// Connects and greets. `limit` is shared among the name's addresses.
    pub(super) async fn open(
        place: &HostPort,
        tls: Option<(&Arc<ClientConfig>, &ServerName<'static>)>,
        limit: Duration,
    ) -> Result<Self, Reason> {
        let stream = tcp::connect(place, limit).await.map_err(Reason::Connect)?;
        let socket: Box<dyn Socket> = match tls {
            None => Box::new(stream),
            Some((config, name)) => {
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                Box::new(connector.connect(name.clone(), stream).await.map_err(|error| broken(&error))?)
            }
        };
        let mut link = Self { socket, inbox: Vec::new() };
        link.greet().await?;
        Ok(link)
    }

    async fn greet(&mut self) -> Result<(), Reason> {
        self.write(&STREAM_PROTOCOL).await?;
        let first = self.exactly(1).await?;
        if first != [PROTOCOL_ACK] {
            return Err(self.no_rmi(&first).await);
        }
        // What the other side takes us for is what it is told back: it uses it in its log only.
        let length = self.exactly(2).await?;
        let size = length.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        let host = self.exactly(size).await?;
        let _port = self.exactly(4).await?;
        self.write(&[&length[..], &host, &[0; 4]].concat()).await
    }

    /// What it is instead, by its first words.
    async fn no_rmi(&mut self, first: &[u8]) -> Reason {
        if first == [0x15] || first == [0x16] {
            return Reason::NotRmi("the port speaks TLS: set `tls`".to_owned());
        }
        let mut words = [first, self.inbox.as_slice()].concat();
        words.truncate(20);
        // More may come, or not: it is a courtesy only.
        while words.len() < 20
            && let Ok(Ok(byte)) = tokio::time::timeout(Duration::from_millis(200), self.socket.read_u8()).await
        {
            words.push(byte);
        }
        Reason::NotRmi(if words.starts_with(b"HTTP") {
            "it answers in HTTP: if it is Jolokia or the JMX exporter, use an http:// URL".to_owned()
        } else {
            format!("the port is no JMX port: it answers \"{}\"", printable_bytes(&words))
        })
    }

    /// Calls, and reads the answer with `view`.
    pub(super) async fn call<T>(
        &mut self,
        call: &Call<'_>,
        view: fn(&Value) -> Result<T, SerialError>,
    ) -> Result<Answer<T>, Reason> {
        let mut answers = self.call_all(std::slice::from_ref(call), view).await?;
        answers.pop().ok_or(Reason::Closed)
    }

    /// Sends all calls, then reads their answers, which come in the same order. One round trip instead of many; the calls
    /// must fit into a socket's buffer together.
    pub(super) async fn call_all<T>(
        &mut self,
        calls: &[Call<'_>],
        view: fn(&Value) -> Result<T, SerialError>,
    ) -> Result<Vec<Answer<T>>, Reason> {
        let mut bytes = Vec::new();
        for call in calls {
            call.encode(&mut bytes);
        }
        self.write(&bytes).await?;
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            let reply = self.reply(call.method, view).await?;
            if call.method.returns_remote_object() && matches!(reply.answer, Answer::Value(_)) {
                self.write(&[&[DGC_ACK], &reply.id[..]].concat()).await?;
            }
            answers.push(reply.answer);
        }
        Ok(answers)
    }

    async fn reply<T>(
        &mut self,
        method: Method,
        view: fn(&Value) -> Result<T, SerialError>,
    ) -> Result<Reply<T>, Reason> {
        loop {
            match Reply::parse(&self.inbox, method, view) {
                Ok((reply, length)) => {
                    self.inbox.drain(..length.min(self.inbox.len()));
                    return Ok(reply);
                }
                Err(SerialError::Incomplete) if self.inbox.len() < MAX_ANSWER => self.more().await?,
                Err(SerialError::Incomplete) => {
                    return Err(Reason::Malformed(SerialError::Limit("its bytes").to_string()));
                }
                Err(error) => return Err(Reason::Malformed(error.to_string())),
            }
        }
    }

    // --- bytes ---

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        let write = async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        };
        write.await.map_err(|error| broken(&error))
    }

    async fn more(&mut self) -> Result<(), Reason> {
        let mut chunk = [0; 8192];
        let count = self.socket.read(&mut chunk).await.map_err(|error| broken(&error))?;
        if count == 0 {
            return Err(Reason::Closed);
        }
        self.inbox.extend(chunk.iter().take(count));
        Ok(())
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Reason> {
        while self.inbox.len() < count {
            self.more().await?;
        }
        Ok(self.inbox.drain(..count).collect())
    }
}

/// An answer and its id.
#[derive(Debug, PartialEq)]
struct Reply<T> {
    id: [u8; 14],
    answer: Answer<T>,
}

impl<T> Reply<T> {
    /// The reply at the beginning of `bytes`, and its length.
    fn parse(
        bytes: &[u8],
        method: Method,
        view: fn(&Value) -> Result<T, SerialError>,
    ) -> Result<(Self, usize), SerialError> {
        const NO_REPLY: SerialError = SerialError::Malformed("no answer to a call");
        let (first, stream) = bytes.split_first().ok_or(SerialError::Incomplete)?;
        if *first != RETURN_DATA {
            return Err(NO_REPLY);
        }
        let head = |contents: &[Content]| match contents.first() {
            Some(Content::Block(block)) => block.split_first_chunk::<1>().map(|([kind], id)| (*kind, id.to_vec())),
            _ => None,
        };
        let stream = read(stream, |contents| match head(contents) {
            Some((NORMAL_RETURN, _)) if !method.returns() => true,
            Some(_) => contents.len() >= 2,
            None => !contents.is_empty(),
        })?;
        let (kind, id) = head(&stream.contents).ok_or(NO_REPLY)?;
        let id = id.try_into().map_err(|_| NO_REPLY)?;
        let value = match stream.contents.get(1) {
            Some(Content::Value(value)) => value,
            None if !method.returns() => &Value::Null,
            _ => return Err(NO_REPLY),
        };
        let answer = match kind {
            NORMAL_RETURN => Answer::Value(view(value)?),
            _ => Answer::Exception(views::exception(value)?),
        };
        Ok((Self { id, answer }, stream.length + 1))
    }
}

/// What an error of the socket means. A peer that does not speak TLS is told apart, since the registry may not.
fn broken(error: &io::Error) -> Reason {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error @ rustls::Error::InvalidMessage(_)) => Reason::NotRmi(tls::explain(error)),
        Some(error) => Reason::Tls(tls::explain(error)),
        None => match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Reason::Closed,
            _ => Reason::Connect(error.to_string()),
        },
    }
}
