//! The client against small servers that do one thing wrong each.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::config::schema::{Secret, TlsSettings};

const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":0}";

fn settings(url: &str) -> WebhookSettings {
    WebhookSettings {
        url: Secret::new(url),
        display_url: url.to_owned(),
        method: "POST".to_owned(),
        headers: vec![("Authorization".to_owned(), Secret::new("Bearer hidden"))],
        tls: TlsSettings::default(),
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
        max_response_size: 1024,
        idempotency_header: Some("Idempotency-Key".to_owned()),
        outcomes: vec![],
    }
}

fn client(settings: &WebhookSettings) -> Client {
    Client::new(Arc::new(Endpoint::new(settings, None).unwrap()))
}

/// A request as the server saw it, and which connection it came on.
#[derive(Debug)]
struct Seen {
    connection: usize,
    head: String,
    body: Vec<u8>,
}

/// Reads one request; none: the client closed.
fn read_request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap().to_lowercase();
    let length =
        head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A server that answers the nth request of all with the nth script, then closes that connection if it says so, and
/// says what it saw. It ends with its scripts.
fn serve(scripts: Vec<(&'static [u8], After)>) -> (String, mpsc::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?token=hidden", listener.local_addr().unwrap());
    let (seen, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut scripts = scripts.into_iter();
        let mut held = Vec::new();
        'connections: for (connection, stream) in listener.incoming().enumerate() {
            let mut stream: TcpStream = stream.unwrap();
            while let Some((head, body)) = read_request(&mut stream) {
                let Some((answer, after)) = scripts.next() else { return };
                let _ = seen.send(Seen { connection, head, body });
                let _ = stream.write_all(answer);
                match after {
                    After::Keep => {}
                    After::Close => continue 'connections,
                    After::Hang => {
                        held.push(stream);
                        continue 'connections;
                    }
                }
            }
        }
    });
    (url, receiver)
}

#[derive(Clone, Copy)]
enum After {
    Keep,
    Close,
    Hang,
}

#[test]
fn requests_share_a_connection_and_carry_what_is_configured() {
    let (url, seen) = serve(vec![(TAKEN, After::Keep), (TAKEN, After::Keep)]);
    let mut client = client(&settings(&url));
    for key in ["forward/event/0/1", "forward/event/0/2"] {
        let response = client.send(b"{\"a\":1}", key).unwrap();
        assert_eq!((response.status, response.body), (200, b"{\"code\":0}".to_vec()));
        let request = seen.recv().unwrap();
        assert_eq!(request.connection, 0);
        assert_eq!(request.body, b"{\"a\":1}");
        let head = request.head;
        assert!(head.starts_with("post /hook?token=hidden http/1.1\r\n"), "{head}");
        for line in [
            format!("idempotency-key: {key}"),
            "authorization: bearer hidden".to_owned(),
            "content-type: application/json".to_owned(),
            format!("user-agent: barnabas/{}", env!("CARGO_PKG_VERSION")),
        ] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} is missing: {head}");
        }
        assert!(!head.contains("accept-encoding"), "{head}");
    }
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_costs_nothing() {
    let (url, seen) = serve(vec![(TAKEN, After::Close), (TAKEN, After::Close)]);
    let mut client = client(&settings(&url));
    assert_eq!(client.send(b"1", "k").unwrap().status, 200);
    assert_eq!(client.send(b"2", "k").unwrap().status, 200);
    let connections: Vec<_> = seen.iter().take(2).map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1]);
}

#[test]
fn a_request_lost_on_a_kept_connection_is_sent_again_at_once_and_only_once() {
    // The server closes when it has the second request: the client cannot have seen that before.
    let (url, seen) = serve(vec![(TAKEN, After::Keep), (b"", After::Close), (TAKEN, After::Keep)]);
    let mut client = client(&settings(&url));
    assert_eq!(client.send(b"1", "k").unwrap().status, 200);
    assert_eq!(client.send(b"2", "k").unwrap().status, 200);
    let requests: Vec<_> = seen.iter().take(3).map(|request| (request.connection, request.body)).collect();
    assert_eq!(requests, [(0, b"1".to_vec()), (0, b"2".to_vec()), (1, b"2".to_vec())]);
}

#[test]
fn a_new_connection_that_is_closed_without_an_answer_is_an_error() {
    // A second attempt would be taken.
    let (url, _seen) = serve(vec![(b"", After::Close), (TAKEN, After::Keep)]);
    assert_eq!(client(&settings(&url)).send(b"1", "k"), Err(SendError::Closed));
}

