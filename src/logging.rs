//! Log lines: text or JSON, to standard error or a rotated file, at a level of ours; what dependencies say counts from
//! warnings up. Nothing from outside can forge a line, and no log that cannot be written stops anything.
//! Knows nothing of what is logged.

pub mod rotation;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::config::schema::{LogFormat, LogSettings, LogThreshold};
use crate::logic::moment::Timestamp;
use crate::logic::outcome::LogLevel;
use crate::logic::printable::printable;
use crate::logic::rfc3339;
use rotation::{RotatedFile, Written};

/// The process's log. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

/// Any thread may log at any time, also within a lock of its own: hence the one mutex of the program, held for one
/// write.
#[derive(Debug)]
struct Shared {
    /// A [`Level`] as [`rank`] counts them.
    threshold: AtomicU8,
    format: AtomicU8,
    sink: Mutex<Sink>,
    file_errors: AtomicU64,
}

#[derive(Debug)]
enum Sink {
    Stderr,
    File(RotatedFile),
}

impl Log {
    /// Starts logging for the whole process. A second call in the same process changes nothing that is logged.
    pub fn start(settings: &LogSettings) -> Self {
        let log = Self::new(settings);
        // Only tests that start twice in one process can fail here, and they lose nothing.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone()));
        log
    }

    fn new(settings: &LogSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                threshold: AtomicU8::new(threshold(settings)),
                format: AtomicU8::new(u8::from(settings.format == LogFormat::Json)),
                sink: Mutex::new(sink(settings)),
                file_errors: AtomicU64::new(0),
            }),
        }
    }

    /// From now on log as `settings` say (a reload); the file is opened anew, in any case.
    pub fn reconfigure(&self, settings: &LogSettings) {
        self.shared.threshold.store(threshold(settings), Ordering::Relaxed);
        self.shared.format.store(u8::from(settings.format == LogFormat::Json), Ordering::Relaxed);
        *self.shared.sink.lock().unwrap_or_else(PoisonError::into_inner) = sink(settings);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Lines that could not be written to the log file since the start.
    pub fn file_errors(&self) -> u64 {
        self.shared.file_errors.load(Ordering::Relaxed)
    }

    fn is_wanted(&self, metadata: &Metadata<'_>) -> bool {
        let threshold = self.shared.threshold.load(Ordering::Relaxed);
        let ours = metadata.target() == "barnabas" || metadata.target().starts_with("barnabas::");
        rank(*metadata.level()) <= if ours { threshold } else { threshold.min(rank(Level::WARN)) }
    }

    fn is_json(&self) -> bool {
        self.shared.format.load(Ordering::Relaxed) == 1
    }

    /// Writes a line to where lines go, and to standard error what cannot go there.
    fn write(&self, line: &str) {
        let mut sink = self.shared.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let Sink::File(file) = &mut *sink else {
            return to_stderr(line);
        };
        match file.write(line.as_bytes(), clock::now()) {
            Written::ToFile => {}
            Written::Recovered(diverted) => {
                to_stderr(&format!("barnabas: the log file is written again; {diverted} lines went here\n"));
            }
            Written::Failed(error) => {
                self.shared.file_errors.fetch_add(1, Ordering::Relaxed);
                to_stderr(&format!(
                    "barnabas: the log file cannot be written, lines go here meanwhile: {error}\n{line}"
                ));
            }
            Written::StillFailed => {
                self.shared.file_errors.fetch_add(1, Ordering::Relaxed);
                to_stderr(line);
            }
        }
    }
}

fn to_stderr(line: &str) {
    // Nobody is left to tell that standard error is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn sink(settings: &LogSettings) -> Sink {
    match &settings.file {
        Some(path) => Sink::File(RotatedFile::new(path.clone(), settings.max_size, settings.keep_files)),
        None => Sink::Stderr,
    }
}

fn threshold(settings: &LogSettings) -> u8 {
    rank(match settings.level {
        LogThreshold::Level(LogLevel::Error) => Level::ERROR,
        LogThreshold::Level(LogLevel::Warn) => Level::WARN,
        LogThreshold::Level(LogLevel::Info) => Level::INFO,
        LogThreshold::Level(LogLevel::Debug) => Level::DEBUG,
        LogThreshold::Trace => Level::TRACE,
    })
}

/// 1 for errors to 5 for traces.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Decided anew after each reload, which rebuilds this cache.
        if self.is_wanted(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.is_wanted(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let levels = [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
        let threshold = usize::from(self.shared.threshold.load(Ordering::Relaxed));
        levels.get(threshold.saturating_sub(1)).copied()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            let fields = span.extensions().get::<Fields>().cloned().unwrap_or_default();
            spans.push((span.name(), fields));
        }
        let line = Line { time: clock::wall_clock(), level: *event.metadata().level(), spans, fields };
        self.write(&if self.is_json() { line.json() } else { line.text() });
    }
}

/// The fields of an event or a span, in their order; the message is one of them.
#[derive(Clone, Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::from(value.to_string()));
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, present)) => *present = value,
            None => self.0.push((field.name(), value)),
        }
    }
}

/// A line before it is written.
struct Line {
    time: Timestamp,
    level: Level,
    /// From the outermost.
    spans: Vec<(&'static str, Fields)>,
    fields: Fields,
}

impl Line {
    /// `2026-11-21T07:00:00.123Z WARN forward{name=a} message key=value`
    fn text(&self) -> String {
        let mut line = format!("{} {}", rfc3339::format(self.time), self.level);
        for (name, fields) in &self.spans {
            let members: Vec<String> = fields.0.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
            // Writing to a String cannot fail.
            let _ = write!(line, " {name}{{{}}}", members.join(" "));
        }
        for (_, value) in self.fields.0.iter().filter(|(name, _)| *name == "message") {
            line.push(' ');
            line.push_str(&printable(value.as_str().unwrap_or_default()));
        }
        for (name, value) in self.fields.0.iter().filter(|(name, _)| *name != "message") {
            let _ = write!(line, " {name}={}", shown(value));
        }
        line.push('\n');
        line
    }

    /// One flat object, the time and the message first: what an event says itself comes before what its spans say.
    fn json(&self) -> String {
        let mut members: Vec<(&str, Value)> = vec![
            ("timestamp", Value::from(rfc3339::format(self.time))),
            ("level", Value::from(self.level.as_str().to_ascii_lowercase())),
        ];
        let of_event = self.fields.0.iter().map(|(name, value)| (*name, value));
        let of_spans = self.spans.iter().rev().flat_map(|(span, fields)| {
            // A span's `name` alone would not say whose name it is.
            fields.0.iter().map(move |(name, value)| (if *name == "name" { *span } else { *name }, value))
        });
        for (name, value) in of_event.chain(of_spans) {
            if members.iter().all(|(present, _)| *present != name) {
                members.push((name, value.clone()));
            }
        }
        let members: Vec<String> =
            members.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
        format!("{{{}}}\n", members.join(","))
    }
}

/// A field's value in a text line: quoted where it would otherwise run into the next field.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains([' ', '"', '=', '\\']) => {
            format!("\"{}\"", printable(&text.replace('\\', "\\\\").replace('"', "\\\"")))
        }
        Value::String(text) => printable(text).into_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "logging/tests.rs"]
mod tests;
