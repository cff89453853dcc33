//! The documents in offsets.redb: small texts by kind and key, for whoever has to remember more than offsets (alerts,
//! silences, what was told over which channel, notices that still have to be sent).
//!
//! What they say is their owners' business: here they are texts that are kept whole, with a checksum, and not written
//! again where they are the same.

use redb::{ReadTransaction, WriteTransaction};

use super::codec::{Decoder, Encoder, Malformed};
use super::error::{Fault, StateError};
use super::file::Change;
use super::key::{Key, decode_key};
use super::table::{Rows, Table};

/// By kind and key.
pub(super) const DOCUMENTS: Table = Table::named("documents");

/// The largest document, in bytes. All of a kind are read at once, and a store writes whole documents.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The largest key, in bytes: names of topics and groups stand in it, and a group's may have 32 KiB.
pub const MAX_KEY_BYTES: usize = 64 * 1024;
/// How much of a refused key an error repeats, in characters.
const SHOWN_KEY: usize = 80;

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// An alert that is pending or firing.
    Alert,
    /// A silence that a person asked for.
    Silence,
    /// What was last told over a channel.
    Channel,
    /// A notice that its channel has not taken yet.
    Notice,
}

impl DocumentKind {
    /// Part of the key on disk.
    fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Silence => "silence",
            Self::Channel => "channel",
            Self::Notice => "notice",
        }
    }
}

/// What is to become of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChange {
    /// What it is about.
    pub kind: DocumentKind,
    /// Which one of its kind; at most [`MAX_KEY_BYTES`].
    pub key: String,
    /// What it says from now on, at most [`MAX_DOCUMENT_BYTES`]; none: it is deleted. One that is not there is no error.
    pub document: Option<String>,
}

impl DocumentChange {
    /// # Errors
    /// Key or document is too large.
    pub(super) fn check(&self) -> Result<(), StateError> {
        let refused = |what: &str, bytes: usize, most: usize| {
            let key: String = self.key.chars().take(SHOWN_KEY).collect();
            let kind = self.kind.name();
            Err(StateError::Refused(format!("the {what} of {kind} {key:?} has {bytes} bytes; the most is {most}")))
        };
        let document = self.document.as_ref().map_or(0, String::len);
        if self.key.len() > MAX_KEY_BYTES {
            refused("key", self.key.len(), MAX_KEY_BYTES)
        } else if document > MAX_DOCUMENT_BYTES {
            refused("document", document, MAX_DOCUMENT_BYTES)
        } else {
            Ok(())
        }
    }
}

/// In their order; of two changes to one document the later one stays.
pub(super) fn apply(transaction: &WriteTransaction, changes: &[DocumentChange]) -> Result<Change, Fault> {
    let mut table = DOCUMENTS.writer(transaction)?;
    let mut made = Change::None;
    for DocumentChange { kind, key, document } in changes {
        let key = Key::new().text(kind.name()).text(key);
        let changed = match document {
            None => table.remove(&key)?.is_some(),
            Some(document) => {
                let row = encode(document);
                let differs = table.get(&key)?.is_none_or(|stored| stored.value() != row);
                if differs {
                    table.insert(&key, &row)?;
                }
                differs
            }
        };
        made = made.or(if changed { Change::Made } else { Change::None });
    }
    Ok(made)
}

/// All of a kind: keys and documents, in the order of the keys.
pub(super) fn of_kind(transaction: &ReadTransaction, kind: DocumentKind) -> Result<Vec<(String, String)>, Fault> {
    let mut documents = Vec::new();
    for row in DOCUMENTS.reader(transaction)?.rows(Key::new().text(kind.name()))? {
        let (key, value) = row?;
        let (_, key) = decode_key(key.value(), |key| Ok((key.text()?, key.text()?)))?;
        documents.push((key, decode(value.value())?));
    }
    Ok(documents)
}

fn encode(document: &str) -> Vec<u8> {
    let mut row = Encoder::with_capacity(document.len().saturating_add(4));
    row.bytes(document.as_bytes());
    row.finish()
}

fn decode(row: &[u8]) -> Result<String, Malformed> {
    let mut row = Decoder::new(row)?;
    let document = row.text()?.to_owned();
    row.finish()?;
    Ok(document)
}
