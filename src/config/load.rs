//! From a file to checked settings: reads the file, its top level and the small tables; what is larger has
//! files of its own. All problems of a file are found in one go, unless it is not TOML at all.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use litemap::LiteMap;
use toml::de::DeTable;

use super::alert::{self, read_alerts};
use super::cluster::read_clusters;
use super::error::ConfigError;
use super::forward::read_forward;
use super::interpolate::{Environment, Lookup};
use super::locations::Locations;
use super::monitor::{self, read_monitor};
use super::notify::read_channels;
use super::reader::{Notes, Reading, Section};
use super::schema::{
    ClusterSettings, Config, ForwardSettings, HttpSettings, LogFormat, LogSettings, LogThreshold, StateSettings,
};
use super::source::Source;
use crate::logic::alert::Source as MetricSource;
use crate::logic::outcome::LogLevel;

/// The largest configuration file, in bytes.
const LARGEST_FILE: u64 = 1 << 20;
/// What the path of a Unix socket may have (sun_path with its terminating zero, unix(7)), in bytes.
const LONGEST_SOCKET_PATH: usize = 107;

/// A configuration, and where each of its keys stands in the file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// For errors that are only found by using it.
    pub locations: Locations,
}

/// Reads and checks the configuration file at `path`, and the files that it names. Connects to nothing.
///
/// # Errors
/// All problems that were found, with their places. Secrets are masked.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, ConfigError> {
    let file = path.display().to_string();
    let failed = |message: String| ConfigError::of_file(&file, message);
    let text = read_file(path).map_err(failed)?;
    let absolute = std::path::absolute(path).map_err(|error| failed(format!("cannot be found: {error}")))?;
    let mut source = Source::new(file.clone(), text.clone());
    let table = DeTable::parse(&text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ConfigError { problems: vec![source.problem(span, format!("not TOML: {}", error.message()), None)] }
    })?;
    source.mask_exactly(table.get_ref());

    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let lookup = Lookup { environment, folder };
    let reading = Reading { source: &source, lookup, notes: RefCell::new(Notes::default()) };
    let (mut config, forwards) = read_config(Section::top(&reading, &table), absolute.clone());
    if reading.notes.borrow().holds_a_secret {
        reading.warn_if_readable_by_others(0, &absolute);
    }
    let mut notes = reading.notes.into_inner();
    notes.problems.sort_by_key(|(byte, _)| *byte);
    notes.warnings.sort_by_key(|(byte, _)| *byte);
    if !notes.problems.is_empty() {
        return Err(ConfigError { problems: notes.problems.into_iter().map(|(_, problem)| problem).collect() });
    }
    config.warnings = notes.warnings.into_iter().map(|(_, warning)| warning).collect();
    let locations = Locations::new(source, table.get_ref(), forwards);
    Ok(Loaded { config, locations })
}

fn read_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err("is larger than 1 MiB; that is no configuration".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8 in line {line}; save it as UTF-8")
    })
}

/// Also says which forward stands where.
fn read_config(mut top: Section<'_>, path: PathBuf) -> (Config, LiteMap<String, usize>) {
    let shutdown_timeout = read_process(top.section("process"));
    let clusters = read_clusters(&mut top);
    if !top.has("kafka") && !top.has("clusters") {
        let hint = "add [kafka] with bootstrap_servers = [\"kafka-1:9092\"]";
        top.reading.problem_with_file("there is no Kafka cluster", hint);
    }
    let state = read_state(top.section("state"));
    let control_socket = read_control(&mut top, &state);
    let log = read_log(top.section("log"));
    let http = top.section("http").and_then(read_http);
    let (forwards, places) = read_forwards(&mut top, &clusters);
    let mut monitor = top.section("monitor").map(|section| read_monitor(section, &clusters));
    let (channels, channel_names) = read_channels(&mut top);
    let watched =
        monitor.as_ref().map_or_else(|| clusters.keys().cloned().collect(), |monitor| monitor.clusters.clone());
    let known = alert::Known {
        clusters: &watched,
        channels: &channel_names,
        forwards: forwards.iter().map(|forward| forward.name.as_str()).collect(),
    };
    let alerts = read_alerts(&mut top, &known);
    // Who asks about a cluster wants it watched.
    if monitor.is_none() && alerts.iter().any(|rule| rule.metric.source == MetricSource::Cluster) {
        monitor = Some(monitor::defaults(&clusters));
    }
    top.finish();
    let warnings = Vec::new();
    let config = Config {
        path,
        shutdown_timeout,
        clusters,
        state,
        control_socket,
        log,
        http,
        forwards,
        monitor,
        alerts,
        channels,
        warnings,
    };
    (config, places)
}

