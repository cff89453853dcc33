//! A real mail server (scripts/lib/smtp_catcher.py, on aiosmtpd) as a process, and certificates for it. What it took
//! is in a log, parsed by Python's mail library: another reading of a mail than the one that wrote it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde::Deserialize;
use tempfile::TempDir;

use super::wait::wait_for;

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running mail server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Catcher {
    child: Child,
    dir: TempDir,
    pub(crate) port: u16,
}

/// A mail that it took.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mail {
    /// Of the envelope.
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Who logged in.
    pub(crate) user: Option<String>,
    pub(crate) tls: bool,
    pub(crate) ehlo: String,
    pub(crate) subject: String,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) html: String,
    /// What Python found wrong with it.
    pub(crate) defects: Vec<String>,
    pub(crate) raw: String,
}

impl Mail {
    /// The one header of this name, decoded.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found: Vec<_> = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).collect();
        assert!(found.len() <= 1, "{found:?}");
        found.first().map(|(_, value)| value.as_str())
    }
}

impl Catcher {
    /// With the arguments of smtp_catcher.py beside those for its files.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lib/smtp_catcher.py");
        let (port_file, errors) = (dir.path().join("port"), dir.path().join("errors"));
        let mut child = Command::new("python3")
            .arg(script)
            .arg("--log")
            .arg(dir.path().join("mails"))
            .arg("--heard")
            .arg(dir.path().join("heard"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(File::create(&port_file).expect("a file"))
            .stderr(File::create(&errors).expect("a file"))
            .spawn()
            .expect("python3, for the mail server");
        let port = wait_for(START_LIMIT, "the mail server listens", || {
            if let Some(status) = child.try_wait().expect("wait for the mail server") {
                panic!("the mail server ended: {status}: {}", fs::read_to_string(&errors).unwrap_or_default());
            }
            fs::read_to_string(&port_file).ok()?.strip_suffix('\n')?.parse().ok()
        });
        Self { child, dir, port }
    }

    /// All mails so far. One is in the log before the server says that it took it.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let text = fs::read_to_string(self.dir.path().join("mails")).unwrap_or_default();
        // The last line may be about to be written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a mail in the log")).collect()
    }

    /// The only mail so far.
    #[track_caller]
    pub(crate) fn mail(&self) -> Mail {
        let mails = self.mails();
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.into_iter().next().expect("one")
    }

    /// Everything that was said to it, without TLS.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("heard")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority and a certificate of it for localhost, as files.
#[derive(Debug)]
pub(crate) struct Certificates {
    dir: TempDir,
    /// The certificate's DER.
    pub(crate) der: Vec<u8>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, text) in
            [("ca.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
        {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        Self { dir, der: certificate.der().to_vec() }
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The arguments for the server's certificate and key.
    pub(crate) fn server(&self) -> [String; 2] {
        ["cert.pem", "key.pem"].map(|name| self.dir.path().join(name).display().to_string())
    }
}
