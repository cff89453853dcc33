//! The configuration as a whole: one file with every key, one with the fewest, and the files of tests/bad-config,
//! each named after its fault and beside the exact text that its author is shown.

mod monitor;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use litemap::LiteMap;

use super::schema::*;
use super::{ConfigError, Environment, Loaded, load};
use crate::logic::moment::Timestamp;
use crate::logic::outcome::{LogLevel, Outcome};
use crate::logic::prepare::Order;
use crate::logic::start_position::{OnOutOfRange, Start};

const SMALLEST: &str = r#"
    [kafka]
    bootstrap_servers = ["kafka-1:9092"]
    [[forward]]
    name = "a"
    topics = ["event"]
    [forward.webhook]
    url = "https://omp.example.com/"
"#;

fn environment() -> Environment {
    let variables = [
        ("SERVER", "kafka-7:9092"),
        ("EMPTY", ""),
        ("KAFKA_PASSWORD", "hunter2"),
        ("OMP_TOKEN", "hunter2"),
        ("HEARTBEAT", "hunter2"),
        ("SMTP_PASSWORD", "hunter2"),
        ("ROBOT_TOKEN", "hunter2"),
        ("ROBOT_SECRET", "hunter2"),
    ];
    Environment {
        variables: variables.map(|(name, value)| (name.to_owned(), OsString::from(value))).into_iter().collect(),
        credentials_directory: None,
    }
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("barnabas.toml");
    std::fs::write(&path, text).unwrap();
    load(&path, &environment())
}

#[track_caller]
fn good(text: &str) -> Config {
    load_text(text).unwrap_or_else(|error| panic!("{error}")).config
}

#[track_caller]
fn bad(text: &str) -> String {
    load_text(text).expect_err("a refusal").to_string()
}

/// Set this to write the `.expected` files anew; then read them.
const REWRITE: &str = "BARNABAS_REWRITE_EXPECTED";

#[test]
fn every_bad_configuration_is_refused_with_exactly_its_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-config");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert!(files.len() > 30, "the files are there");
    for file in files {
        let error = load(&file, &environment()).expect_err(&format!("{} should be refused", file.display()));
        let shown = error.to_string().replace(&format!("{}/", folder.display()), "") + "\n";
        assert!(!shown.contains("hunter2"), "a secret is shown:\n{shown}");
        let expected = file.with_extension("expected");
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(&expected, &shown).unwrap();
        }
        assert_eq!(shown, std::fs::read_to_string(&expected).unwrap(), "{}", file.display());
    }
}

#[test]
fn the_smallest_file_has_every_default() {
    let config = good(SMALLEST);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(25));
    assert_eq!(config.state.dir, Path::new("/var/lib/barnabas"));
    assert_eq!(config.state.commit_interval, Duration::from_secs(1));
    assert_eq!(config.control_socket, Path::new("/var/lib/barnabas/barnabas.sock"));
    assert_eq!(config.http, None);
    assert_eq!((&config.monitor, config.alerts.len(), config.channels.len()), (&None, 0, 0));
    assert_eq!(config.warnings, [""; 0]);
    let cluster = config.clusters.get("default").unwrap();
    assert_eq!((cluster.client_id.as_str(), cluster.request_timeout), ("barnabas", Duration::from_secs(10)));
    assert_eq!((&cluster.tls, &cluster.sasl), (&None, &None));
    let forward = &config.forwards[0];
    assert_eq!((forward.cluster.as_str(), forward.offsets), ("default", OffsetsMode::Local));
    assert_eq!((forward.start, forward.on_out_of_range), (Start::Latest, OnOutOfRange::Earliest));
    assert_eq!((forward.on_invalid, &forward.steps.order), (OnInvalid::DeadLetter, &Order::Partition));
    assert_eq!((forward.max_in_flight, forward.buffer_size, forward.max_record_size), (16, 8 << 20, 4 << 20));
    let webhook = &forward.webhook;
    assert_eq!((webhook.method.as_str(), webhook.timeout), ("POST", Duration::from_secs(10)));
    assert_eq!((webhook.connect_timeout, webhook.max_response_size), (Duration::from_secs(5), 64 << 10));
    assert_eq!(webhook.idempotency_header.as_deref(), Some("Idempotency-Key"));
    assert_eq!(webhook.headers, [("Content-Type".to_owned(), Secret::new("application/json"))]);
    assert_eq!((forward.retry.initial, forward.retry.max), (Duration::from_millis(200), Duration::from_secs(30)));
    assert_eq!((forward.retry.give_up_after, forward.retry.poison_after), (None, Some(Duration::from_secs(3600))));
    assert_eq!(forward.dead_letters.max_size, 256 << 20);
    assert_eq!(forward.dead_letters.max_age, Some(Duration::from_secs(30 * 24 * 3600)));
}

