//! A request and its answer as those see them who carry them: bytes, and what is known of every request.
//!
//! What is here is compiled anew for each request, so it is only what has to be: from its fields to bytes, and back.
//! Waiting, versions, errors and the check of an answer are the same for all, and are compiled once.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::Decodable;

use super::api::{Api, RequestKind};
use super::error::ErrorKind;

/// Something to ask a broker that takes its answer in. It can be asked again, in another version, too.
pub(super) trait Question: Send {
    /// Which request it is.
    fn kind(&self) -> &'static RequestKind;
    /// The request's body.
    fn encode(&self, version: i16) -> Result<BytesMut, ErrorKind>;
    /// Takes in the body of the answer.
    fn decode(&mut self, body: Bytes, version: i16) -> Result<(), ErrorKind>;
}

/// Builds a request for a version of it.
pub(in crate::kafka) type Build<'a, R> = &'a (dyn Fn(i16) -> R + Sync);

/// A question that is built for the version that a broker speaks.
pub(super) struct Asked<'a, R: Api> {
    build: Build<'a, R>,
    /// Empty until it came.
    pub(super) answer: R::Answer,
}

impl<'a, R: Api> Asked<'a, R> {
    pub(super) fn new(build: Build<'a, R>) -> Self {
        Self { build, answer: R::Answer::default() }
    }
}

impl<R: Api> Question for Asked<'_, R> {
    fn kind(&self) -> &'static RequestKind {
        R::KIND
    }

    fn encode(&self, version: i16) -> Result<BytesMut, ErrorKind> {
        encode(&(self.build)(version), version)
    }

    fn decode(&mut self, body: Bytes, version: i16) -> Result<(), ErrorKind> {
        self.answer = decode::<R>(body, version)?;
        Ok(())
    }
}

/// The body of `request`.
pub(super) fn encode<R: Api>(request: &R, version: i16) -> Result<BytesMut, ErrorKind> {
    let mut body = BytesMut::new();
    match request.encode(&mut body, version) {
        Ok(()) => Ok(body),
        Err(error) => Err(unsayable(version, &error)),
    }
}

/// Decodes an answer after its structure was checked; nothing may be left over.
pub(super) fn decode<R: Api>(mut body: Bytes, version: i16) -> Result<R::Answer, ErrorKind> {
    R::KIND.check(&body, version)?;
    <R::Answer as Decodable>::decode(&mut body, version).map_err(|error| R::KIND.malformed(version, &error))
}

/// A request has something to say that this version has no field for.
pub(super) fn unsayable(version: i16, error: &dyn Display) -> ErrorKind {
    ErrorKind::Unsupported(format!("cannot be said in version {version}: {error}"))
}

impl RequestKind {
    /// Whether `body` is an answer of this structure.
    fn check(&self, body: &[u8], version: i16) -> Result<(), ErrorKind> {
        self.shape.check(body, version).map_err(|error| self.malformed(version, &error))
    }

    /// An answer cannot be understood.
    pub(super) fn malformed(&self, version: i16, error: &dyn Display) -> ErrorKind {
        ErrorKind::Protocol(format!("its answer to {} version {version} makes no sense: {error}", self.name))
    }
}
