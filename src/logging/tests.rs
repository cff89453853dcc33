use super::*;
use serde_json::Map;
use std::path::Path;

fn settings(path: &Path, level: LogThreshold, format: LogFormat) -> LogSettings {
    LogSettings { level, format, file: Some(path.to_owned()), max_size: 1 << 20, keep_files: 1 }
}

/// What `act` logs, line by line, each without the time at its beginning.
fn logged(level: LogThreshold, format: LogFormat, act: impl FnOnce(&Log)) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = Log::new(&settings(&path, level, format));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.clone()), || act(&log));
    let content = std::fs::read_to_string(&path).unwrap_or_default();
    content.lines().map(str::to_owned).collect()
}

const INFO: LogThreshold = LogThreshold::Level(LogLevel::Info);

fn without_time(line: &str) -> &str {
    line.split_once(' ').expect("a time").1
}

#[test]
fn a_text_line_says_who_what_and_with_which_values() {
    let lines = logged(INFO, LogFormat::Text, |_| {
        let span = tracing::info_span!("forward", name = "guance");
        let _entered = span.enter();
        tracing::warn!(status = 503, event = %"event/0/7", detail = "try later", "not delivered");
    });
    assert_eq!(lines.len(), 1);
    assert_eq!(
        without_time(&lines[0]),
        r#"WARN forward{name=guance} not delivered status=503 event=event/0/7 detail="try later""#
    );
    assert!(rfc3339::parse(lines[0].split(' ').next().expect("a time")).is_some(), "{}", lines[0]);
}

#[test]
fn a_json_line_is_one_flat_object() {
    let lines = logged(INFO, LogFormat::Json, |_| {
        let span = tracing::info_span!("forward", name = "guance");
        let _entered = span.enter();
        tracing::warn!(status = 503, "not\ndelivered");
    });
    assert!(lines[0].starts_with("{\"timestamp\":\"20"), "{}", lines[0]);
    let mut object: Map<String, Value> = serde_json::from_str(&lines[0]).expect("JSON");
    assert!(object.remove("timestamp").is_some());
    let expected =
        serde_json::json!({"level": "warn", "message": "not\ndelivered", "status": 503, "forward": "guance"});
    assert_eq!(Value::Object(object), expected);
}

#[test]
fn nothing_from_outside_forges_a_line_or_drives_a_terminal() {
    let lines = logged(INFO, LogFormat::Text, |_| {
        tracing::info!(id = "1\n2026-11-21T07:00:00.000Z ERROR forged", "a\u{1b}[2Jb\r\n2026 ERROR forged");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains('\u{1b}'));
    let lines = logged(INFO, LogFormat::Text, |_| tracing::info!(id = r#"1" level="error"#, "m"));
    assert_eq!(without_time(&lines[0]), r#"INFO m id="1\" level=\"error""#);
}

#[test]
fn our_level_is_ours_and_dependencies_count_from_warnings_up() {
    let speak = |_: &Log| {
        tracing::debug!("ours, for finding out");
        tracing::info!("ours");
        tracing::info!(target: "hyper::proto", "theirs");
        tracing::warn!(target: "rskafka", "theirs, a warning");
        tracing::error!("ours, an error");
    };
    let count = |level| logged(level, LogFormat::Text, speak).len();
    assert_eq!(count(LogThreshold::Trace), 4);
    assert_eq!(count(LogThreshold::Level(LogLevel::Debug)), 4);
    assert_eq!(count(INFO), 3);
    assert_eq!(count(LogThreshold::Level(LogLevel::Warn)), 2);
    assert_eq!(count(LogThreshold::Level(LogLevel::Error)), 1);
}

#[test]
fn a_reload_changes_level_format_and_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let log = Log::new(&settings(&first, INFO, LogFormat::Text));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.clone()), || {
        for round in 0..2 {
            tracing::debug!(round, "detail");
            tracing::info!(round, "news");
            log.reconfigure(&settings(&second, LogThreshold::Level(LogLevel::Debug), LogFormat::Json));
        }
    });
    let read = |path| std::fs::read_to_string(path).expect("a log");
    assert_eq!(read(&first).lines().count(), 1);
    assert_eq!(read(&second).lines().count(), 2);
    assert!(read(&second).starts_with('{'));
}

#[test]
fn a_log_that_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::new(&settings(&folder.path().join("missing/log"), INFO, LogFormat::Text));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.clone()), || {
        tracing::info!("one");
        tracing::info!("two");
    });
    assert_eq!(log.file_errors(), 2);
}