#[test]
fn every_key_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("ca.pem", ""), ("us.pem", ""), ("us.key", ""), ("password", "hunter2\n"), ("t", "T")] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let path = folder.path().join("barnabas.toml");
    std::fs::write(&path, include_str!("every_key.toml")).unwrap();
    let config = load(&path, &environment()).unwrap_or_else(|error| panic!("{error}")).config;
    monitor::check_every_key(&config, folder.path());
    let here = |name: &str| folder.path().join(name);

    assert_eq!(config.path, path);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(40));
    assert_eq!((config.state.dir, config.state.commit_interval), (here("state"), Duration::ZERO));
    assert_eq!(config.control_socket, Path::new("/run/c.sock"));
    assert_eq!((config.log.level, config.log.format), (LogThreshold::Trace, LogFormat::Json));
    assert_eq!((config.log.file, config.log.max_size, config.log.keep_files), (Some(here("b.log")), 1 << 20, 2));
    let http = config.http.unwrap();
    assert_eq!((http.listen, http.hosts), ("[::1]:9863".parse().unwrap(), vec!["pages.example.com".to_owned()]));

    let cluster = config.clusters.get("east").unwrap();
    let servers: Vec<String> = cluster.bootstrap_servers.iter().map(HostPort::to_string).collect();
    assert_eq!(servers, ["[::1]:9092", "kafka-7:9092"]);
    assert_eq!((cluster.client_id.as_str(), cluster.request_timeout), ("me", Duration::from_millis(1500)));
    let addresses: Vec<String> = cluster.addresses.iter().map(|(from, to)| format!("{from}>{to}")).collect();
    assert_eq!(addresses, ["kafka-1:9092>10.0.0.5:9094"]);
    let tls = cluster.tls.clone().unwrap();
    assert_eq!(
        (tls.ca_file, tls.cert_file, tls.key_file),
        (Some(here("ca.pem")), Some(here("us.pem")), Some(here("us.key")))
    );
    assert_eq!(tls.server_name.as_deref(), Some("kafka.example.com"));
    let sasl = cluster.sasl.clone().unwrap();
    assert_eq!((sasl.mechanism, sasl.username.as_str()), (SaslMechanism::ScramSha256, "barnabas"));
    assert_eq!(sasl.password.reveal(), "hunter2");
    assert_eq!(
        config.clusters.get("default").unwrap().tls,
        Some(TlsSettings::default()),
        "tls = {{}} is the public roots"
    );

    let forward = &config.forwards[0];
    assert_eq!((forward.name.as_str(), forward.cluster.as_str()), ("a-1.x_Y", "east"));
    assert_eq!(forward.topics, ["event", "/ev.*/", "x*"]);
    assert_eq!((forward.group.as_deref(), forward.offsets), (Some("omp"), OffsetsMode::Mirrored));
    assert_eq!((forward.start, forward.on_out_of_range), (Start::Group, OnOutOfRange::Stop));
    assert_eq!(forward.steps.event_id.as_deref(), Some(".id"));
    assert_eq!(forward.steps.filter.as_deref(), Some(". == \"${\""));
    assert_eq!(forward.steps.required, ["a", ".b.c"]);
    assert_eq!(forward.steps.transform.as_deref(), Some("{ a }\n"));
    assert_eq!(forward.steps.order, Order::Expression(".host".to_owned()));
    assert_eq!((forward.on_invalid, forward.max_in_flight), (OnInvalid::Skip, 512));
    assert_eq!((forward.buffer_size, forward.max_record_size), (1 << 20, 1_000_000));
    let webhook = &forward.webhook;
    assert_eq!(webhook.url.reveal(), "https://u:hunter2@h/p?token=hunter2");
    assert_eq!(webhook.display_url, "https://h/p");
    let headers: Vec<(&str, &str)> =
        webhook.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(headers, [("Zeta", "1"), ("Authorization", "Bearer T"), ("content-type", "application/xml")]);
    assert_eq!((webhook.method.as_str(), &webhook.idempotency_header), ("PATCH", &None));
    assert_eq!(webhook.tls.fingerprint_sha256, Some([0xab; 32]));
    assert_eq!((webhook.timeout, webhook.connect_timeout), (Duration::from_secs(2), Duration::from_secs(1)));
    assert_eq!(webhook.max_response_size, 1 << 20);
    let rules: Vec<_> = webhook.outcomes.iter().map(|rule| (rule.when.as_str(), rule.then, rule.log)).collect();
    assert_eq!(rules, [(".a", Outcome::Drop, None), (".b", Outcome::Suspend, Some(LogLevel::Debug))]);
    assert_eq!((forward.retry.initial, forward.retry.max), (Duration::from_secs(1), Duration::from_secs(60)));
    assert_eq!((forward.retry.give_up_after, forward.retry.poison_after), (Some(Duration::from_secs(86_400)), None));
    assert_eq!((forward.dead_letters.max_size, forward.dead_letters.max_age), (1 << 30, None));
    let debug = format!("{forward:?}{cluster:?}");
    assert!(!debug.contains("hunter2"), "{debug}");
}

