//! The JMX exporter's text, matched to the figures. Which names it has is up to its operator's rules, so a line is
//! recognised in two ways: by the object name and attribute that the exporter puts into `# HELP`, and by the names that
//! its default and its widely used sample rules give. Knows no HTTP.

use litemap::LiteMap;

use super::beans::{BEANS, Bean};
use super::{Quantity, Readings};

/// Longer lines are none of the figures'.
const MAX_LINE: usize = 8 * 1024;
const MAX_LABELS: usize = 32;
/// Labels that tell a part from the whole: a line that has one is about one topic, not about the broker.
const PARTS: [&str; 6] = ["topic", "partition", "listener", "networkprocessor", "clientid", "delayedoperation"];

/// What the exporter's text says. `wall_clock_seconds` is now, in seconds since 1970: where the JVM's uptime is not shown
/// it follows from `process_start_time_seconds`.
///
/// # Errors
/// No line of it is Prometheus' text format; a sentence.
pub fn readings(text: &str, wall_clock_seconds: f64) -> Result<Readings, String> {
    let names = known_names();
    let mut readings = Readings::default();
    let mut family = Family::default();
    let mut lines = 0_usize;
    for line in text.lines().filter(|line| line.len() <= MAX_LINE) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = Family::of(help);
        } else if !line.starts_with('#')
            && let Some(line) = Line::parse(line)
        {
            lines += 1;
            take(&mut readings, &names, &family, &line, wall_clock_seconds);
        }
    }
    if lines == 0 {
        return Err("the answer is not Prometheus' text format".to_owned());
    }
    Ok(readings)
}

/// `name{label="value",…} number`
struct Line<'a> {
    name: &'a str,
    labels: Vec<(String, String)>,
    value: f64,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' ', '\t'])?;
        let (name, rest) = line.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => parse_labels(rest)?,
            None => (Vec::new(), rest),
        };
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }

    fn label(&self, wanted: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    fn is_of_a_part(&self) -> bool {
        self.labels.iter().any(|(name, _)| PARTS.contains(&name.as_str()))
    }

    /// `quantile="0.99"` is the attribute `99thPercentile`.
    fn percentile(&self) -> Option<&'static str> {
        let quantile: f64 = self.label("quantile")?.parse().ok()?;
        [(0.5, "50thPercentile"), (0.99, "99thPercentile")]
            .into_iter()
            .find(|(known, _)| (known - quantile).abs() < 1e-9)
            .map(|(_, name)| name)
    }
}

/// The labels, their names [`plain`], and what follows the closing brace.
fn parse_labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, character) => value.push(character),
            }
        };
        if labels.len() >= MAX_LABELS {
            return None;
        }
        labels.push((plain(name), value));
        rest = after.get(end + 1..)?;
    }
}

/// Small letters and digits alone: rules differ in how they spell the rest.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// What `# HELP` says of the lines below it.
#[derive(Default)]
struct Family {
    metric: String,
    /// Domain, type, name, attribute.
    object: Option<(String, String, Option<String>, String)>,
}

impl Family {
    fn of(help: &str) -> Self {
        let (metric, text) = help.split_once(' ').unwrap_or((help, ""));
        Self { metric: metric.to_owned(), object: object_by_keys(text).or_else(|| object_by_brackets(text)) }
    }

    fn covers(&self, name: &str) -> bool {
        name.strip_prefix(self.metric.as_str()).is_some_and(|rest| matches!(rest, "" | "_total" | "_count"))
    }
}

/// `… kafka.server:name=BytesInPerSec,type=BrokerTopicMetrics,attribute=Count` (1.0 and later).
fn object_by_keys(text: &str) -> Option<(String, String, Option<String>, String)> {
    let (text, attribute) = text.rsplit_once(",attribute=")?;
    let (text, kind) = text.rsplit_once(",type=")?;
    let (text, name) = text.rsplit_once(":name=")?;
    let domain = text.rsplit(' ').next()?;
    let name = (name != "null").then(|| name.to_owned());
    Some((domain.to_owned(), kind.to_owned(), name, attribute.to_owned()))
}

/// `… (kafka.server<type=BrokerTopicMetrics, name=BytesInPerSec><>Count)` (before).
fn object_by_brackets(text: &str) -> Option<(String, String, Option<String>, String)> {
    let (text, attribute) = text.rsplit_once("><>")?;
    let (domain, keys) = text.rsplit_once('<')?;
    let domain = domain.rsplit(['(', ' ']).next()?;
    let key =
        |wanted: &str| keys.split(", ").find_map(|key| key.strip_prefix(wanted)?.strip_prefix('=')).map(str::to_owned);
    Some((domain.to_owned(), key("type")?, key("name"), attribute.trim_end_matches(')').to_owned()))
}

