//! The `tls` table against real handshakes: certificates are made for each test, the peer is a rustls server.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a root") }
    }

    fn issue(&self, name: &str) -> Identity {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate: certificate.der().clone(), key }
    }
}

impl Identity {
    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn file(dir: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("a file in a temporary folder");
    path
}

/// One handshake with `identity`, which wants a certificate of `clients` if given: the sentence, where it fails.
async fn handshake(settings: &TlsSettings, identity: &Identity, clients: Option<&Authority>) -> Result<(), String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let server =
        builder.with_single_cert(vec![identity.certificate.clone()], identity.key_der()).expect("certificate and key");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(stream).await {
            let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await;
        }
    });
    let config = client_config(settings).map_err(|error| error.to_string())?;
    let name = server_name(settings, "kafka-1.test").map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(address).await.expect("connected");
    let said = |error: std::io::Error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        inner.map_or_else(|| error.to_string(), explain)
    };
    let mut stream = TlsConnector::from(config).connect(name, stream).await.map_err(said)?;
    // With TLS 1.3 a missing client certificate shows only now.
    tokio::io::AsyncReadExt::read_u8(&mut stream).await.map_err(said).map(|_| ())
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named_and_refused_when_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let (authority, stranger) = (Authority::new(), Authority::new());
    let broker = authority.issue("kafka-1.test");
    let with_ca = |authority: &Authority| TlsSettings {
        ca_file: Some(file(&dir, "ca.pem", &pem("CERTIFICATE", authority.issuer.der()))),
        ..TlsSettings::default()
    };
    assert_eq!(handshake(&with_ca(&authority), &broker, None).await, Ok(()));
    let unknown = handshake(&with_ca(&stranger), &broker, None).await.expect_err("another authority");
    assert!(unknown.contains("tls.ca_file"), "{unknown}");
    let public = handshake(&TlsSettings::default(), &broker, None).await.expect_err("not a public authority");
    assert!(public.contains("not trusted"), "{public}");
    let other = authority.issue("kafka-2.test");
    let mismatch = handshake(&with_ca(&authority), &other, None).await.expect_err("another name");
    assert!(mismatch.contains("kafka-2.test") && mismatch.contains("tls.server_name"), "{mismatch}");
    let named = TlsSettings { server_name: Some("kafka-2.test".to_owned()), ..with_ca(&authority) };
    assert_eq!(handshake(&named, &other, None).await, Ok(()));
}