#[test]
fn answers_that_are_wrong_or_odd() {
    let huge: &'static [u8] =
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", [b'x'; 100_000].as_slice()].concat().leak();
    let long_head: &'static [u8] = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000)).into_bytes().leak();
    let exact: &'static [u8] = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1024]].concat().leak();
    /// The case, what the server says and does then, and the status and body length or the beginning of the error.
    type Case = (&'static str, &'static [u8], After, Result<(u16, usize), &'static str>);
    let cases: [Case; 12] = [
        (
            "a redirect is an answer",
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            After::Keep,
            Ok((302, 0)),
        ),
        (
            "with a body, too",
            b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nno",
            After::Keep,
            Ok((307, 2)),
        ),
        (
            "and one without a place to go",
            b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n",
            After::Keep,
            Ok((301, 0)),
        ),
        (
            "an error status is an answer",
            b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy",
            After::Keep,
            Ok((503, 4)),
        ),
        ("a long body is cut", huge, After::Hang, Ok((200, 1024))),
        ("a body up to the end of the connection", exact, After::Close, Ok((200, 1024))),
        (
            "less than was announced",
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"code\":0}",
            After::Close,
            Err("the connection was closed in the middle of the answer"),
        ),
        (
            "chunks that are none",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            After::Close,
            Err("the answer is not valid HTTP"),
        ),
        ("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\nhello\r\n\r\n", After::Close, Err("the answer is not valid HTTP")),
        ("bytes", &[0xff; 64], After::Close, Err("the answer is not valid HTTP")),
        (
            "a head without an end",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            After::Close,
            Err("the connection was closed in the middle of the answer"),
        ),
        (
            "a head that is too long",
            long_head,
            After::Hang,
            Err("the answer is not valid HTTP: the head of the answer is too long"),
        ),
    ];
    for (case, answer, after, expected) in cases {
        let (url, _seen) = serve(vec![(answer, after)]);
        let result = client(&settings(&url)).send(b"1", "k");
        match (result, expected) {
            (Ok(response), Ok(expected)) => assert_eq!((response.status, response.body.len()), expected, "{case}"),
            (Err(error), Err(text)) => {
                assert!(error.to_string().starts_with(text), "{case}: {error}");
                assert!(!error.to_string().contains("hidden"), "{case}: {error}");
            }
            (result, _) => panic!("{case}: {result:?}"),
        }
    }
}

#[test]
fn more_than_was_announced_is_not_taken_for_the_next_answer() {
    let lie: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nlie";
    let (url, seen) = serve(vec![(lie, After::Close), (TAKEN, After::Keep)]);
    let mut client = client(&settings(&url));
    assert_eq!(client.send(b"1", "k").unwrap().body, b"ok");
    assert_eq!(client.send(b"2", "k").unwrap().body, b"{\"code\":0}");
    assert_eq!(seen.iter().take(2).last().unwrap().connection, 1);
}

#[test]
fn whatever_hangs_ends_at_the_time_limit() {
    let limit = Duration::from_millis(300);
    let cases: [(&str, &'static [u8], bool); 3] = [
        ("no answer", b"", false),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-", true),
        ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12", true),
    ];
    for (case, answer, answering) in cases {
        let (url, _seen) = serve(vec![(answer, After::Hang)]);
        let settings = WebhookSettings { timeout: limit, ..settings(&url) };
        let started = clock::now();
        let error = client(&settings).send(b"1", "k").unwrap_err();
        assert_eq!(error, SendError::TimeLimit { limit, answering }, "{case}");
        assert!(clock::now().since(started) >= limit, "{case}");
    }
}

#[test]
fn an_answer_that_comes_byte_by_byte_ends_at_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        let mut drip = b"HTTP/1.1 200 OK\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
        while stream.write_all(&[*drip.next().unwrap()]).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let limit = Duration::from_millis(300);
    let error = client(&WebhookSettings { timeout: limit, ..settings(&url) }).send(b"1", "k").unwrap_err();
    assert_eq!(error, SendError::TimeLimit { limit, answering: true });
}

#[test]
fn a_server_that_takes_nothing_ends_at_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let limit = Duration::from_millis(300);
    let body = vec![b'x'; 32 << 20];
    let error = client(&WebhookSettings { timeout: limit, ..settings(&url) }).send(&body, "k").unwrap_err();
    assert_eq!(error, SendError::TimeLimit { limit, answering: false });
}

