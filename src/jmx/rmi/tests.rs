//! The client against peers that a real JVM would never be: each connection is scripted.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{JmxSettings, Reason, Source, Step};

/// A listener that reads a little, says `words` and then waits; gives its URL.
async fn peer(words: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("jmx://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let words = words.clone();
            tokio::spawn(async move {
                let _ = socket.read_u8().await;
                let _ = socket.write_all(&words).await;
                let mut sink = [0; 1024];
                while matches!(socket.read(&mut sink).await, Ok(1..)) {}
            });
        }
    });
    url
}

fn settings(url: &str) -> JmxSettings {
    JmxSettings {
        broker: None,
        url: url.to_owned(),
        username: None,
        password: None,
        tls: None,
        timeout: Duration::from_secs(1),
    }
}

#[tokio::test]
async fn a_peer_that_is_no_jvm_is_told_by_its_first_words() {
    let greeting = b"\x4e\0\x01x\0\0\0\x01";
    let endless =
        [&greeting[..], b"\x51\xac\xed\0\x05\x77\x0f\x01", &[0; 14], b"\x7a\0\x07\xff\xff", &[0; 600_000]].concat();
    for (rule, words, step, expected) in [
        ("HTTP", b"HTTP/1.1 400 Bad Request".to_vec(), Step::Registry, "use an http:// URL"),
        ("TLS", b"\x15\x03\x03\0\x02\x02\x28".to_vec(), Step::Registry, "set `tls`"),
        ("words are escaped", b"SSH-2.0\x1b[2J\r\n".to_vec(), Step::Registry, "SSH-2.0\\x1b[2J"),
        ("nothing", Vec::new(), Step::Registry, "no answer within 1s"),
        ("a greeting alone", greeting.to_vec(), Step::Lookup, "no answer within 1s"),
        ("no answer to a call", [&greeting[..], b"\x53"].concat(), Step::Lookup, "makes no sense"),
        ("an answer without end", endless, Step::Lookup, "makes no sense"),
    ] {
        let mut source = Source::new(&settings(&peer(words).await), "x").unwrap();
        let error = source.read().await.expect_err(rule);
        assert_eq!(error.step, step, "{rule}: {error}");
        assert!(error.to_string().contains(expected), "{rule}: {error}");
    }
}

#[tokio::test]
async fn a_reading_can_be_moved_to_another_thread() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut source = Source::new(&settings("jmx://127.0.0.1:1"), "x").unwrap();
    let error = is_send(source.read()).await.unwrap_err();
    assert!(matches!((&error.step, &error.reason), (Step::Registry, Reason::Connect(_))), "{error}");
}
