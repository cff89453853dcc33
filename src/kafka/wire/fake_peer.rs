//! A peer for tests, on a real socket: it answers what it is told to, however wrong.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::schema::{ClusterSettings, HostPort};

/// A request as the peer sees it.
pub(crate) struct Asked {
    /// Which request.
    pub(crate) key: i16,
    /// In which version.
    pub(crate) version: i16,
    /// To be repeated in the answer.
    pub(crate) correlation_id: i32,
    /// What follows the header.
    pub(crate) body: Bytes,
    /// How many connections there were, this one included.
    pub(crate) connection: usize,
}

/// What the peer does about it.
pub(crate) enum Deed {
    /// Answers properly, with this body.
    Answer(Vec<u8>),
    /// Answers with header version 1: tagged fields (none) before the body.
    FlexibleAnswer(Vec<u8>),
    /// Sends these bytes, whatever they are.
    Raw(Vec<u8>),
    /// Sends these bytes in pieces of this size, with a pause after each.
    Drip(Vec<u8>, usize, Duration),
    /// Nothing.
    Silence,
    /// Hangs up.
    Close,
}

/// A peer that does `deed` for each request, until the test ends.
pub(crate) async fn peer(deed: impl Fn(Asked) -> Deed + Clone + Send + Sync + 'static) -> HostPort {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        let mut connections = 0;
        while let Ok((stream, _)) = listener.accept().await {
            connections += 1;
            tokio::spawn(serve(stream, deed.clone(), connections));
        }
    });
    HostPort { host: "127.0.0.1".to_owned(), port }
}

async fn serve(mut stream: TcpStream, deed: impl Fn(Asked) -> Deed, connection: usize) -> std::io::Result<()> {
    loop {
        let length = usize::try_from(stream.read_i32().await?).expect("a client sends proper frames");
        let mut frame = vec![0; length];
        stream.read_exact(&mut frame).await?;
        let mut frame = Bytes::from(frame);
        let (key, version) = (frame.slice(0..2).get_i16(), frame.slice(2..4).get_i16());
        let flexible =
            kafka_protocol::messages::ApiKey::try_from(key).map_or(1, |key| key.request_header_version(version));
        let header = RequestHeader::decode(&mut frame, flexible).expect("a header");
        let correlation_id = header.correlation_id;
        match deed(Asked { key, version, correlation_id, body: frame, connection }) {
            Deed::Answer(body) => stream.write_all(&framed(correlation_id, &[], &body)).await?,
            Deed::FlexibleAnswer(body) => stream.write_all(&framed(correlation_id, &[0], &body)).await?,
            Deed::Raw(bytes) => stream.write_all(&bytes).await?,
            Deed::Drip(bytes, size, pause) => {
                for piece in bytes.chunks(size) {
                    stream.write_all(piece).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Deed::Silence => {}
            Deed::Close => return Ok(()),
        }
    }
}

/// A whole frame.
pub(crate) fn framed(correlation_id: i32, tags: &[u8], body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(4 + tags.len() + body.len()).expect("short");
    [&length.to_be_bytes(), &correlation_id.to_be_bytes(), tags, body].concat()
}

/// The bytes of `message`.
pub(crate) fn encoded(message: &impl Encodable, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).expect("a message that this version can say");
    bytes.to_vec()
}

/// A proper answer to ApiVersions: the peer speaks `ranges`.
pub(crate) fn api_versions(asked: &Asked, ranges: &[(i16, i16, i16)]) -> Deed {
    let keys = ranges
        .iter()
        .map(|&(key, min, max)| ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max));
    Deed::Answer(encoded(&ApiVersionsResponse::default().with_api_keys(keys.collect()), asked.version))
}

/// A cluster that consists of `servers`.
pub(crate) fn cluster(servers: &[&HostPort], limit: Duration) -> ClusterSettings {
    ClusterSettings {
        name: "default".to_owned(),
        bootstrap_servers: servers.iter().map(|server| (*server).clone()).collect(),
        client_id: "barnabas".to_owned(),
        request_timeout: limit,
        addresses: litemap::LiteMap::new(),
        tls: None,
        sasl: None,
    }
}
