//! `[kafka]` and `[clusters.NAME]`, and the `tls` table, which is the same everywhere. Connects to nothing.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use litemap::LiteMap;
use rustls_pki_types::ServerName;

use super::address::parse_host_port;
use super::reader::Section;
use super::schema::{ClusterSettings, HostPort, SaslMechanism, SaslSettings, TlsSettings};

/// What any network call may take at most.
pub(super) const TIME_LIMIT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

/// Reads all clusters, by name.
pub(super) fn read_clusters(top: &mut Section<'_>) -> LiteMap<String, ClusterSettings> {
    let mut clusters = LiteMap::new();
    if let Some(section) = top.section("kafka") {
        clusters.insert("default".to_owned(), read_cluster("default", section));
    }
    for (name, span, section) in top.named_sections("clusters") {
        if let Err(message) = check_name(name) {
            top.reading.problem(span.clone(), format!("the name of a cluster: {message}"), None);
        }
        if clusters.contains_key(name) {
            let hint = Some("[kafka] is short for [clusters.default]; keep one of them".to_owned());
            top.reading.problem(span, "the cluster `default` is there twice", hint);
        }
        clusters.insert(name.to_owned(), read_cluster(name, section));
    }
    clusters
}

/// What a cluster or a forward may be called. Names stand in keys of the state, in header fields and in URLs.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        return Err("a name has 1 to 100 letters (a to z), digits, dots, hyphens and underscores".to_owned());
    }
    Ok(())
}

fn read_cluster(name: &str, mut section: Section<'_>) -> ClusterSettings {
    section.require("bootstrap_servers", "bootstrap_servers = [\"kafka-1:9092\"]");
    let cluster = ClusterSettings {
        name: name.to_owned(),
        bootstrap_servers: section.list("bootstrap_servers", parse_host_port).unwrap_or_default(),
        client_id: section.parsed("client_id", "a string", parse_client_id).unwrap_or_else(|| "barnabas".to_owned()),
        request_timeout: section.duration("request_timeout", TIME_LIMIT).unwrap_or(Duration::from_secs(10)),
        addresses: read_addresses(&mut section),
        tls: section.section("tls").map(read_tls),
        sasl: section.section("sasl").map(read_sasl),
    };
    let plain = cluster.sasl.as_ref().is_some_and(|sasl| sasl.mechanism == SaslMechanism::Plain);
    if plain && cluster.tls.is_none() {
        let title = section.title();
        section.reading.warning(
            section.span_of("sasl").start,
            format!("{title} sends its password unencrypted (SASL PLAIN without `tls`); add `tls`, or use SCRAM"),
        );
    }
    section.finish();
    cluster
}

fn parse_client_id(text: &str) -> Result<String, String> {
    if text.len() > 255 || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err("a client id has at most 255 visible ASCII characters and no space".to_owned());
    }
    Ok(text.to_owned())
}

fn read_addresses(section: &mut Section<'_>) -> LiteMap<HostPort, HostPort> {
    let mut addresses = LiteMap::new();
    for (advertised, span, text) in section.entries("addresses") {
        let problem = |span, message| {
            section.reading.problem(span, format!("`addresses` {}: {message}", section.place()), None);
        };
        match (parse_host_port(advertised), parse_host_port(&text.value)) {
            (Ok(advertised), Ok(reachable)) => {
                addresses.insert(advertised, reachable);
            }
            (Err(message), _) => problem(span, message),
            (_, Err(message)) => problem(text.span, message),
        }
    }
    addresses
}

fn read_sasl(mut section: Section<'_>) -> SaslSettings {
    section.require("mechanism", "mechanism = \"SCRAM-SHA-512\"");
    section.require("username", "username = \"barnabas\"");
    let mechanisms = [
        ("PLAIN", SaslMechanism::Plain),
        ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
        ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
    ];
    let sasl = SaslSettings {
        mechanism: section.choice("mechanism", &mechanisms).unwrap_or(SaslMechanism::ScramSha512),
        username: section.text("username").unwrap_or_default(),
        password: section.secret("password", "password_file").unwrap_or_else(|| super::schema::Secret::new("")),
    };
    section.finish();
    sasl
}

/// Reads a `tls` table.
pub(super) fn read_tls(mut section: Section<'_>) -> TlsSettings {
    let tls = TlsSettings {
        ca_file: section.readable_file("ca_file"),
        cert_file: section.readable_file("cert_file"),
        key_file: section.readable_file("key_file"),
        server_name: section.parsed("server_name", "a string", parse_server_name),
        fingerprint_sha256: section.parsed("fingerprint_sha256", "a string", parse_fingerprint),
    };
    for (key, missing) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if section.has(key) && !section.has(missing) {
            section.problem_at(key, format!("`{missing}` is missing; a client certificate needs both"), None);
        }
    }
    if section.has("ca_file") && section.has("fingerprint_sha256") {
        let hint = "the fingerprint accepts that very certificate, whoever signed it; keep one of them";
        section.problem_at("ca_file", "it has no effect beside `fingerprint_sha256`", Some(hint.to_owned()));
    }
    if let Some(path) = &tls.key_file {
        section.reading.warn_if_readable_by_others(section.span_of("key_file").start, Path::new(path));
    }
    section.finish();
    tls
}

fn parse_server_name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("it must be a host name or an address, without a port".to_owned()),
    }
}

/// 32 bytes in hexadecimal digits, with or without colons between the bytes (openssl writes them, in capitals).
fn parse_fingerprint(text: &str) -> Result<[u8; 32], String> {
    const FORM: &str = "a SHA-256 fingerprint is 64 hexadecimal digits, also as \"AB:CD:…\"; see `openssl x509 -in \
                        FILE -noout -fingerprint -sha256`";
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or(FORM)?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0_u8, |byte, digit| byte.wrapping_shl(4) | digit)).collect();
    let colons_between_bytes = text.split(':').all(|part| part.len() == 2) || !text.contains(':');
    match <[u8; 32]>::try_from(bytes) {
        Ok(fingerprint) if digits.len() == 64 && colons_between_bytes => Ok(fingerprint),
        _ => Err(FORM.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_and_others_write_them() {
        let colons = ["AB"; 32].join(":");
        for text in [colons.as_str(), &"ab".repeat(32), &"aB".repeat(32)] {
            assert_eq!(parse_fingerprint(text), Ok([0xab; 32]), "{text}");
        }
        let digits: Vec<String> = (0..32).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(parse_fingerprint(&digits.join("")).unwrap()[31], 31);
        for (rule, text) in [
            ("nothing", String::new()),
            ("SHA-1", "ab".repeat(20)),
            ("too long", "ab".repeat(33)),
            ("an odd number of digits", "ab".repeat(31) + "a"),
            ("no digits", "xy".repeat(32)),
            ("a colon inside a byte", "a:b".repeat(32)),
            ("openssl's label with it", format!("sha256 Fingerprint={colons}")),
        ] {
            assert!(parse_fingerprint(&text).is_err(), "{rule}: {text}");
        }
    }
}
