//! A webhook to try barnabas against: it answers as a script tells it to, also wrongly, slowly or not at all, and
//! keeps a record of what it got. The demo prints with it, the tests script it, the benchmarks count with it.
//!
//!     cargo run --example webhook-receiver -- --listen 127.0.0.1:8080 --print
//!     curl -X PUT localhost:8080/_control -d '[{"when": {"first": 3}, "then": {"status": 503}}]'
//!     curl localhost:8080/_stats
//!
//! One thread, unless it only counts. Not a product: it trusts everybody who can reach its port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use argh::FromArgs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use record::{Keep, Record};
use rules::Rules;
use serve::Receiver;

mod count;
mod io_adapter;
mod record;
mod rules;
mod serve;

/// A scripted webhook receiver for tests, demonstrations and benchmarks.
#[derive(FromArgs)]
struct Arguments {
    /// address to listen on; port 0 takes a free one (default 127.0.0.1:8080)
    #[argh(option, default = "SocketAddr::from(([127, 0, 0, 1], 8080))")]
    listen: SocketAddr,
    /// file to write the port to, once it accepts connections
    #[argh(option)]
    port_file: Option<PathBuf>,
    /// print every request with its body
    #[argh(switch)]
    print: bool,
    /// file to append a JSON line to for every request
    #[argh(option)]
    log: Option<PathBuf>,
    /// write the request's headers to the log, too
    #[argh(switch)]
    headers: bool,
    /// only count: keeps no record of single requests. Without a script and https this takes little of the machine
    #[argh(switch)]
    count_only: bool,
    /// how long to wait before every answer, such as 20ms or 1s
    #[argh(option, from_str_fn(duration), default = "Duration::ZERO")]
    delay: Duration,
    /// rules, as JSON or as a file of it; PUT /_control replaces them
    #[argh(option)]
    script: Option<String>,
    /// PEM file of the certificate chain, for https
    #[argh(option)]
    cert: Option<PathBuf>,
    /// PEM file of its key
    #[argh(option)]
    key: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no duration such as 20ms or 1s"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(format!("{text:?} is no duration such as 20ms or 1s")),
    }
}

fn main() -> std::process::ExitCode {
    let arguments: Arguments = argh::from_env();
    match run(arguments) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("webhook-receiver: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<Infallible, String> {
    let rules = match &arguments.script {
        Some(script) => Rules::parse(&script_text(script)?)?,
        None => Rules::default(),
    };
    let tls = match (&arguments.cert, &arguments.key) {
        (Some(cert), Some(key)) => Some(tls_acceptor(cert, key)?),
        (None, None) => None,
        _ => return Err("--cert and --key belong together".to_owned()),
    };
    let keep = Keep { single_requests: !arguments.count_only, headers: arguments.headers, print: arguments.print };
    let record = Record::new(keep, arguments.log.as_deref())
        .map_err(|error| format!("{}: {error}", arguments.log.unwrap_or_default().display()))?;
    if arguments.count_only && rules.is_empty() && tls.is_none() {
        let listener = std::net::TcpListener::bind(arguments.listen)
            .and_then(|listener| announce(listener.local_addr()?, arguments.port_file.as_deref()).map(|()| listener))
            .map_err(|error| format!("{}: {error}", arguments.listen))?;
        count::serve_all(&listener, record, arguments.delay);
    }
    let receiver = Rc::new(Receiver::new(rules, record, arguments.delay));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    LocalSet::new().block_on(&runtime, async {
        let listener =
            TcpListener::bind(arguments.listen).await.map_err(|error| format!("{}: {error}", arguments.listen))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        announce(address, arguments.port_file.as_deref()).map_err(|error| error.to_string())?;
        Ok(accept(&listener, tls, receiver).await)
    })
}

fn script_text(script: &str) -> Result<String, String> {
    if script.trim_start().starts_with('[') {
        return Ok(script.to_owned());
    }
    fs::read_to_string(script).map_err(|error| format!("{script}: {error}"))
}

fn tls_acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{}: {error}", cert.display()))?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private_key))
        .map_err(|error| format!("{}: {error}", cert.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The port file appears whole or not at all, so that a script can wait for it.
fn announce(address: SocketAddr, port_file: Option<&Path>) -> io::Result<()> {
    println!("listening on {address}");
    if let Some(file) = port_file {
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, address.port().to_string())?;
        fs::rename(&unfinished, file)?;
    }
    Ok(())
}

async fn accept(listener: &TcpListener, tls: Option<TlsAcceptor>, receiver: Rc<Receiver>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(serve_one(stream, tls.clone(), Rc::clone(&receiver)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: some connection will end.
                eprintln!("webhook-receiver: accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, tls: Option<TlsAcceptor>, receiver: Rc<Receiver>) {
    // Without it an answer may wait 40 ms for the other side's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => receiver.serve(stream).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => receiver.serve(stream).await,
            Err(error) => eprintln!("webhook-receiver: TLS: {error}"),
        },
    }
}
