//! examples/monitor.toml loads, and says what it is for. examples/guance.toml loads, says what the first user needs, and its jq turns each event of guance-events.jsonl
//! into what guance-expected.json has. Runs the programs on jaq itself, without the limits that the forward puts on it.

use std::path::Path;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;

use super::schema::{Config, Encryption, OffsetsMode, TransportSettings};
use super::{Environment, load};
use crate::logic::alert::{Condition, Source};
use crate::logic::outcome::{LogLevel, Outcome};
use crate::logic::prepare::StepSettings;
use crate::logic::start_position::Start;

const EVENTS: &str = include_str!("../../examples/guance-events.jsonl");
const EXPECTED: &str = include_str!("../../examples/guance-expected.json");

fn example() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guance.toml");
    load(&path, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).config
}

/// The only output of a program, or its error.
fn run(code: &str, input: &str) -> Result<Value, String> {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code, path: () }).expect("the program parses");
    let filter = Compiler::default().with_funs(funs).compile(modules).expect("the program compiles");
    let input = read::parse_single(input.as_bytes()).expect("JSON");
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let outputs: Vec<_> = filter.id.run((context, input)).map(unwrap_valr).collect();
    let [output] = outputs.try_into().expect("one output");
    output.map_err(|error| error.to_string()).map(|output| serde_json::from_str(&output.to_string()).expect("JSON"))
}

/// The step that decides, the body, and the reason; the webhook's part is not here.
fn prepare(steps: &StepSettings, line: &str) -> (&'static str, Option<Value>, String) {
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        return ("json", None, "not JSON".to_owned());
    };
    if run(steps.filter.as_deref().unwrap(), line) != Ok(Value::Bool(true)) {
        return ("filter", None, String::new());
    }
    let empty = |name: &&String| {
        let value = &event[name.as_str()];
        [Value::Null, Value::from(""), Value::from(0), Value::from(false)].contains(value)
    };
    if let Some(name) = steps.required.iter().find(empty) {
        return ("required", None, name.clone());
    }
    match run(steps.transform.as_deref().unwrap(), line) {
        Ok(body) => ("webhook", Some(body), String::new()),
        Err(error) => ("transform", None, error),
    }
}

#[test]
fn each_sample_event_becomes_what_is_expected_of_it() {
    let config = example();
    let expected: Vec<Value> = serde_json::from_str(EXPECTED).unwrap();
    assert_eq!(EVENTS.lines().count(), expected.len());
    for (line, expected) in EVENTS.lines().zip(expected) {
        let (stage, body, reason) = prepare(&config.forwards[0].steps, line);
        let what = &expected["what"];
        assert_eq!(body.as_ref(), expected.get("body"), "{what}");
        let wanted = match expected["outcome"].as_str().unwrap() {
            "delivered" => "webhook",
            "filtered" => "filter",
            _ => expected["stage"].as_str().unwrap(),
        };
        assert_eq!(stage, wanted, "{what}: {reason}");
        if stage != "webhook" {
            assert!(reason.contains(expected["reason"].as_str().unwrap_or_default()), "{what}: {reason}");
        } else {
            // What the demo's receiver goes by.
            let refused = body.unwrap()["subject"].as_str().unwrap().contains("no-cmdb");
            assert_eq!(refused, expected["outcome"] == "dead-lettered", "{what}");
        }
    }
}

#[test]
fn times_are_integers_cut_towards_zero() {
    let config = example();
    let transform = config.forwards[0].steps.transform.clone().unwrap();
    for (date, time) in [
        ("1732160000000", Ok("1732160000")),
        ("1732160000999", Ok("1732160000")),
        ("1732160000999.9", Ok("1732160000")),
        ("1.7321600009e12", Ok("1732160000")),
        ("999", Ok("0")),
        ("-999", Ok("0")),
        ("-1000", Ok("-1")),
        ("-1999.5", Ok("-1")),
        ("\"1732160000000\"", Err(())),
        ("true", Err(())),
        ("[1]", Err(())),
    ] {
        let event = format!("{{\"date\":{date}}}");
        let got = run(&transform, &event).map(|body| body["time"].to_string()).map_err(|_| ());
        assert_eq!(got.as_deref(), time.as_deref(), "{date}");
    }
}

