use super::*;
use crate::control::client::{AskError, ask};
use std::path::Path;

fn socket(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("control.sock")
}

/// A daemon that answers each request with its own JSON.
fn echo(mut commands: mpsc::Receiver<Command>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some((request, answer)) = commands.recv().await {
            let _ = answer.send(ControlResponse::document(&request));
        }
    })
}

fn start(path: &Path) -> tokio::task::JoinHandle<()> {
    let server = ControlServer::bind(path).expect("a server");
    let (sender, receiver) = mpsc::channel(1);
    echo(receiver);
    tokio::spawn(server.serve(sender))
}

async fn ask_from_a_thread(path: &Path, request: ControlRequest) -> Result<ControlResponse, AskError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || ask(&path, &request)).await.expect("no panic")
}

/// Sends `bytes` as they are, closes that direction, and returns all that comes back.
async fn send_raw(path: &Path, bytes: &[u8]) -> String {
    use tokio::io::AsyncReadExt;
    let stream = UnixStream::connect(path).await.expect("a connection");
    let (mut reading, mut writing) = stream.into_split();
    // Where the server refuses early, the rest cannot be written: that is the point.
    let _ = writing.write_all(bytes).await;
    drop(writing);
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_request_comes_back_answered_and_only_the_owner_may_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket(&folder);
    start(&path);
    let mode = fs::metadata(&path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let request = ControlRequest::PauseForward { name: "a\nb".into() };
    let expected = ControlResponse::document(&request);
    assert_eq!(ask_from_a_thread(&path, request).await.expect("an answer"), expected);
}

#[tokio::test]
async fn a_connection_may_ask_again_also_after_nonsense() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket(&folder);
    start(&path);
    let answers = send_raw(&path, b"hello\n{\"request\":\"reboot\"}\n{\"request\":\"status\"}\n").await;
    let kinds: Vec<ControlResponse> =
        answers.lines().map(|line| ControlResponse::parse(line).expect("a response")).collect();
    assert_eq!(kinds.len(), 3);
    assert!(matches!(&kinds[0], ControlResponse::Error { .. }));
    assert!(matches!(&kinds[1], ControlResponse::Error { message } if message.contains("reboot")));
    assert_eq!(kinds[2], ControlResponse::document(&ControlRequest::Status));
}

#[tokio::test]
async fn a_request_without_end_is_refused_and_an_import_may_be_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket(&folder);
    start(&path);
    let endless = vec![b'x'; MAX_REQUEST + 100_000];
    let answer = send_raw(&path, &endless).await;
    assert!(answer.is_empty() || answer.contains("too long"), "{answer}");

    let document = serde_json::json!({ "padding": "x".repeat(2 * MAX_REQUEST) });
    let request = ControlRequest::OffsetsImport { document };
    let expected = ControlResponse::document(&request);
    assert_eq!(ask_from_a_thread(&path, request).await.expect("an answer"), expected);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket(&folder);
    drop(StdUnixListener::bind(&path).expect("what a killed daemon leaves"));
    assert!(path.exists());
    let first = ControlServer::bind(&path).expect("the stale one is replaced");

    let refused = ControlServer::bind(&path).expect_err("somebody listens");
    assert!(matches!(refused, BindError::InUse(_)), "{refused}");

    drop(first);
    assert!(!path.exists(), "a server takes its file along");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket(&folder);
    fs::write(&path, "precious").expect("a file");
    let refused = ControlServer::bind(&path).expect_err("not a socket");
    assert!(matches!(refused, BindError::NotASocket(_)), "{refused}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
}

#[tokio::test]
async fn a_daemon_that_stops_says_so_and_takes_the_socket_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = socket(&folder);
    let server = ControlServer::bind(&path).expect("a server");
    let (sender, mut receiver) = mpsc::channel::<Command>(1);
    let serving = tokio::spawn(server.serve(sender));
    let asking = tokio::spawn({
        let path = path.clone();
        async move { ask_from_a_thread(&path, ControlRequest::Status).await }
    });
    let (_request, answer) = receiver.recv().await.expect("a command");
    drop(answer);
    let response = asking.await.expect("no panic").expect("an answer");
    assert_eq!(response, ControlResponse::error("the daemon is stopping"));
    drop(receiver);
    tokio::time::timeout(Duration::from_secs(10), serving).await.expect("the server ends").expect("no panic");
    assert!(!path.exists());
}
