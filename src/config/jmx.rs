//! `monitor.jmx`: where brokers tell their own figures. One URL for all brokers, or an entry for each. Connects to nothing.

use std::time::Duration;

use litemap::LiteMap;

use super::cluster::{TIME_LIMIT, read_tls};
use super::jmx_address::{Address, for_host};
use super::notify::read_login;
use super::reader::Section;
use super::schema::JmxSettings;
use super::suggestion::hint;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Stands for each broker's own host.
const HOST: &str = "{host}";
/// Kafka's ids of brokers are not negative.
const LARGEST_ID: u64 = i32::MAX as u64;

/// Reads the key, by cluster; `watched` are the clusters that an entry may be about.
pub(super) fn read_jmx(section: &mut Section<'_>, watched: &[String]) -> LiteMap<String, Vec<JmxSettings>> {
    let mut sources: LiteMap<String, Vec<JmxSettings>> = LiteMap::new();
    if !section.is_array("jmx") {
        if let Some(url) = section.parsed("jmx", "a URL or an array of tables", |url| parse_url(url, None)) {
            let source = JmxSettings { broker: None, url, username: None, password: None, tls: None, timeout: TIMEOUT };
            sources.extend(watched.iter().map(|cluster| (cluster.clone(), vec![source.clone()])));
        }
        return sources;
    }
    for entry in section.sections("jmx") {
        let (place, reading) = (entry.span.clone(), entry.reading);
        let Some((cluster, source)) = read_entry(entry, watched) else { continue };
        let of_cluster = sources.entry(cluster).or_default();
        if of_cluster.iter().any(|other| other.broker == source.broker) {
            let whom = source.broker.map_or("all brokers".to_owned(), |broker| format!("broker {broker}"));
            reading.problem(place, format!("another entry of `jmx` is about {whom}, too"), None);
        }
        of_cluster.push(source);
    }
    sources
}

fn read_entry(mut entry: Section<'_>, watched: &[String]) -> Option<(String, JmxSettings)> {
    entry.require("url", "url = \"jmx://kafka-1:9999\"");
    let cluster = read_cluster(&mut entry, watched);
    let broker = entry.integer("broker", 0..=LARGEST_ID).and_then(|number| i32::try_from(number).ok());
    // A number that is wrong is a broker all the same.
    let named = entry.has("broker").then_some(broker.unwrap_or(0));
    let url = entry.parsed("url", "a string", |url| parse_url(url, named));
    let login = read_login(&mut entry);
    let tls = entry.section("tls").map(read_tls);
    let timeout = entry.duration("timeout", TIME_LIMIT).unwrap_or(TIMEOUT);
    if let Some(address) = url.as_deref().and_then(|url| Address::parse(&for_host(url, "host")).ok()) {
        let is_plain = address.is_plain(tls.is_some());
        if is_plain && tls.is_some() {
            let hint = Some("write https://, or remove it".to_owned());
            entry.problem_at("tls", "it has no effect, because the URL begins with http://", hint);
        }
        if is_plain && login.is_some() {
            let instead = if address.kind() == "jmx" { "`tls`" } else { "https" };
            let message = format!("{} sends its password unencrypted; use {instead}", entry.title());
            entry.reading.warning(entry.span.start, message);
        }
    }
    entry.finish();
    let (username, password) = login.unzip();
    Some((cluster?, JmxSettings { broker, url: url?, username, password, tls, timeout }))
}

/// The cluster that an entry is about: the only one that is watched, unless it says which.
fn read_cluster(entry: &mut Section<'_>, watched: &[String]) -> Option<String> {
    match (entry.text("cluster"), watched) {
        (Some(name), _) if watched.contains(&name) => Some(name),
        (Some(name), _) => {
            let hint = hint(&name, watched.iter().map(String::as_str), "clusters");
            entry.problem_at("cluster", "no such cluster is watched", hint);
            None
        }
        (None, [only]) => Some(only.clone()),
        // Where there is no cluster at all, that is said elsewhere.
        (None, []) => None,
        (None, _) => {
            let message = "`cluster` is missing in [[monitor.jmx]]: several clusters are watched";
            let hint = Some(format!("one of: {}", watched.join(", ")));
            entry.reading.problem(entry.span.clone(), message, hint);
            None
        }
    }
}

/// `broker`: that of the entry, which then need not be told apart by its host.
fn parse_url(url: &str, broker: Option<i32>) -> Result<String, String> {
    Address::parse(&for_host(url, "host"))?;
    if broker.is_none() && !url.contains(HOST) {
        return Err(format!(
            "without {HOST} it is the same for every broker; write \"jmx://{HOST}:9999\", or a list of \
             {{ broker = 1, url = \"…\" }}"
        ));
    }
    Ok(url.to_owned())
}
