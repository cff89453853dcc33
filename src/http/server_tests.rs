use super::*;
use crate::logic::moment::Timestamp;
use crate::status::{ForwardState, ForwardStatus, board};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// A server with one forward in this state, and its address.
async fn start(state: ForwardState) -> SocketAddr {
    let (publisher, board) = board(Timestamp(0));
    let status = ForwardStatus { name: "<guance>".into(), state, ..ForwardStatus::default() };
    publisher.set_forwards(vec![watch::channel(status).1]);
    let settings = HttpSettings { listen: "127.0.0.1:0".parse().expect("an address"), hosts: vec![] };
    let server = HttpServer::bind(&settings).await.expect("a port");
    let address = server.address().expect("an address");
    tokio::spawn(server.serve(board));
    address
}

/// Sends `request` as it is and returns all that comes back until the server closes.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    // Closing with an unread body in the buffer may reset: what came before counts.
    let _ = read.expect("the server closes in time");
    String::from_utf8(answer).expect("text")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[track_caller]
fn check(rule: &str, answer: &str, status: &str, contains: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{rule}: {answer}");
    assert!(answer.contains(contains), "{rule}: {answer}");
    assert!(answer.contains("content-security-policy: default-src 'none'"), "{rule}: {answer}");
    assert!(answer.contains("cache-control: no-store"), "{rule}: {answer}");
}

#[tokio::test]
async fn pages() {
    let address = start(ForwardState::Running).await;
    check("alive", &send(address, &get("/healthz")).await, "200", "\r\n\r\nok\n");
    check("ready", &send(address, &get("/readyz")).await, "200", "\r\n\r\nready\n");
    check("a query changes nothing", &send(address, &get("/healthz?x=1")).await, "200", "ok");
    check("metrics", &send(address, &get("/metrics")).await, "200", "barnabas_forward_pending{forward=\"<guance>\"} 0");
    check("status", &send(address, &get("/api/status")).await, "200", "\"state\":\"running\"");
    check("names are escaped on the page", &send(address, &get("/")).await, "200", "&lt;guance&gt;");
    check("no such page", &send(address, &get("/etc/passwd")).await, "404", "/metrics");
}

#[tokio::test]
async fn readiness_follows_the_forwards() {
    for (state, status) in [
        (ForwardState::Running, "200"),
        (ForwardState::Paused, "200"),
        (ForwardState::Suspended, "503"),
        (ForwardState::Stalled, "503"),
        (ForwardState::Starting, "503"),
    ] {
        let address = start(state).await;
        check(state.name(), &send(address, &get("/readyz")).await, status, "");
        check("alive in any state", &send(address, &get("/healthz")).await, "200", "ok");
    }
}

#[tokio::test]
async fn refusals() {
    let address = start(ForwardState::Running).await;
    let evil = "GET / HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n";
    check("a name of somebody else's", &send(address, evil).await, "421", "http.hosts");
    let absolute = "GET http://evil.example.com/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    check("the same in the target", &send(address, absolute).await, "421", "http.hosts");
    let none = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    check("no name", &send(address, none).await, "421", "http.hosts");
    let post = "POST /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    check("a change", &send(address, post).await, "405", "allow: GET, HEAD");
    let garbage = send(address, "\u{1}\u{2}\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 * MAX_HEADER));
    let long = send(address, &long).await;
    assert!(long.starts_with("HTTP/1.1 431") || long.is_empty(), "{long}");
    check("and still there", &send(address, &get("/healthz")).await, "200", "ok");
}

#[tokio::test]
async fn head_has_the_header_alone() {
    let address = start(ForwardState::Running).await;
    let answer = send(address, "HEAD / HTTP/1.1\r\nHost: [::1]:9863\r\nConnection: close\r\n\r\n").await;
    check("HEAD", &answer, "200", "content-length: ");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let address = start(ForwardState::Running).await;
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(TcpStream::connect(address).await.expect("a connection"));
    }
    // Those who say nothing are cut off after HEADER_LIMIT; then it is this one's turn.
    check("at last", &send(address, &get("/healthz")).await, "200", "ok");
}