#[test]
fn the_examples_of_the_documentation_are_right() {
    let page = include_str!("../../docs/configuration.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [smallest, largest] = examples[..] else { panic!("two examples") };
    assert_eq!(good(smallest).forwards[0].name, "alerts");
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, "").unwrap();
    let largest = largest.replace("/etc/ssl/certs/ca-certificates.crt", ca_file.to_str().unwrap());
    assert_eq!(good(&largest).warnings, [""; 0]);
    for key in include_str!("every_key.toml").lines().filter_map(|line| line.split_once(" = ").map(|(key, _)| key)) {
        assert!(page.contains(&format!("`{key}`")), "{key} is documented");
    }
    for metric in crate::logic::alert::METRICS {
        assert!(page.contains(&format!("`{}`", metric.name)), "{} is documented", metric.name);
    }
}

#[test]
fn a_start_is_a_word_or_a_time() {
    let start =
        |line: &str| good(&SMALLEST.replace("name = \"a\"", &format!("name = \"a\"\n{line}"))).forwards[0].start;
    assert_eq!(start("start = \"earliest\""), Start::Earliest);
    assert_eq!(start("start = \"none\""), Start::None);
    let time = Start::Time(Timestamp(1_767_225_600_500));
    assert_eq!(start("start = \"2026-01-01T01:00:00.5+01:00\""), time);
    assert_eq!(start("start = 2026-01-01T00:00:00.5Z"), time, "a date and time of TOML's own");
}

