//! HOST:PORT pairs, as brokers are named in the configuration and on the command line.
//! Resolves nothing; a message never repeats the text it is about, which may be a secret.

use std::net::Ipv6Addr;

use super::schema::HostPort;

/// Reads `host:port`; an IPv6 address stands in brackets, as in `[::1]:9092`. The port must be given.
///
/// # Errors
/// Anything else, with the reason.
pub fn parse_host_port(text: &str) -> Result<HostPort, String> {
    if text.contains("://") {
        return Err("write HOST:PORT, without the protocol".to_owned());
    }
    if text.contains(',') {
        return Err("write one HOST:PORT here; several are several entries".to_owned());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or("the bracket of the IPv6 address is not closed")?;
            address.parse::<Ipv6Addr>().map_err(|_| "what stands in brackets is not an IPv6 address")?;
            (address, after.strip_prefix(':'))
        }
        None if text.matches(':').count() > 1 => {
            return Err("an IPv6 address stands in brackets, as in \"[::1]:9092\"".to_owned());
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.ok_or("the port is missing: write HOST:PORT, as in \"kafka-1:9092\"")?;
    let port = match port.parse::<u16>() {
        // from_str takes "+1".
        Ok(port) if port > 0 && !text.contains('+') => port,
        _ => return Err("the port must be a number from 1 to 65535".to_owned()),
    };
    if host.is_empty() || host.len() > 253 {
        return Err("the host is missing or too long: write HOST:PORT, as in \"kafka-1:9092\"".to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if !host.chars().all(allowed) {
        return Err("a host consists of letters, digits, dots and hyphens".to_owned());
    }
    Ok(HostPort { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_with_ports() {
        for (text, host, port) in [
            ("kafka-1:9092", "kafka-1", 9092),
            ("kafka_1.example.com:65535", "kafka_1.example.com", 65535),
            ("10.0.0.5:1", "10.0.0.5", 1),
            ("[::1]:9092", "::1", 9092),
            ("[2001:db8::7]:9092", "2001:db8::7", 9092),
        ] {
            let parsed = parse_host_port(text).unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
            assert_eq!(parsed.to_string(), text, "it displays as it was written");
        }
    }

    #[test]
    fn what_is_no_host_with_a_port_is_refused() {
        for (rule, text) in [
            ("nothing", ""),
            ("no port", "kafka-1"),
            ("an empty port", "kafka-1:"),
            ("port 0", "kafka-1:0"),
            ("a port beyond 65535", "kafka-1:65536"),
            ("a signed port", "kafka-1:+1"),
            ("a named port", "kafka-1:kafka"),
            ("no host", ":9092"),
            ("IPv6 without brackets", "::1:9092"),
            ("IPv6 without a port", "[::1]"),
            ("an open bracket", "[::1:9092"),
            ("no address in the brackets", "[kafka-1]:9092"),
            ("a listener as Kafka writes it", "PLAINTEXT://kafka-1:9092"),
            ("a list", "kafka-1:9092,kafka-2:9092"),
            ("a space", "kafka 1:9092"),
            ("a path", "kafka-1/x:9092"),
        ] {
            assert!(parse_host_port(text).is_err(), "{rule}: {text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9:\\[\\].+-]{0,20}") {
            if let Ok(parsed) = parse_host_port(&text) {
                prop_assert_eq!(parse_host_port(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
