//! The URL of a source of figures: which kind it is, and where. Connects to nothing.

use std::fmt;

use super::schema::HostPort;

/// Where a broker's figures are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A JVM's JMX port: of its registry.
    Rmi(HostPort),
    /// Jolokia's URL.
    Jolokia(String),
    /// The URL of a JMX exporter's text.
    Exporter(String),
}

const FORMS: &str = "jmx://host:port, service:jmx:rmi:///jndi/rmi://host:port/jmxrmi, http://host:port/jolokia or \
                     http://host:port/metrics";

/// Longer hosts are no names (RFC 1035).
const LONGEST_HOST: usize = 255;

impl Address {
    /// Reads a URL in which `{host}` has been replaced.
    ///
    /// # Errors
    /// It is none of the known forms; says which these are.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{what}; the forms are {FORMS}");
        if let Some(rest) = url.strip_prefix("service:jmx:") {
            // What stands before /jndi/ is where a connector server would listen; nobody's is there.
            let (_, registry) = rest.split_once("/jndi/rmi://").ok_or_else(|| wrong("it names no registry"))?;
            let (place, object) = registry.split_once('/').ok_or_else(|| wrong("it names no object"))?;
            if object != "jmxrmi" {
                return Err(wrong("the object's name is always jmxrmi"));
            }
            return host_port(place).map(Self::Rmi).ok_or_else(|| wrong("it has no host and port"));
        }
        if let Some(place) = url.strip_prefix("jmx://") {
            return host_port(place.trim_end_matches('/'))
                .map(Self::Rmi)
                .ok_or_else(|| wrong("it has no host and port"));
        }
        let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
            return Err(wrong("it is of no known kind"));
        };
        if rest.contains('@') {
            return Err("user and password belong into `username` and `password_file`".to_owned());
        }
        match rest.split_once('/').map_or("", |(_, path)| path) {
            "" => Err(wrong("it has no path, so it is not known who answers there")),
            path if path.contains("jolokia") => Ok(Self::Jolokia(url.to_owned())),
            _ => Ok(Self::Exporter(url.to_owned())),
        }
    }

    /// `jmx`, `jolokia` or `exporter`: the value of the label `source`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rmi(_) => "jmx",
            Self::Jolokia(_) => "jolokia",
            Self::Exporter(_) => "exporter",
        }
    }

    /// Whether a password would travel unencrypted, with a `tls` table or without.
    pub(super) fn is_plain(&self, has_tls: bool) -> bool {
        match self {
            Self::Rmi(_) => !has_tls,
            Self::Jolokia(url) | Self::Exporter(url) => !url.starts_with("https:"),
        }
    }
}

fn host_port(place: &str) -> Option<HostPort> {
    let (host, port) = place.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_name = |character: char| character.is_ascii_graphic() && !"/@[]{}?#\"".contains(character);
    if host.is_empty() || host.len() > LONGEST_HOST || !host.chars().all(is_name) {
        return None;
    }
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(HostPort { host: host.to_owned(), port })
}

/// `url` with the broker's host in place of `{host}`, an IPv6 address in brackets.
pub fn for_host(url: &str, host: &str) -> String {
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    let host = if is_bare_ipv6 { format!("[{host}]") } else { host.to_owned() };
    url.replace("{host}", &host)
}

/// A URL for people: without what stands before an `@`, without its query, which may hold a token, and not without end.
pub fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let url = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    };
    let beginning: String = url.chars().take(200).collect();
    crate::logic::printable::printable(&beginning).into_owned()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rmi(place) => write!(f, "jmx://{place}"),
            Self::Jolokia(url) | Self::Exporter(url) => f.write_str(&shown(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rmi(host: &str, port: u16) -> Option<Address> {
        Some(Address::Rmi(HostPort { host: host.to_owned(), port }))
    }

    #[test]
    fn a_url_says_who_answers() {
        let text = str::to_owned;
        for (rule, url, expected) in [
            ("the short form", "jmx://kafka-1:9999", rmi("kafka-1", 9999)),
            ("Java's own form", "service:jmx:rmi:///jndi/rmi://kafka-1:9999/jmxrmi", rmi("kafka-1", 9999)),
            ("with a host that Java ignores", "service:jmx:rmi://x:1/jndi/rmi://h:2/jmxrmi", rmi("h", 2)),
            ("an IPv6 address has brackets", "jmx://[::1]:9999", rmi("::1", 9999)),
            ("or it is no address", "jmx://::1:9999", None),
            ("a port is needed", "jmx://kafka-1", None),
            ("a real one", "jmx://kafka-1:0", None),
            ("there is one object only", "service:jmx:rmi:///jndi/rmi://h:1/other", None),
            ("the registry must be named", "service:jmx:rmi://h:1/stub/rO0", None),
            ("Jolokia by its path", "http://h:8778/jolokia/", Some(Address::Jolokia(text("http://h:8778/jolokia/")))),
            ("the exporter otherwise", "https://h/metrics", Some(Address::Exporter(text("https://h/metrics")))),
            ("nobody without a path", "http://h:8778", None),
            ("a password would be shown", "http://u:p@h/metrics", None),
            ("nor other schemes", "rmi://h:1/jmxrmi", None),
            ("a template must be filled first", "jmx://{host}:9999", None),
        ] {
            assert_eq!(Address::parse(url).ok(), expected, "{rule}: {url}");
        }
    }

    #[test]
    fn a_template_takes_any_host() {
        assert_eq!(for_host("jmx://{host}:9999", "kafka-1"), "jmx://kafka-1:9999");
        assert_eq!(for_host("jmx://{host}:9999", "fe80::1"), "jmx://[fe80::1]:9999");
        assert_eq!(shown("http://user:secret@h/metrics?token=secret"), "http://h/metrics");
    }
}