#[tokio::test]
async fn a_pinned_certificate_is_accepted_and_another_is_shown() {
    let authority = Authority::new();
    let broker = authority.issue("some.other.name");
    let seen = sha256(&ring::default_provider(), &broker.certificate).expect("SHA-256");
    let pinned = |fingerprint| TlsSettings { fingerprint_sha256: Some(fingerprint), ..TlsSettings::default() };
    assert_eq!(handshake(&pinned(seen), &broker, None).await, Ok(()));
    let refused = handshake(&pinned([7; 32]), &broker, None).await.expect_err("another certificate");
    assert!(refused.contains(&hex(&seen)), "it tells the fingerprint it saw: {refused}");
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_worth_nothing() {
    let authority = Authority::new();
    let broker = authority.issue("kafka-1.test");
    let thief = Identity { certificate: broker.certificate.clone(), key: KeyPair::generate().expect("a key") };
    let seen = sha256(&ring::default_provider(), &broker.certificate).expect("SHA-256");
    // rustls refuses to serve a certificate with another's key, so the verifier is asked directly.
    let provider = Arc::new(ring::default_provider());
    let verifier = PinnedCertificate {
        fingerprint: seen,
        algorithms: provider.signature_verification_algorithms,
        provider: Arc::clone(&provider),
    };
    let message = b"handshake";
    let signer = rustls::crypto::ring::sign::any_supported_type(&thief.key_der()).expect("a signer");
    let scheme = verifier.supported_verify_schemes();
    let signature = signer.choose_scheme(&scheme).expect("a scheme");
    let signed = DigitallySignedStructBytes(signature.scheme(), signature.sign(message).expect("a signature"));
    assert!(verifier.verify_tls13_signature(message, &broker.certificate, &signed.read()).is_err());
}

/// `DigitallySignedStruct` can only be read from bytes.
struct DigitallySignedStructBytes(SignatureScheme, Vec<u8>);

impl DigitallySignedStructBytes {
    fn read(&self) -> DigitallySignedStruct {
        use rustls::internal::msgs::codec::{Codec, Reader};
        let mut bytes = u16::from(self.0).to_be_bytes().to_vec();
        bytes.extend(u16::try_from(self.1.len()).expect("short").to_be_bytes());
        bytes.extend(&self.1);
        DigitallySignedStruct::read(&mut Reader::init(&bytes)).expect("a signature")
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_absence_explained() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let (broker, us) = (authority.issue("kafka-1.test"), authority.issue("barnabas"));
    let ca_file = Some(file(&dir, "ca.pem", &pem("CERTIFICATE", authority.issuer.der())));
    let with = TlsSettings {
        ca_file: ca_file.clone(),
        cert_file: Some(file(&dir, "cert.pem", &pem("CERTIFICATE", &us.certificate))),
        key_file: Some(file(&dir, "key.pem", &pem("PRIVATE KEY", &us.key.serialize_der()))),
        ..TlsSettings::default()
    };
    assert_eq!(handshake(&with, &broker, Some(&authority)).await, Ok(()));
    let without = TlsSettings { ca_file, ..TlsSettings::default() };
    let refused = handshake(&without, &broker, Some(&authority)).await.expect_err("no certificate");
    assert!(refused.contains("tls.cert_file"), "{refused}");
}

#[test]
fn a_table_that_cannot_be_used_is_refused_by_the_name_of_its_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let (authority, stranger) = (Authority::new(), Authority::new());
    let us = authority.issue("barnabas");
    let cert = file(&dir, "cert.pem", &pem("CERTIFICATE", &us.certificate));
    let key = file(&dir, "key.pem", &pem("PRIVATE KEY", &us.key.serialize_der()));
    let other_key = file(&dir, "other.pem", &pem("PRIVATE KEY", &stranger.issue("x").key.serialize_der()));
    let locked = file(&dir, "locked.pem", &pem("ENCRYPTED PRIVATE KEY", b"secret"));
    let empty = file(&dir, "empty.pem", "no PEM at all\n");
    let table = |ca: Option<&PathBuf>, cert: Option<&PathBuf>, key: Option<&PathBuf>| TlsSettings {
        ca_file: ca.cloned(),
        cert_file: cert.cloned(),
        key_file: key.cloned(),
        ..TlsSettings::default()
    };
    let missing = dir.path().join("missing.pem");
    let cases = [
        (table(Some(&missing), None, None), "missing.pem: cannot be read", "a file that does not exist"),
        (table(Some(&empty), None, None), "empty.pem: holds no certificate", "a file without a certificate"),
        (table(None, Some(&cert), None), "belong together", "a certificate without its key"),
        (table(None, Some(&cert), Some(&other_key)), "other.pem: is not the key of", "another certificate's key"),
        (table(None, Some(&cert), Some(&locked)), "locked.pem: is encrypted", "a key with a passphrase"),
        (table(None, Some(&cert), Some(&cert)), "cert.pem: holds no private key", "the files mixed up"),
    ];
    for (settings, expected, why) in cases {
        let error = client_config(&settings).map(|_| ()).expect_err(why).to_string();
        assert!(error.contains(expected), "{why}: {error}");
    }
    assert!(client_config(&table(None, Some(&cert), Some(&key))).is_ok());
}

#[test]
fn names_and_addresses_that_a_certificate_can_carry() {
    let name = |host: &str| server_name(&TlsSettings::default(), host).map(|name| name.to_str().into_owned());
    assert_eq!(name("kafka-1.example.com"), Ok("kafka-1.example.com".to_owned()));
    assert_eq!(name("kafka-1.example.com."), Ok("kafka-1.example.com".to_owned()), "a rooted name");
    assert_eq!(name("10.0.0.5"), Ok("10.0.0.5".to_owned()));
    assert_eq!(name("fe80::1"), Ok("fe80::1".to_owned()));
    assert_eq!(name("[fe80::1]"), Ok("fe80::1".to_owned()));
    assert!(name("not a name").is_err());
    let settings = TlsSettings { server_name: Some("other".to_owned()), ..TlsSettings::default() };
    assert_eq!(server_name(&settings, "10.0.0.5").map(|name| name.to_str().into_owned()), Ok("other".to_owned()));
}