/// What a plain name of a metric stands for.
struct Meaning {
    what: What,
    /// Labels that the line must have.
    labels: Vec<(String, &'static str)>,
}

#[derive(Clone, Copy)]
enum What {
    /// An attribute of a quantity.
    Attribute(Quantity, &'static str),
    /// Percentiles; which one, the label `quantile` says.
    Percentiles(Quantity),
    /// The mean, if the name ends with `_percent`: so do the sample rules spell it. Without the underscore nobody knows
    /// which attribute it is.
    PercentByMean(Quantity),
    /// The counts of requests by their kind.
    Requests,
    /// Seconds of CPU time.
    CpuSeconds,
    /// Seconds since 1970.
    StartSeconds,
}

type Names = LiteMap<String, Vec<Meaning>>;

fn known_names() -> Names {
    let mut names = Names::new();
    let mut add = |name: &str, what, labels| names.entry(plain(name)).or_default().push(Meaning { what, labels });
    for bean in BEANS {
        names_of(bean, &mut add);
    }
    // As the rules for counters with and without "PerSec" spell it; the last is the default.
    for ending in ["requests_total", "requestsPerSec_total", "requestsPerSec_count", "requestsPerSec_count_total"] {
        add(&format!("kafka_network_RequestMetrics_{ending}"), What::Requests, Vec::new());
    }
    add("kafka_network_RequestMetrics_Count", What::Requests, vec![("name".to_owned(), "RequestsPerSec")]);
    // What the exporter has of its own JVM, in both spellings.
    for (names, item) in [
        (["jvm_memory_used_bytes", "jvm_memory_bytes_used"], "HeapMemoryUsage.used"),
        (["jvm_memory_max_bytes", "jvm_memory_bytes_max"], "HeapMemoryUsage.max"),
    ] {
        for name in names {
            add(name, What::Attribute(Quantity::Heap, item), vec![("area".to_owned(), "heap")]);
        }
    }
    add("process_cpu_seconds_total", What::CpuSeconds, Vec::new());
    add("process_start_time_seconds", What::StartSeconds, Vec::new());
    names
}

fn names_of(bean: &Bean, add: &mut impl FnMut(&str, What, Vec<(String, &'static str)>)) {
    let kind = bean.key("type").unwrap_or_default();
    let beside = |besides: &[&str]| -> Vec<(String, &'static str)> {
        let keys = bean.keys.iter().filter(|(key, _)| !besides.contains(key));
        keys.map(|(key, value)| (plain(key), *value)).collect()
    };
    for attribute in bean.keeps() {
        let what = What::Attribute(bean.quantity, attribute);
        // The default: the type in the name, the other keys as labels.
        add(&format!("{}_{kind}_{attribute}", bean.domain), what, beside(&["type"]));
        let Some(name) = bean.key("name") else { continue };
        let whole = format!("{}_{kind}_{name}", bean.domain);
        let labels = || beside(&["type", "name"]);
        add(&format!("{whole}_{attribute}"), what, labels());
        match attribute {
            "Count" => {
                add(&format!("{whole}_total"), what, labels());
                add(&format!("{whole}_count_total"), what, labels());
                if let Some(counted) = whole.strip_suffix("PerSec") {
                    add(&format!("{counted}_total"), what, labels());
                }
            }
            "Value" => add(&whole, what, labels()),
            "MeanRate" if name.ends_with("Percent") => add(&whole, What::PercentByMean(bean.quantity), labels()),
            "99thPercentile" => add(&whole, What::Percentiles(bean.quantity), labels()),
            _ => {}
        }
    }
}

fn take(readings: &mut Readings, names: &Names, family: &Family, line: &Line<'_>, wall_clock: f64) {
    if line.is_of_a_part() {
        return;
    }
    if let Some((quantity, attribute)) = by_help(family, line) {
        readings.add(quantity, attribute, line.value);
        return;
    }
    let meanings = names.get(&plain(line.name)).into_iter().flatten();
    for meaning in
        meanings.filter(|meaning| meaning.labels.iter().all(|(name, value)| line.label(name) == Some(*value)))
    {
        match meaning.what {
            What::Attribute(quantity, attribute) => readings.add(quantity, attribute, line.value),
            What::Percentiles(quantity) => {
                if let Some(attribute) = line.percentile() {
                    readings.add(quantity, attribute, line.value);
                }
            }
            What::PercentByMean(quantity) if line.name.ends_with("_percent") => {
                readings.add(quantity, "MeanRate", line.value);
            }
            What::PercentByMean(_) => {}
            What::Requests => readings.add_requests(line.label("request").unwrap_or_default(), line.value),
            What::CpuSeconds => readings.add(Quantity::System, "ProcessCpuTime", line.value * 1e9),
            What::StartSeconds => {
                // The JVM's own figures are better where they are shown, whichever come first.
                let missing = |attribute| readings.get(Quantity::Runtime, attribute).is_none();
                let (start, uptime) = (missing("StartTime"), missing("Uptime"));
                if start {
                    readings.add(Quantity::Runtime, "StartTime", line.value * 1e3);
                }
                if uptime {
                    readings.add(Quantity::Runtime, "Uptime", (wall_clock - line.value) * 1e3);
                }
            }
        }
    }
}

/// By the object name and attribute that `# HELP` tells. Families share one text, so labels go before it.
fn by_help(family: &Family, line: &Line<'_>) -> Option<(Quantity, &'static str)> {
    if !family.covers(line.name) {
        return None;
    }
    let (domain, kind, name, attribute) = family.object.as_ref()?;
    let name = line.label("name").or(name.as_deref());
    let attribute = line.percentile().unwrap_or(attribute);
    BEANS.iter().find_map(|bean| {
        let is_it = bean.domain == domain
            && bean.keys.iter().all(|(key, value)| match *key {
                "type" => value == kind,
                "name" => name == Some(value),
                key => line.label(&plain(key)) == Some(value),
            });
        let attribute = bean.keeps().find(|kept| *kept == attribute).filter(|_| is_it)?;
        Some((bean.quantity, attribute))
    })
}