#[test]
fn what_does_not_stop_a_start_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("barnabas.toml");
    let warnings = |text: &str, mode: u32| {
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("password"), "x").unwrap();
        for file in [&path, &folder.path().join("password")] {
            std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
        }
        let config = load(&path, &environment()).unwrap_or_else(|error| panic!("{error}")).config;
        config.warnings.join("\n").replace(&format!("{}/", folder.path().display()), "")
    };
    let sasl = |mechanism: &str, password: &str, tls: &str| {
        let keys = format!("{tls}\nsasl = {{ mechanism = \"{mechanism}\", username = \"u\", {password} }}");
        SMALLEST.replace("[\"kafka-1:9092\"]", &format!("[\"kafka-1:9092\"]\n{keys}"))
    };
    let webhook = |url: &str, header: &str| {
        SMALLEST.replace(
            "\"https://omp.example.com/\"",
            &format!("\"{url}\"\nheaders = {{ {header} = \"${{file:password}}\" }}"),
        )
    };
    for (rule, text, mode, expected) in [
        ("nothing to say", SMALLEST.to_owned(), 0o644, ""),
        (
            "PLAIN over plain text",
            sasl("PLAIN", "password_file = \"password\"", ""),
            0o600,
            "barnabas.toml:5:8: [kafka] sends its password unencrypted",
        ),
        ("PLAIN over TLS", sasl("PLAIN", "password_file = \"password\"", "tls = {}"), 0o600, ""),
        ("SCRAM over plain text", sasl("SCRAM-SHA-256", "password_file = \"password\"", ""), 0o600, ""),
        (
            "a password file for all",
            sasl("SCRAM-SHA-256", "password_file = \"password\"", ""),
            0o644,
            "password holds a secret and everybody can read it",
        ),
        ("a password file for a group", sasl("SCRAM-SHA-256", "password_file = \"password\"", ""), 0o640, ""),
        (
            "a password in a file for all",
            sasl("SCRAM-SHA-256", "password = \"x\"", ""),
            0o644,
            "barnabas.toml holds a secret",
        ),
        ("a password in a file for us", sasl("SCRAM-SHA-256", "password = \"x\"", ""), 0o600, ""),
        (
            "public pages",
            format!("{SMALLEST}\n[http]\nlisten = \"0.0.0.0:9863\""),
            0o600,
            "can be read by whoever reaches",
        ),
        ("local pages", format!("{SMALLEST}\n[http]\nlisten = \"127.0.0.1:9863\""), 0o600, ""),
        ("a token over http", webhook("http://h/", "Authorization"), 0o600, "`Authorization` travels unencrypted"),
        ("a token over https", webhook("https://h/", "Authorization"), 0o600, ""),
        ("no token over http", webhook("http://h/", "X-Env"), 0o600, ""),
        ("a user over http", webhook("http://u:p@h/", "X-Env"), 0o600, "user and password of this URL travel"),
    ] {
        let warnings = warnings(&text, mode);
        assert!(warnings.contains(expected) && warnings.is_empty() == expected.is_empty(), "{rule}: {warnings}");
    }
}

#[test]
fn what_is_found_later_is_reported_at_its_place() {
    let text = "[kafka]\nbootstrap_servers = [\"k:1\"]\n[[forward]]\nname = \"a\"\ntopics = [\"x\"]\n\
                [forward.webhook]\nurl = \"http://h/?hunter2\"\n[[forward]]\nname = \"b\"\ntopics = [\"x\", \"y\"]\n\
                filter = '.a |'\n[forward.webhook]\nurl = \"http://h\"\n[[forward.webhook.outcome]]\nwhen = \"(\"\nthen = \"drop\"\n";
    let locations = load_text(text).unwrap().locations;
    for (path, expected) in [
        (&["forward", "b", "filter"][..], ":11:10: no\n   11 | filter = '.a |'\n      |          ^^^^^^"),
        (&["forward", "b", "topics", "1"], ":10:16: no\n   10 | topics = [\"x\", \"y\"]\n      |                ^^^"),
        (&["forward", "b", "webhook", "outcome", "0", "when"], ":15:8: no\n   15 | when = \"(\"\n      |        ^^^"),
        (
            &["forward", "a", "webhook", "url"],
            ":7:7: no\n    7 | url = \"http://h/?***\"\n      |       ^^^^^^^^^^^^^^^",
        ),
        (&["forward", "a", "transform"], ":3:1: no\n    3 | [[forward]]\n      | ^^^^^^^^^^^"),
        (&["clusters", "default", "tls"], ":1:1: no\n    1 | [kafka]\n      | ^^^^^^^"),
    ] {
        let shown = locations.error_at(path, "no").to_string();
        assert!(shown.ends_with(expected), "{path:?}\n{shown}\n{expected}");
    }
}

