//! A storage for small databases that is verified whole each time it is opened, and that has its room on the disk.
//!
//! redb trusts a file that was closed properly: it loads the list of free pages without looking at checksums, and a
//! bit that flipped there makes it panic, or reuse a page that is in use. A file that was not closed properly it
//! walks and verifies. So this storage stops taking writes before the database is closed, and every opening is one
//! after a crash; for a file of some hundred kilobytes that takes milliseconds.
//!
//! It grows by writing zeros, so that a full disk is met when the file grows and not in the middle of a store.

use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

/// How much is written at a time when the file grows, in bytes.
const ZEROS: u64 = 64 * 1024;

/// The storage, around the file itself. It takes no locks on the file: the directory's lock covers it.
#[derive(Debug)]
pub(super) struct Verified<B> {
    inner: B,
    closing: Arc<AtomicBool>,
}

impl<B> Verified<B> {
    /// Once `closing` is set, nothing is written any more.
    pub(super) fn new(inner: B, closing: Arc<AtomicBool>) -> Self {
        Self { inner, closing }
    }

    fn refuse_while_closing(&self) -> Result<(), Error> {
        if self.closing.load(Ordering::Acquire) { Err(Error::other("the state is being closed")) } else { Ok(()) }
    }
}

impl<B: StorageBackend> StorageBackend for Verified<B> {
    fn len(&self) -> Result<u64, Error> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.refuse_while_closing()?;
        let mut end = self.inner.len()?;
        self.inner.set_len(len)?;
        let mut zeros = Vec::new();
        while end < len {
            // Never longer than ZEROS, so it fits into any usize.
            zeros.resize((len - end).min(ZEROS) as usize, 0);
            self.inner.write(end, &zeros)?;
            end = end.saturating_add(zeros.len() as u64);
        }
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.refuse_while_closing()?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.refuse_while_closing()?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }
}