#[test]
fn dimension_tags_add_members_or_nothing_or_are_invalid() {
    let config = example();
    let transform = config.forwards[0].steps.transform.clone().unwrap();
    for (tags, dimensions) in [
        ("null", Some("{}")),
        (r#""""#, Some("{}")),
        (r#"" ""#, Some("{}")),
        (r#""host:web-1""#, Some("{}")),
        (r#""{\"a\":""#, Some("{}")),
        (r#""{}""#, Some("{}")),
        (r#""{\"a\":1,\"b\":{\"c\":[]}}""#, Some(r#"{"a":1,"b":{"c":[]}}"#)),
        (r#""{\"df_workspace_name\":\"x\"}""#, Some(r#"{"df_workspace_name":"x"}"#)),
        (r#""[]""#, None),
        (r#""null""#, None),
        (r#""5""#, None),
        (r#""\"text\"""#, None),
        ("{}", None),
        ("5", None),
        ("false", None),
    ] {
        let event = format!(r#"{{"date":1,"df_workspace_name":"w","df_dimension_tags":{tags}}}"#);
        let got = run(&transform, &event).ok().map(|body| body["alertDims"].clone());
        let expected = dimensions.map(|dimensions| {
            let mut all = serde_json::json!({ "df_workspace_name": "w" });
            let added: Value = serde_json::from_str(dimensions).unwrap();
            all.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
            all
        });
        assert_eq!(got, expected, "{tags}");
    }
}

#[test]
fn the_example_takes_over_the_offsets_of_omp_and_knows_the_answers_of_the_api() {
    let config = example();
    assert_eq!(config.warnings, [""; 0]);
    let forward = &config.forwards[0];
    assert_eq!(
        (forward.group.as_deref(), forward.offsets, forward.start),
        (Some("omp"), OffsetsMode::Mirrored, Start::Group)
    );
    let rules = &forward.webhook.outcomes;
    assert_eq!(
        (rules[0].then, rules[1].then, rules[1].log),
        (Outcome::Delivered, Outcome::DeadLetter, Some(LogLevel::Warn))
    );
    for (answer, first, second) in [
        (r#"{"status":200,"body":{"code":0}}"#, true, false),
        (r#"{"status":200,"body":{"code":1}}"#, false, false),
        (r#"{"status":200,"body":null}"#, false, false),
        (r#"{"status":400,"body":{"error":"name is too long"}}"#, false, false),
        (r#"{"status":400,"body":{"error":"did not match any cmdb instance: x"}}"#, false, true),
        (r#"{"status":500,"body":{"error":"not match any cmdb instance"}}"#, false, false),
        (r#"{"status":400,"body":{}}"#, false, false),
    ] {
        let verdict = |when: &str| run(when, answer) == Ok(Value::Bool(true));
        assert_eq!((verdict(&rules[0].when), verdict(&rules[1].when)), (first, second), "{answer}");
    }
}

#[test]
fn the_example_for_watching_mails_about_load_and_backlog_by_starttls_with_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../../examples/monitor.toml");
    let path = folder.path().join("monitor.toml");
    // With the line that is commented out, too: whoever takes the mark away gets something that works.
    std::fs::write(&path, text.replace("# heartbeat = ", "heartbeat = ")).unwrap();
    let password = folder.path().join("smtp-password");
    std::fs::write(&password, "x\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = load(&path, &Environment::default()).unwrap_or_else(|error| panic!("{error}")).config;
    assert_eq!(config.warnings, [""; 0]);
    assert!(config.monitor.as_ref().unwrap().heartbeat.is_some());
    let rule = |metric: &str| config.alerts.iter().find(|rule| rule.metric.name == metric).unwrap();
    assert_eq!(rule("broker_load_percent").condition, Condition::Above(80.0));
    assert_eq!(rule("group_lag").condition, Condition::Above(1000.0));
    assert_eq!(rule("topic_messages").condition, Condition::Above(1000.0));
    assert_eq!(rule("topic_messages").labels[0].glob, "event");
    assert!(config.alerts.iter().all(|rule| rule.metric.source == Source::Cluster && rule.notify == ["ops", "hook"]));
    let TransportSettings::Email(email) = &config.channels[0].transport else { panic!("mail") };
    assert_eq!((email.smtp.port, email.encryption), (587, Encryption::Starttls));
    assert_eq!(email.login.as_ref().unwrap().1.reveal(), "x");
}