#[test]
fn a_place_inside_a_program_is_reported_as_a_place_in_the_file() {
    let error = |line: &str, offset: usize| {
        let text = SMALLEST.replace("name = \"a\"", &format!("name = \"a\"\n{line}"));
        let shown = load_text(&text).unwrap().locations.error_within(&["forward", "a", "filter"], offset, "no");
        let problem = shown.problems[0].clone();
        (problem.position.unwrap(), problem.excerpt.unwrap().marks.trim_start().len())
    };
    for (rule, line, offset, expected) in [
        ("a plain string", "filter = '.a |'", 3, ((6, 14), 1)),
        ("its end", "filter = '.a |'", 4, ((6, 15), 1)),
        ("another kind of quotes", "filter = \".a |\"", 3, ((6, 14), 1)),
        ("several lines", "filter = '''\n.a |\n.警 |\n'''", 10, ((8, 4), 1)),
        ("several lines that begin at once", "filter = '''.a |\n.b |\n'''", 5, ((7, 1), 1)),
        ("an escape: the whole string", "filter = \".a\\n|\"", 3, ((6, 10), 7)),
        ("a variable: the whole string", "filter = '.a ${SERVER}'", 3, ((6, 10), 14)),
        ("beyond the string: the whole string", "filter = '.a |'", 99, ((6, 10), 6)),
    ] {
        assert_eq!(error(line, offset), expected, "{rule}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("barnabas.toml");
    let refusal = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        load(&path, &environment()).expect_err("a refusal").to_string()
    };
    assert!(refusal(b"# a\n# \xff\n").ends_with("barnabas.toml: is not UTF-8 in line 2; save it as UTF-8"));
    assert!(refusal(" ".repeat((1 << 20) + 1).as_bytes()).contains("is larger than 1 MiB"));
    assert!(refusal(b"").contains("there is no Kafka cluster"));
    let missing = load(&folder.path().join("none.toml"), &environment()).unwrap_err().to_string();
    assert!(missing.contains("none.toml: cannot be read: No such file"), "{missing}");
    let directory = load(folder.path(), &environment()).unwrap_err().to_string();
    assert!(directory.contains("cannot be read"), "{directory}");
}

#[test]
fn many_problems_are_shown_together_and_not_without_end() {
    let lines: String = (0..30).map(|number| format!("unknown_{number} = 1\n")).collect();
    let shown = bad(&format!("{lines}{SMALLEST}"));
    assert_eq!(shown.matches("unknown key").count(), 20);
    assert!(shown.ends_with("… and 10 more problems"), "{shown}");
}

#[test]
fn a_secret_directory_of_systemd_is_looked_into_first() {
    let (credentials, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(credentials.path().join("password"), "from systemd\n").unwrap();
    let path = folder.path().join("barnabas.toml");
    let sasl = "sasl = { mechanism = \"SCRAM-SHA-256\", username = \"u\", password_file = \"password\" }";
    std::fs::write(&path, format!("[kafka]\nbootstrap_servers = [\"k:1\"]\n{sasl}\n")).unwrap();
    let environment =
        Environment { variables: LiteMap::new(), credentials_directory: Some(credentials.path().to_owned()) };
    let config = load(&path, &environment).unwrap().config;
    assert_eq!(config.clusters.get("default").unwrap().sasl.as_ref().unwrap().password.reveal(), "from systemd");
}

#[test]
fn no_slip_of_a_single_key_shows_a_secret() {
    let text = "[kafka]\nbootstrap_servers = [\"k:1\"]\n\
                sasl = { mechanism = \"PLAIN\", username = \"u\", password = \"QZXJWV7\" }\n\
                [[forward]]\nname = \"a\"\ntopics = [\"x\"]\n[forward.webhook]\n\
                url = \"https://u:QZXJWV7@h/p?token=QZXJWV7\"\n\
                [forward.webhook.headers]\nAuthorization = \"Bearer QZXJWV7\"\nX-Key = 'QZXJWV7'\n";
    assert_no_slip_shows_a_secret(text);
}

/// Slips of all kinds at every place of `text`, in which every secret is QZXJWV7.
fn assert_no_slip_shows_a_secret(text: &str) {
    good(text);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("barnabas.toml");
    let mut refused = 0;
    for (index, removed) in text.char_indices() {
        let (before, after) = (&text[..index], &text[index + 1..]);
        let line_break = if removed.is_alphanumeric() { String::new() } else { format!("\n{removed}") };
        for slip in [String::new(), format!("{removed}{removed}"), "\"".to_owned(), line_break] {
            std::fs::write(&path, format!("{before}{slip}{after}")).unwrap();
            if let Err(error) = load(&path, &environment()) {
                refused += 1;
                let shown = error.to_string();
                // A slip within the secret leaves at least this much of it.
                let leaked = ["QZX", "ZXJ", "JWV", "WV7"].iter().any(|part| shown.contains(part));
                assert!(!leaked, "{slip:?} for {removed:?} at {index}:\n{shown}");
            }
        }
    }
    assert!(refused > 500, "{refused}");
}
