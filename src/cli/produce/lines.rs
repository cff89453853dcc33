//! Lines of an input, each bounded, read by a thread of its own: reading from a terminal or a pipe cannot be interrupted.
//! Knows nothing of what lines mean.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;

use tokio::sync::mpsc;

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;
/// Lines and bytes that are handed over at once.
const CHUNK_LINES: usize = 500;
const CHUNK_BYTES: usize = 512 * 1024;
/// Chunks that may wait.
const CHUNKS: usize = 4;

/// A line without its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Line {
    /// All of it, or as much as the limit lets through.
    pub(in crate::cli) content: Vec<u8>,
    /// Its whole length in bytes.
    pub(in crate::cli) length: usize,
}

impl Line {
    /// Only its beginning was kept.
    pub(in crate::cli) fn is_cut(&self) -> bool {
        self.length > self.content.len()
    }
}

/// The next line; none at the end. The last line needs no end. Of one that is longer than `limit` bytes, the rest is
/// read and forgotten.
pub(in crate::cli) fn next_line(input: &mut impl BufRead, limit: usize) -> io::Result<Option<Line>> {
    let mut content = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if input.by_ref().take(most).read_until(b'\n', &mut content)? == 0 {
        return Ok(None);
    }
    let mut length = content.len();
    if content.last() == Some(&b'\n') {
        content.pop();
        length = content.len();
    } else if length > limit {
        content.truncate(limit);
        // The end of the line counts as one byte of it: nobody needs the length of so long a line that exactly.
        length = length.saturating_add(input.skip_until(b'\n')?);
    }
    Ok(Some(Line { content, length }))
}

/// Reads `input` in a thread, in chunks that hold all that is there: the first line of a slow input does not wait for
/// the second. The thread ends with the input, at an error, or when the receiver is gone and a line comes.
pub(super) fn read_in_background(
    input: impl Read + Send + 'static,
    limit: usize,
) -> io::Result<mpsc::Receiver<io::Result<Vec<Line>>>> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let mut input = BufReader::with_capacity(BUFFER, input);
    thread::Builder::new().name("lines".to_owned()).spawn(move || {
        while let Some(chunk) = next_chunk(&mut input, limit).transpose() {
            let ended = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || ended {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Waits for one line, and takes those that came with it.
fn next_chunk(input: &mut BufReader<impl Read>, limit: usize) -> io::Result<Option<Vec<Line>>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0_usize);
    while chunk.is_empty() || (!input.buffer().is_empty() && chunk.len() < CHUNK_LINES && bytes < CHUNK_BYTES) {
        match next_line(input, limit)? {
            Some(line) => {
                bytes = bytes.saturating_add(line.content.len());
                chunk.push(line);
            }
            None => break,
        }
    }
    Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8], limit: usize) -> Vec<(String, usize)> {
        let mut lines = Vec::new();
        while let Some(Line { content, length }) = next_line(&mut input, limit).expect("a line") {
            lines.push((String::from_utf8(content).expect("text"), length));
        }
        lines
    }

    #[test]
    fn lines_end_at_a_line_feed_and_the_last_needs_none() {
        let found = lines(b"one\n\ntwo\r\nlast", 100);
        let expected = [("one", 3), ("", 0), ("two\r", 4), ("last", 4)];
        assert_eq!(found, expected.map(|(text, length)| (text.to_owned(), length)));
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
        for (rule, input, cut) in [
            ("just at the limit", "abcd\nnext\n", false),
            ("one byte beyond", "abcde\nnext\n", true),
            ("far beyond", "abcdefghijklmnop\nnext\n", true),
        ] {
            let mut input = input.as_bytes();
            let first = next_line(&mut input, 4).expect("no error").expect("a line");
            assert_eq!((first.content.as_slice(), first.is_cut()), (&b"abcd"[..], cut), "{rule}");
            let next = next_line(&mut input, 4).expect("no error").expect("a line");
            assert_eq!(next, Line { content: b"next".to_vec(), length: 4 }, "{rule}");
        }
        assert_eq!(lines(b"abcdefgh", 4), [("abcd".to_owned(), 8)], "the last line without an end");
    }

    #[test]
    fn what_is_there_comes_at_once_and_what_is_not_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let mut received = read_in_background(reader, 100).expect("a thread");
        let mut chunk = || received.blocking_recv().map(|chunk| chunk.expect("lines").len());
        io::Write::write_all(&mut writer, b"one\n").expect("written");
        assert_eq!(chunk(), Some(1), "while the pipe is open");
        io::Write::write_all(&mut writer, b"two\nthree\n").expect("written");
        assert_eq!(chunk(), Some(2));
        drop(writer);
        assert_eq!(chunk(), None);
    }
}
