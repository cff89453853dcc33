//! TLS for everything that connects out: brokers, webhooks. Turns the `tls` table into a rustls configuration, and
//! rustls' errors into sentences that say what to do.
//!
//! Verification cannot be turned off; what can be done for an old self-signed certificate is to pin that very one.
//! Knows nothing of sockets or of the protocol that is spoken inside.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    version::{TLS12, TLS13},
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::config::schema::TlsSettings;

/// Why the `tls` table cannot be used. Every text names the file that is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file does not hold what it should.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// One of `cert_file` and `key_file` is given without the other.
    HalfOfAPair,
    /// The name to expect in the certificate is neither a DNS name nor an address.
    BadName(String),
    /// rustls refuses the settings as a whole.
    Refused(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => write!(f, "{}: cannot be read: {reason}", path.display()),
            Self::Unusable { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::HalfOfAPair => f.write_str("tls: cert_file and key_file belong together; give both or none"),
            Self::BadName(name) => {
                write!(
                    f,
                    "tls: {name:?} is neither a DNS name nor an address; set tls.server_name to the certificate's"
                )
            }
            Self::Refused(reason) => write!(f, "tls: {reason}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// Reads the files of `settings` and makes a client configuration: TLS 1.2 and 1.3 with ring.
///
/// # Errors
/// When a file cannot be read, holds no usable PEM, or certificate and key do not belong together.
pub fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| TlsError::Refused(error.to_string()))?;
    let builder = match settings.fingerprint_sha256 {
        Some(fingerprint) => {
            // A file that is named but wrong should be noticed even where the pin makes it unnecessary.
            trusted_roots(settings.ca_file.as_deref())?;
            let verifier = PinnedCertificate {
                fingerprint,
                algorithms: provider.signature_verification_algorithms,
                provider: Arc::clone(&provider),
            };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        None => builder.with_root_certificates(trusted_roots(settings.ca_file.as_deref())?),
    };
    let config = match (&settings.cert_file, &settings.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert_file), Some(key_file)) => {
            let (chain, key) = (certificates(cert_file)?, private_key(key_file)?);
            builder.with_client_auth_cert(chain, key).map_err(|error| TlsError::Unusable {
                path: key_file.clone(),
                reason: format!("is not the key of {}: {error}", cert_file.display()),
            })?
        }
        _ => return Err(TlsError::HalfOfAPair),
    };
    Ok(Arc::new(config))
}

/// The name that the peer's certificate must carry: `settings.server_name`, else `host` (a DNS name, an IPv4 or an
/// IPv6 address, with or without brackets).
///
/// # Errors
/// When that is no name a certificate can carry.
pub fn server_name(settings: &TlsSettings, host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = settings.server_name.as_deref().unwrap_or(host);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| TlsError::BadName(name.to_owned()))
}

/// What went wrong in a handshake, and what to do about it, in one sentence.
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::InvalidMessage(_) => "the peer does not speak TLS on this port: remove `tls` from the \
             configuration, or connect to the peer's TLS port"
            .to_owned(),
        rustls::Error::AlertReceived(alert) => explain_alert(*alert),
        rustls::Error::PeerIncompatible(reason) => {
            format!("the peer offers no version or cipher of TLS 1.2 or 1.3 that is safe to use ({reason:?})")
        }
        rustls::Error::General(text) => text.clone(),
        other => format!("the TLS handshake failed: {other}"),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "the peer's certificate is from an authority that is not trusted: set \
             tls.ca_file to that authority's certificate, or pin the peer's with tls.fingerprint_sha256"
            .to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{error}; set tls.server_name to a name that the certificate carries")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("{error}; renew the peer's certificate, or check this machine's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("{error}; check this machine's clock")
        }
        CertificateError::BadSignature => {
            "the peer's certificate is not signed by the authority it names: is tls.ca_file the right one?".to_owned()
        }
        other => format!(
            "the peer's certificate cannot be used ({other}); an old self-signed one can be pinned with \
             tls.fingerprint_sha256"
        ),
    }
}

fn explain_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the peer wants a client certificate: set tls.cert_file and tls.key_file".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => format!(
            "the peer refused our certificate, or that there was none ({alert:?}): check tls.cert_file and tls.key_file"
        ),
        AlertDescription::HandshakeFailure => "the peer refused the TLS handshake (HandshakeFailure): it wants a \
             client certificate (tls.cert_file, tls.key_file), or shares no cipher with us"
            .to_owned(),
        AlertDescription::ProtocolVersion => "the peer speaks only TLS versions before 1.2".to_owned(),
        AlertDescription::UnrecognisedName => {
            "the peer has no certificate for this name: set tls.server_name".to_owned()
        }
        other => format!("the peer ended the TLS connection ({other:?})"),
    }
}

fn trusted_roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let Some(path) = ca_file else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::Unusable {
            path: path.to_owned(),
            reason: format!(
                "holds a certificate that cannot serve as an authority ({error}); authorities must be X.509 v3"
            ),
        })?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), reason: error.to_string() })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |reason: String| TlsError::Unusable { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(format!("is not valid PEM: {error}")))?;
    if chain.is_empty() {
        return Err(unusable("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let content = read(path)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        let encrypted = content.windows(9).any(|window| window == b"ENCRYPTED");
        let reason = if encrypted {
            "is encrypted; remove its passphrase with `openssl pkey -in FILE -out FILE2`".to_owned()
        } else {
            format!("holds no private key in PEM: {error}")
        };
        TlsError::Unusable { path: path.to_owned(), reason }
    })
}

/// Accepts one certificate and no other. The handshake's signatures are still verified: to know the certificate is
/// not enough, the peer must hold its key.
#[derive(Debug)]
struct PinnedCertificate {
    fingerprint: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(seen) = sha256(&self.provider, end_entity) else {
            return Err(rustls::Error::General("no SHA-256 in the cryptographic provider".to_owned()));
        };
        if seen == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "the peer's certificate is not the pinned one; its SHA-256 is {}: if it was replaced on purpose, set \
             tls.fingerprint_sha256 to that",
            hex(&seen)
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// SHA-256 by way of the cipher suites, which carry one: no further dependency for a single hash.
fn sha256(provider: &CryptoProvider, data: &[u8]) -> Option<[u8; 32]> {
    provider.cipher_suites.iter().find_map(|suite| {
        let digest = suite.tls13()?.common.hash_provider.hash(data);
        digest.as_ref().try_into().ok()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
