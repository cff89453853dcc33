//! Frames of the Kafka protocol: four bytes of length, then a header, then the body.
//!
//! A length is believed only after it was compared with what the request may be answered with, and room is made only
//! as bytes arrive: a peer that announces 100 MB and sends nothing costs nothing. Time limits live here too, because
//! they depend on what arrived.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::api::RequestKind;
use super::error::ErrorKind;
use super::question::unsayable;
use crate::clock;
use crate::tls;

/// A slow line may take longer than the request's limit over a large answer, but not slower than this.
const LEAST_BYTES_PER_SECOND: u64 = 32 * 1024;
/// Room for most answers.
const FIRST_ROOM: usize = 4 * 1024;

/// A request's `body` with its header and length, ready to be written.
pub(super) fn encode(
    kind: &RequestKind,
    version: i16,
    correlation_id: i32,
    client_id: &str,
    body: &[u8],
) -> Result<Bytes, ErrorKind> {
    let header = RequestHeader::default()
        .with_request_api_key(kind.key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    let mut head = BytesMut::new();
    header.encode(&mut head, (kind.request_header)(version)).map_err(|error| unsayable(version, &error))?;
    let length = i32::try_from(head.len().saturating_add(body.len()))
        .map_err(|_| ErrorKind::Unsupported("the request is larger than a frame can be".to_owned()))?;
    Ok(Bytes::from([&length.to_be_bytes()[..], &head, body].concat()))
}

/// The reading side of a connection: the socket and what was read ahead.
pub(super) struct Inbox<S> {
    socket: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + Unpin> Inbox<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, buffer: BytesMut::new() }
    }

    /// Waits until the peer closes or sends something unasked; either ends an idle connection.
    pub(super) async fn ended(&mut self) -> ErrorKind {
        if self.buffer.is_empty() {
            match self.read(FIRST_ROOM).await {
                Ok(()) => {}
                Err(error) => return error,
            }
        }
        ErrorKind::Protocol("it sent something that was not asked for".to_owned())
    }

    /// The next frame without its length, of at most `max` bytes, within `limit`.
    ///
    /// # Errors
    /// Timeout when it is not complete in time; Protocol, or Security for a peer that speaks TLS, when the length makes
    /// no sense; Closed when the peer closes first.
    pub(super) async fn frame(&mut self, max: usize, limit: Duration) -> Result<Bytes, ErrorKind> {
        let began = clock::now();
        let mut wanted = 4;
        let mut length = None;
        loop {
            if let (None, Some(prefix)) = (length, self.buffer.first_chunk::<4>()) {
                let checked = frame_length(*prefix, max)?;
                self.buffer.advance(4);
                length = Some(checked);
                wanted = checked;
            }
            if length.is_some() && self.buffer.len() >= wanted {
                return Ok(self.take(wanted));
            }
            let arrived = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
            let allowed = limit.saturating_add(Duration::from_secs(arrived / LEAST_BYTES_PER_SECOND));
            match tokio::time::timeout_at(clock::instant(began + allowed), self.read(wanted)).await {
                Ok(read) => read?,
                Err(_) => return Err(ErrorKind::Timeout(limit)),
            }
        }
    }

    /// The first `length` bytes. What was read beyond them moves to a buffer of its own, else a small frame, or an
    /// idle connection, would keep the memory of the large one before it.
    fn take(&mut self, length: usize) -> Bytes {
        let frame = self.buffer.split_to(length).freeze();
        self.buffer = BytesMut::from(&self.buffer[..]);
        frame
    }

    /// Reads what there is. Room is made for `wanted` bytes in all, but never for more than twice of what arrived.
    async fn read(&mut self, wanted: usize) -> Result<(), ErrorKind> {
        if self.buffer.len() == self.buffer.capacity() {
            let room =
                self.buffer.len().saturating_mul(2).min(wanted).max(self.buffer.len().saturating_add(FIRST_ROOM));
            let mut larger = BytesMut::with_capacity(room);
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        match self.socket.read_buf(&mut self.buffer).await {
            Ok(0) => Err(ErrorKind::Closed("the broker closed it".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }
}

/// The length that a frame announces, if it can be one.
fn frame_length(prefix: [u8; 4], max: usize) -> Result<usize, ErrorKind> {
    let announced = i32::from_be_bytes(prefix);
    match usize::try_from(announced) {
        // A correlation id at least.
        Ok(length) if (4..=max).contains(&length) => Ok(length),
        // A TLS alert: what a TLS port answers to plain text.
        _ if prefix.starts_with(&[0x15, 0x03]) => Err(ErrorKind::Security(
            "this port speaks TLS: set `tls` in the cluster's configuration, or use the plaintext port".to_owned(),
        )),
        _ if &prefix == b"HTTP" => Err(ErrorKind::Protocol("it answers in HTTP; is the port right?".to_owned())),
        _ => {
            Err(ErrorKind::Protocol(format!("it announces an answer of {announced} bytes; at most {max} are expected")))
        }
    }
}

/// What a failed read or write means. TLS hides its reasons in I/O errors.
pub(super) fn broken(error: &io::Error) -> ErrorKind {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => ErrorKind::Security(tls::explain(error)),
        None if error.kind() == io::ErrorKind::UnexpectedEof => ErrorKind::Closed("the broker closed it".to_owned()),
        None => ErrorKind::Closed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::wire::api::Api;
    use kafka_protocol::messages::ListGroupsRequest;

    #[test]
    fn a_request_is_its_length_its_header_and_its_body() {
        let start =
            |length: u8, version: u8| [&[0, 0, 0, length, 0, 16, 0, version, 0, 0, 0, 7, 0, 3][..], b"bob"].concat();
        let cases: [(i16, &[u8], Vec<u8>, &str); 2] = [
            (2, &[], start(13, 2), "key, version, correlation id and client id"),
            (3, &[9], [start(15, 3), vec![0, 9]].concat(), "a flexible version: no tagged fields in the header"),
        ];
        for (version, body, expected, why) in cases {
            let frame = encode(ListGroupsRequest::KIND, version, 7, "bob", body);
            assert_eq!(frame.map(|frame| frame.to_vec()), Ok(expected), "{why}");
        }
    }
}
