//! A disk for tests, as unkind as real ones: what was not flushed may be there after a crash, or not, or half of it;
//! it may be full; and a flush that failed may have forgotten what it was to write, while reads still show it.

use std::io::{Error, ErrorKind};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Default)]
struct State {
    /// What a reader sees: the page cache.
    seen: Vec<u8>,
    /// What is on the medium.
    durable: Vec<u8>,
    /// Written since the last flush.
    dirty: Vec<Range<usize>>,
    /// Operations until one fails; none: never.
    fails_after: Option<u64>,
    failure: Option<ErrorKind>,
    /// Nothing works any more: the process was killed.
    dead: bool,
    rng: Option<fastrand::Rng>,
    written_bytes: u64,
    flushes: u64,
}

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

/// What a database is opened on.
#[derive(Debug)]
pub(super) struct Backend(Disk);

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().rng = Some(fastrand::Rng::with_seed(seed));
        disk
    }

    pub(super) fn backend(&self) -> Backend {
        Backend(self.clone())
    }

    /// The operation after `operations` further ones fails, once. Writes, flushes and changes of length count.
    pub(super) fn fail_after(&self, operations: u64, failure: ErrorKind) {
        let mut state = self.0.lock().unwrap();
        state.fails_after = Some(operations);
        state.failure = Some(failure);
    }

    /// The process is gone: open databases find nothing more to write to. What a new process, or after a power loss
    /// another kernel, finds is on the disk that this returns.
    pub(super) fn crash(&self, power_loss: bool) -> Self {
        let mut state = self.0.lock().unwrap();
        state.dead = true;
        let mut image = if power_loss { state.durable.clone() } else { state.seen.clone() };
        if power_loss {
            state.keep_some(&mut image);
        }
        let next = Self::new(state.random());
        let mut after = next.0.lock().unwrap();
        after.durable.clone_from(&if power_loss { image.clone() } else { state.durable.clone() });
        after.dirty = if power_loss { Vec::new() } else { state.dirty.clone() };
        after.seen = image;
        drop(after);
        next
    }

    /// Bytes written, and flushes.
    pub(super) fn work(&self) -> (u64, u64) {
        let state = self.0.lock().unwrap();
        (state.written_bytes, state.flushes)
    }
}

impl State {
    fn random(&mut self) -> u64 {
        self.rng.as_mut().map_or(0, |rng| rng.u64(..))
    }

    /// Each dirty sector reaches the medium, or does not.
    fn keep_some(&mut self, medium: &mut Vec<u8>) {
        medium.resize(self.seen.len(), 0);
        for range in std::mem::take(&mut self.dirty) {
            let mut start = range.start;
            while start < range.end {
                let end = ((start / SECTOR + 1) * SECTOR).min(range.end).min(self.seen.len());
                if end <= start {
                    break;
                }
                if self.random().is_multiple_of(2) {
                    medium[start..end].copy_from_slice(&self.seen[start..end]);
                }
                start = end;
            }
        }
    }

    fn operate(&mut self) -> Result<(), Error> {
        if self.dead {
            return Err(Error::other("the process was killed"));
        }
        match &mut self.fails_after {
            None => Ok(()),
            Some(0) => {
                self.fails_after = None;
                Err(self.failure.unwrap_or(ErrorKind::Other).into())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Backend {
    pub(super) fn is_empty(&self) -> bool {
        self.0.0.lock().unwrap().seen.is_empty()
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.0.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.0.0.lock().unwrap();
        let start = offset as usize;
        let bytes = state.seen.get(start..start + out.len()).ok_or(Error::from(ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        let mut state = self.0.0.lock().unwrap();
        state.operate()?;
        state.seen.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.0.0.lock().unwrap();
        state.flushes += 1;
        if let Err(error) = state.operate() {
            // As Linux does: the pages are clean from now on, whether they were written or not.
            let mut medium = std::mem::take(&mut state.durable);
            state.keep_some(&mut medium);
            state.durable = medium;
            return Err(error);
        }
        let State { seen, durable, dirty, .. } = &mut *state;
        durable.resize(seen.len(), 0);
        for range in dirty.drain(..) {
            let range = range.start.min(seen.len())..range.end.min(seen.len());
            durable[range.clone()].copy_from_slice(&seen[range]);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut state = self.0.0.lock().unwrap();
        state.written_bytes += data.len() as u64;
        state.operate()?;
        let start = offset as usize;
        let end = start + data.len();
        if state.seen.len() < end {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        state.seen[start..end].copy_from_slice(data);
        state.dirty.push(start..end);
        Ok(())
    }
}
