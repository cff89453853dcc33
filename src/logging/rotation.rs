//! The log file: appended to, rotated by size (file, file.1, file.2, …), and never a reason to stop. What cannot be
//! written to it goes to standard error, counted. Knows lines of bytes, and nothing of what they say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::logic::moment::Moment;

/// How long a file that cannot be written is left alone.
const REOPEN_AFTER: Duration = Duration::from_secs(5);

/// Where a line went.
#[derive(Debug)]
pub enum Written {
    /// Into the file.
    ToFile,
    /// Into the file again, after so many lines had to go elsewhere.
    Recovered(u64),
    /// Not into the file, which has just failed: say so once.
    Failed(io::Error),
    /// Not into the file, which failed a while ago.
    StillFailed,
}

/// A log file of bounded size.
#[derive(Debug)]
pub struct RotatedFile {
    path: PathBuf,
    max_size: u64,
    keep_files: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Open {
        file: File,
        size: u64,
    },
    /// Lines have been going elsewhere, `diverted` of them; the next attempt is made at `retry_at`.
    Failed {
        diverted: u64,
        retry_at: Moment,
    },
}

impl RotatedFile {
    /// The file at `path`, rotated before it exceeds `max_size` bytes; `keep_files` older ones are kept. It is opened
    /// with the first line.
    pub fn new(path: PathBuf, max_size: u64, keep_files: u32) -> Self {
        Self { path, max_size, keep_files, state: State::Failed { diverted: 0, retry_at: Moment::default() } }
    }

    /// Appends a line, which carries its own line end.
    pub fn write(&mut self, line: &[u8], now: Moment) -> Written {
        let was_diverted = match self.state {
            State::Open { .. } => 0,
            State::Failed { diverted, retry_at } if diverted > 0 && now < retry_at => {
                self.state = State::Failed { diverted: diverted.saturating_add(1), retry_at };
                return Written::StillFailed;
            }
            State::Failed { diverted, .. } => diverted,
        };
        match self.append(line) {
            Ok(()) if was_diverted == 0 => Written::ToFile,
            Ok(()) => Written::Recovered(was_diverted),
            Err(error) => {
                self.state = State::Failed { diverted: was_diverted.saturating_add(1), retry_at: now + REOPEN_AFTER };
                if was_diverted == 0 { Written::Failed(error) } else { Written::StillFailed }
            }
        }
    }

    /// Opens the file anew with the next line: somebody else may have moved it away (logrotate).
    pub fn reopen(&mut self) {
        if let State::Open { .. } = self.state {
            self.state = State::Failed { diverted: 0, retry_at: Moment::default() };
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let (mut file, mut size) =
            match std::mem::replace(&mut self.state, State::Failed { diverted: 0, retry_at: Moment::default() }) {
                State::Open { file, size } => (file, size),
                State::Failed { .. } => open(&self.path)?,
            };
        if size > 0 && size.saturating_add(length) > self.max_size {
            drop(file);
            rotate(&self.path, self.keep_files)?;
            (file, size) = open(&self.path)?;
        }
        if let Err(error) = file.write_all(line) {
            // Half a line would run into the next one. What cannot be cut off stays: there is nobody left to tell.
            let _ = file.set_len(size);
            return Err(error);
        }
        self.state = State::Open { file, size: size.saturating_add(length) };
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// file.2 → file.3, file.1 → file.2, file → file.1; each a rename, so that no line is ever in two files or none.
fn rotate(path: &Path, keep_files: u32) -> io::Result<()> {
    if keep_files == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep_files).rev() {
        match fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn files_are_rotated_by_size_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = RotatedFile::new(path.clone(), 8, 2);
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "a line beyond the limit\n", "six\n"] {
            assert!(matches!(log.write(line.as_bytes(), later(0)), Written::ToFile), "{line}");
        }
        assert_eq!(content(&path), "six\n");
        assert_eq!(content(&numbered(&path, 1)), "a line beyond the limit\n");
        assert_eq!(content(&numbered(&path, 2)), "five\n");
        assert!(!numbered(&path, 3).exists());
    }

    #[test]
    fn a_restart_goes_on_in_the_same_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        RotatedFile::new(path.clone(), 8, 1).write(b"one\n", later(0));
        let mut log = RotatedFile::new(path.clone(), 8, 1);
        log.write(b"two\n", later(0));
        assert_eq!(content(&path), "one\ntwo\n");
        log.write(b"three\n", later(0));
        assert_eq!(content(&path), "three\n", "what was there before counts");
    }

    #[test]
    fn no_older_file_is_kept_where_none_is_wanted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = RotatedFile::new(path.clone(), 4, 0);
        log.write(b"one\n", later(0));
        log.write(b"two\n", later(0));
        assert_eq!(content(&path), "two\n");
        assert!(!numbered(&path, 1).exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_tried_again_later_and_the_lines_meanwhile_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing").join("log");
        let mut log = RotatedFile::new(path.clone(), 100, 1);
        assert!(matches!(log.write(b"1\n", later(0)), Written::Failed(_)), "said once");
        assert!(matches!(log.write(b"2\n", later(1)), Written::StillFailed));
        fs::create_dir(folder.path().join("missing")).expect("a folder");
        assert!(matches!(log.write(b"3\n", later(2)), Written::StillFailed), "left alone for a while");
        assert!(matches!(log.write(b"4\n", later(6)), Written::Recovered(3)));
        assert!(matches!(log.write(b"5\n", later(6)), Written::ToFile));
        assert_eq!(content(&path), "4\n5\n");
    }

    #[test]
    fn a_full_disk_is_survived() {
        // /dev/full answers every write with ENOSPC.
        let mut log = RotatedFile::new(PathBuf::from("/dev/full"), 100, 1);
        let Written::Failed(error) = log.write(b"1\n", later(0)) else { panic!("the disk is full") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(matches!(log.write(b"2\n", later(10)), Written::StillFailed));
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = RotatedFile::new(path.clone(), 100, 1);
        log.write(b"one\n", later(0));
        fs::rename(&path, folder.path().join("taken")).expect("renamed");
        log.reopen();
        assert!(matches!(log.write(b"two\n", later(0)), Written::ToFile));
        assert_eq!(content(&path), "two\n");
    }
}
