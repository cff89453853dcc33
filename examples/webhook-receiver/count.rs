//! Counts requests and answers them all alike, for the benchmarks: what a request costs here is missing to what is
//! being measured. A thread for each connection, which also makes the delay exact (a runtime's timer rounds up to
//! milliseconds).
//!
//! Reads as much of HTTP/1.1 as the clients of the benchmarks write. Knows no script and no TLS.

#![allow(clippy::indexing_slicing, reason = "a tool for measuring: the bounds are those of its own buffers")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::record::Record;

const ACCEPTED: &str = "{\"code\":0}";

/// A head must fit, and some of the body behind it.
const BUFFER_SIZE: usize = 32 * 1024;
const LONGEST_HEAD: usize = BUFFER_SIZE / 2;

/// Serves connections for ever. `GET /_stats` is the only request that is not counted.
pub(crate) fn serve_all(listener: &TcpListener, record: Record, delay: Duration) -> ! {
    let record = Arc::new(Mutex::new(record));
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let record = Arc::clone(&record);
                // However a connection ends, somebody wanted it so.
                thread::spawn(move || serve(stream, &record, delay).unwrap_or_default());
            }
            Err(error) => {
                // Out of file descriptors, most likely: some connection will end.
                eprintln!("webhook-receiver: accept: {error}");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn serve(mut stream: TcpStream, record: &Mutex<Record>, delay: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut connected = false;
    while let Some((head_length, filled)) = read_head(&mut stream, &mut buffer)? {
        let (head, rest) = buffer.split_at_mut(head_length);
        let head = Head::parse(head)?;
        if head.is_for_stats {
            let stats = serde_json::to_string(&lock(record).stats())?;
            answer(&mut stream, &stats)?;
            continue;
        }
        skip(&mut stream, rest, head.content_length.saturating_sub(filled - head_length))?;
        {
            let mut record = lock(record);
            // Who asks for the statistics alone is no client.
            if !std::mem::replace(&mut connected, true) {
                record.connected();
            }
            record.began();
            record.took(head.idempotency_key, head.content_length);
        }
        thread::sleep(delay);
        {
            let mut record = lock(record);
            record.counted(Some(200));
            record.ended();
        }
        answer(&mut stream, ACCEPTED)?;
    }
    Ok(())
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes())
}

/// The length of the next request's head, and how many bytes of the request have been read; none: there is no further
/// request.
fn read_head(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<(usize, usize)>> {
    let mut filled = 0_usize;
    loop {
        let searched = filled.saturating_sub(3);
        // Without room nothing is read, which looks like the end of a request that is too long.
        filled += match stream.read(buffer.get_mut(filled..LONGEST_HEAD).unwrap_or_default())? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        let new = buffer.get(searched..filled).unwrap_or_default();
        if let Some(end) = new.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(Some((searched + end + 4, filled)));
        }
    }
}

fn skip(stream: &mut TcpStream, scratch: &mut [u8], mut bytes: usize) -> io::Result<()> {
    while bytes > 0 {
        let room = bytes.min(scratch.len());
        bytes -= match stream.read(scratch.get_mut(..room).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
    }
    Ok(())
}

struct Head<'a> {
    is_for_stats: bool,
    content_length: usize,
    idempotency_key: &'a str,
}

impl<'a> Head<'a> {
    fn parse(head: &'a [u8]) -> io::Result<Self> {
        let text = std::str::from_utf8(head).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n");
        let is_for_stats = lines.next().is_some_and(|request| request.starts_with("GET /_stats "));
        let mut parsed = Self { is_for_stats, content_length: 0, idempotency_key: "" };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                parsed.content_length = value.trim().parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("idempotency-key") {
                parsed.idempotency_key = value.trim();
            }
        }
        Ok(parsed)
    }
}