fn read_process(section: Option<Section<'_>>) -> Duration {
    let default = Duration::from_secs(25);
    let Some(mut section) = section else {
        return default;
    };
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    let shutdown_timeout = section.duration("shutdown_timeout", range).unwrap_or(default);
    section.finish();
    shutdown_timeout
}

fn read_state(section: Option<Section<'_>>) -> StateSettings {
    let mut state = StateSettings { dir: PathBuf::from("/var/lib/barnabas"), commit_interval: Duration::from_secs(1) };
    let Some(mut section) = section else {
        return state;
    };
    state.dir = section.path("dir").unwrap_or(state.dir);
    let range = Duration::ZERO..=Duration::from_secs(3600);
    state.commit_interval = section.duration("commit_interval", range).unwrap_or(state.commit_interval);
    section.finish();
    state
}

fn read_control(top: &mut Section<'_>, state: &StateSettings) -> PathBuf {
    let section = top.section("control");
    let given = section.and_then(|mut section| {
        let socket = section.path("socket");
        section.finish();
        socket
    });
    let socket = given.unwrap_or_else(|| state.dir.join("barnabas.sock"));
    if socket.as_os_str().len() > LONGEST_SOCKET_PATH {
        let message = format!("the path of the control socket is longer than {LONGEST_SOCKET_PATH} bytes");
        let hint = "give a shorter one: [control] socket = \"/run/barnabas/control.sock\"";
        top.reading.problem_with_file(&message, hint);
    }
    socket
}

fn read_log(section: Option<Section<'_>>) -> LogSettings {
    let mut log = LogSettings {
        level: LogThreshold::Level(LogLevel::Info),
        format: LogFormat::Text,
        file: None,
        max_size: 10 << 20,
        keep_files: 5,
    };
    let Some(mut section) = section else {
        return log;
    };
    let levels = [
        ("error", LogThreshold::Level(LogLevel::Error)),
        ("warn", LogThreshold::Level(LogLevel::Warn)),
        ("info", LogThreshold::Level(LogLevel::Info)),
        ("debug", LogThreshold::Level(LogLevel::Debug)),
        ("trace", LogThreshold::Trace),
    ];
    log.level = section.choice("level", &levels).unwrap_or(log.level);
    log.format =
        section.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]).unwrap_or(log.format);
    log.file = section.path("file");
    log.max_size = section.size("max_size", 64 << 10..=1 << 40).unwrap_or(log.max_size);
    let keep_files = section.integer("keep_files", 0..=1000).and_then(|number| u32::try_from(number).ok());
    log.keep_files = keep_files.unwrap_or(log.keep_files);
    section.finish();
    log
}

fn read_http(mut section: Section<'_>) -> Option<HttpSettings> {
    let listen = section.parsed("listen", "a string", |text| {
        let form = "it must be an address and a port, as in \"127.0.0.1:9863\" or \"[::1]:9863\"";
        text.parse::<SocketAddr>().map_err(|_| form.to_owned())
    });
    let hosts = section.list("hosts", |host| Ok(host.to_owned())).unwrap_or_default();
    if let Some(listen) = listen
        && !listen.ip().is_loopback()
    {
        let warning = format!("the pages on {listen} can be read by whoever reaches this address");
        section.reading.warning(section.span_of("listen").start, warning);
    }
    section.finish();
    listen.map(|listen| HttpSettings { listen, hosts })
}

fn read_forwards(
    top: &mut Section<'_>,
    clusters: &LiteMap<String, ClusterSettings>,
) -> (Vec<ForwardSettings>, LiteMap<String, usize>) {
    let mut forwards: Vec<ForwardSettings> = Vec::new();
    let mut places = LiteMap::new();
    for (index, section) in top.sections("forward").into_iter().enumerate() {
        let place = section.span_of("name");
        let forward = read_forward(section, clusters);
        if !forward.name.is_empty() && places.insert(forward.name.clone(), index).is_some() {
            let hint = Some("the name identifies the offsets in the state; give each forward its own".to_owned());
            top.reading.problem(place, "another forward has this name", hint);
        }
        forwards.push(forward);
    }
    (forwards, places)
}