#[test]
fn a_refusal_before_the_whole_request_was_taken_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut beginning = [0; 1024];
        stream.read_exact(&mut beginning).unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        // Closed with unread data: the client's next write fails.
    });
    let response = client(&settings(&url)).send(&vec![b'x'; 32 << 20], "k").unwrap();
    assert_eq!(response.status, 413);
}

#[test]
fn a_body_of_any_size_arrives_whole() {
    for size in [0, 1, 7_000, 8_192, 16_383, 16_384, 16_385, 1_000_003] {
        let (url, seen) = serve(vec![(TAKEN, After::Keep)]);
        let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        assert_eq!(client(&settings(&url)).send(&body, "k").unwrap().status, 200, "{size}");
        assert!(seen.recv().unwrap().body == body, "{size}");
    }
}

#[test]
fn a_refused_connection_says_where() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = client(&settings(&format!("http://127.0.0.1:{port}/hook?token=hidden"))).send(b"1", "k").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to 127.0.0.1:{port}: connection refused"));
}

#[test]
fn settings_that_no_request_can_be_made_of() {
    let good = settings("http://localhost/");
    let with = |name: &str, value: &str| WebhookSettings {
        headers: vec![(name.to_owned(), Secret::new(value))],
        ..good.clone()
    };
    let cases = [
        ("no URL", settings("hook"), EndpointError::Url),
        ("not HTTP", settings("ftp://localhost/"), EndpointError::Url),
        ("https without TLS", settings("https://localhost/"), EndpointError::NoTls),
        ("a line break in a header", with("X", "a\r\nY: b"), EndpointError::Header("X".to_owned())),
        ("a name that is none", with("a b", "c"), EndpointError::Header("a b".to_owned())),
        (
            "a method with a space",
            WebhookSettings { method: "PO ST".to_owned(), ..good.clone() },
            EndpointError::Method("PO ST".to_owned()),
        ),
    ];
    for (case, settings, expected) in cases {
        assert_eq!(Endpoint::new(&settings, None).unwrap_err(), expected, "{case}");
    }
}

/// An https server with a certificate for "hook.example" from an authority of its own called `name`, and that authority.
fn serve_tls(requests: usize, name: &str) -> (String, RootCertStore) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["hook.example".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            for _ in 0..requests {
                if read_request(&mut stream).is_none() || stream.write_all(TAKEN).is_err() {
                    break;
                }
            }
        }
    });
    (url, roots)
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn tls_client(url: &str, roots: RootCertStore, server_name: Option<&str>) -> Client {
    let mut settings = settings(url);
    settings.tls.server_name = server_name.map(str::to_owned);
    Client::new(Arc::new(Endpoint::new(&settings, Some(trusting(roots))).unwrap()))
}

#[test]
fn https_with_a_private_authority_small_and_large() {
    let (url, roots) = serve_tls(3, "ours");
    let mut client = tls_client(&url, roots, Some("hook.example"));
    for size in [1, 100_000, 10] {
        assert_eq!(client.send(&vec![b'x'; size], "k").unwrap().body, b"{\"code\":0}", "{size}");
    }
}

#[test]
fn https_says_why_it_does_not_trust() {
    let (url, roots) = serve_tls(1, "ours");
    let (_, other_roots) = serve_tls(1, "theirs");
    let (_, namesake) = serve_tls(1, "ours");
    let cases = [
        ("another authority", other_roots, Some("hook.example"), "tls.ca_file names one"),
        ("another authority of the same name", namesake, Some("hook.example"), "tls.ca_file names one"),
        ("another name", roots.clone(), Some("elsewhere.example"), "tls.server_name says which name to expect"),
        ("the address is not in it", roots, None, "tls.server_name says which name to expect"),
    ];
    for (case, roots, name, text) in cases {
        let error = tls_client(&url, roots, name).send(b"1", "k").unwrap_err().to_string();
        assert!(error.starts_with("no TLS session with 127.0.0.1:") && error.contains(text), "{case}: {error}");
    }
}

#[test]
fn https_to_a_port_that_speaks_http_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = tls_client(&url, RootCertStore::empty(), Some("hook.example")).send(b"1", "k").unwrap_err().to_string();
    assert!(error.ends_with("it does not speak TLS on this port"), "{error}");
}
