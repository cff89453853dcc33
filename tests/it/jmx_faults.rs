//! What goes wrong between here and a broker's JMX port: each gives an error that says which step failed and what to do,
//! within the time limit.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use barnabas::clock;
use barnabas::jmx::JmxSettings;

use super::jmx::{Reading, broker, jmx_url, settings};

const LIMIT: Duration = Duration::from_secs(2);
/// What a busy machine may add to it.
const GRACE: Duration = Duration::from_secs(3);

fn impatient(url: &str) -> JmxSettings {
    JmxSettings { timeout: LIMIT, ..settings(url) }
}

/// The error of a reading, which came in time.
#[track_caller]
fn error_of(reading: &mut Reading) -> String {
    let start = clock::now();
    let error = reading.read().expect_err("it cannot work").to_string();
    let took = clock::now().since(start);
    assert!(took < LIMIT + GRACE, "{took:?}: {error}");
    error
}

#[track_caller]
fn check(rule: &str, url: &str, expected: &[&str]) {
    let error = error_of(&mut Reading::new(&impatient(url)));
    for part in expected {
        assert!(error.contains(part), "{rule}: {part:?} is missing: {error}");
    }
}

#[test]
fn what_is_no_jmx_port_and_what_does_not_answer_is_told_apart() {
    let kafka = broker(&["--jmx", "open", "--agent", "jolokia", "--agent", "exporter"]);
    let url = |name: &str| format!("jmx://{}", kafka.env(name));
    check("Kafka's own port", &url("BROKER_1"), &["connecting to the JMX port", "closed", "jmxremote.port"]);
    check("an HTTP server waits for more", &url("JOLOKIA_1"), &["connecting to the JMX port"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check("nobody listens", &format!("jmx://{nobody}"), &["cannot connect", "JMX_PORT"]);
    let no_http = format!("http://{}/metrics", kafka.env("JMX_1"));
    check("a JMX port is no HTTP", &no_http, &["jmx:// URL"]);
    let no_path = format!("http://{}/nothing", kafka.env("JOLOKIA_1"));
    check("Jolokia elsewhere", &no_path, &["HTTP 404"]);

    let mut reading = Reading::new(&impatient(&jmx_url(&kafka)));
    reading.sample();
    kafka.freeze(1);
    let kept = error_of(&mut reading);
    let anew = error_of(&mut reading);
    let mut by_http = Reading::new(&impatient(&format!("http://{}/metrics", kafka.env("EXPORTER_1"))));
    let http = error_of(&mut by_http);
    kafka.thaw(1);
    assert!(kept.contains("reading the figures: no answer within 2s"), "{kept}");
    assert!(anew.contains("connecting to the JMX port: no answer within 2s"), "{anew}");
    assert!(http.contains("no answer within 2s"), "{http}");
    reading.sample();

    let swallowing = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = swallowing.local_addr().unwrap().port();
    let registry = rewriting_proxy(kafka.env("JMX_1"), port);
    let swallowed = format!("connecting to the object's port {port}: no answer within 2s");
    check("a firewall swallows the second port", &registry, &[&swallowed, "jmxremote.rmi.port", "firewall"]);
    drop(swallowing);
    let closed = format!("connecting to the object's port {port}: cannot connect");
    check("or refuses it", &registry, &[&closed, "jmxremote.rmi.port"]);

    // A restart is noticed by itself: the kept connection is gone, and the next reading connects anew.
    kafka.restart(1);
    reading.sample();
    reading.close();
}

/// A registry like the one at `target`, which names `port` for the object; gives its URL.
fn rewriting_proxy(target: &str, port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("jmx://{}", listener.local_addr().unwrap());
    let target = target.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&target)) else { return };
            let (to_server, from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || relay(from_client, to_server, |_| {}));
            thread::spawn(move || relay(server, client, move |bytes| name_port(bytes, port)));
        }
    });
    url
}

fn relay(mut from: TcpStream, mut to: TcpStream, change: impl Fn(&mut [u8])) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Overwrites the port of a stub: it follows "UnicastRef" and the host.
fn name_port(bytes: &mut [u8], port: u16) {
    let name = b"UnicastRef";
    if let Some(found) = bytes.windows(name.len()).position(|window| window == name) {
        let host = found + name.len();
        let length = usize::from(u16::from_be_bytes([bytes[host], bytes[host + 1]]));
        bytes[host + 2 + length..][..4].copy_from_slice(&u32::from(port).to_be_bytes());
    }
}
