//! The steps in tables, the mapping of the first user's case, and events that mean harm.

use super::*;
use crate::logic::record::Header;

fn source() -> TopicPartition {
    TopicPartition::new("event", 3)
}

fn record(value: &[u8]) -> Record {
    Record {
        offset: 42,
        timestamp: 1_700_000_000_000,
        key: None,
        value: Some(value.to_vec()),
        headers: Vec::new(),
        truncated_from: None,
    }
}

fn settings(filter: Option<&str>, required: &[&str], transform: Option<&str>) -> StepSettings {
    StepSettings {
        event_id: None,
        filter: filter.map(str::to_owned),
        required: required.iter().map(|&name| name.to_owned()).collect(),
        transform: transform.map(str::to_owned),
        order: Order::Partition,
    }
}

fn limits() -> Limits {
    Limits { outputs: 1000, output_bytes: 1 << 20, work: 16 << 20 }
}

fn compile(settings: &StepSettings) -> Steps {
    Steps::compile(settings, limits()).expect("steps that compile")
}

fn prepare(settings: &StepSettings, event: &str) -> Prepared {
    compile(settings).prepare(&source(), &record(event.as_bytes())).prepared
}

fn ready(bodies: &[&str]) -> Prepared {
    Prepared::Ready {
        bodies: bodies.iter().map(|body| body.as_bytes().to_vec()).collect(),
        order: OrderValue::Partition,
    }
}

fn invalid(reason: &str) -> Prepared {
    Prepared::Invalid(reason.to_owned())
}

#[test]
fn the_filter_lets_pass_what_is_true() {
    for (rule, filter, event, prepared) in [
        ("true", ".a == 1", r#"{"a": 1}"#, ready(&[r#"{"a": 1}"#])),
        ("false", ".a == 1", r#"{"a":2}"#, Prepared::Filtered),
        ("null", ".a", "{}", Prepared::Filtered),
        ("a string is neither", ".a", r#"{"a":"true"}"#, invalid("filter gave neither true nor false: \"true\"")),
        (
            "nor is an object",
            "select(.a)",
            r#"{"a":true}"#,
            invalid("filter gave neither true nor false: {\"a\":true}"),
        ),
        ("nothing", "select(.a)", "{}", invalid("filter gave nothing, neither true nor false")),
        ("two", "true, true", "{}", invalid("filter gave 2 outputs instead of one")),
        ("it fails", ".a.b", r#"{"a":1}"#, invalid("filter failed: cannot index 1 with \"b\"")),
        ("no JSON", "true", "{", invalid("not JSON: EOF while parsing an object at line 1 column 1")),
        ("not even text", "true", "", invalid("not JSON: EOF while parsing a value at line 1 column 0")),
    ] {
        assert_eq!(prepare(&settings(Some(filter), &[], None), event), prepared, "{rule}");
    }
}

#[test]
fn without_a_transform_the_bytes_go_out_as_they_came() {
    let value = "{ \"b\" : 1.10, \"b\" : 1e400,\n\"a\":\"\\u00e4\" }";
    assert_eq!(prepare(&settings(None, &[], None), value), ready(&[value]));
    assert!(matches!(prepare(&settings(None, &[], None), "not json"), Prepared::Invalid(_)));
}

#[test]
fn required_members_must_be_there_and_not_be_empty() {
    let required = &["id", ".tags.host", ".tags[\"two words\"]", "with.dot"];
    let full = r#"{"id":"x","tags":{"host":1,"two words":[0]},"with.dot":true}"#;
    assert_eq!(prepare(&settings(None, required, None), full), ready(&[full]));
    for empty in ["null", "\"\"", "0", "0.0", "-0", "0e5", "false", "[]", "{}"] {
        let event = full.replace("\"x\"", empty);
        assert_eq!(prepare(&settings(None, required, None), &event), invalid("missing or empty: id"), "{empty}");
    }
    for (event, missing) in [
        ("{}", "id, .tags.host, .tags[\"two words\"], with.dot"),
        ("[]", "id, .tags.host, .tags[\"two words\"], with.dot"),
        (r#"{"id":1,"tags":"x","with":{"dot":1}}"#, ".tags.host, .tags[\"two words\"], with.dot"),
        (r#"{"id":" ","tags":{"host":{"a":null}},"with.dot":-1}"#, ".tags[\"two words\"]"),
    ] {
        assert_eq!(prepare(&settings(None, required, None), event), invalid(&format!("missing or empty: {missing}")));
    }
    let both = settings(Some(".mine"), required, None);
    assert_eq!(prepare(&both, r#"{"mine":false}"#), Prepared::Filtered, "what is not for us may be incomplete");
}

#[test]
fn the_transform_makes_the_bodies() {
    for (rule, transform, event, prepared) in [
        ("one", "{x: .a}", r#"{"a":1}"#, ready(&[r#"{"x":1}"#])),
        ("several, in order", ".[]", "[1,[2],{}]", ready(&["1", "[2]", "{}"])),
        ("none", ".[]", "[]", Prepared::Filtered),
        ("it fails", ".a", "5", invalid("transform failed: cannot index 5 with \"a\"")),
        ("after an output", "1, error(\"x\")", "5", invalid("transform failed: x")),
        ("an integer stays one", ".a / 1000", "{\"a\":5000}", ready(&["5"])),
        (
            "what JSON cannot hold",
            ".a / 0",
            "{\"a\":1}",
            invalid("transform failed: the program gives NaN or infinity, which JSON cannot hold"),
        ),
    ] {
        assert_eq!(prepare(&settings(None, &[], Some(transform)), event), prepared, "{rule}");
    }
    let two = format!("[\"{0}\",\"{0}\"]", "x".repeat(600_000));
    assert_eq!(
        prepare(&settings(None, &[], Some(".[]")), &two),
        invalid("transform failed: the text is longer than 448574 bytes"),
        "the limit is for all bodies of a record"
    );
}

#[test]
fn a_tombstone_is_null_to_the_filter_and_else_filtered() {
    let tombstone = Record { value: None, ..record(b"") };
    let prepared = |settings: &StepSettings| compile(settings).prepare(&source(), &tombstone).prepared;
    assert_eq!(prepared(&settings(None, &[], Some("1"))), Prepared::Filtered);
    assert_eq!(prepared(&settings(Some(". != null"), &[], None)), Prepared::Filtered);
    assert_eq!(
        prepared(&settings(Some(". == null"), &[], Some("{deleted: $record.offset}"))),
        ready(&[r#"{"deleted":42}"#])
    );
    assert_eq!(prepared(&settings(Some("true"), &[], None)), ready(&["null"]));
    assert_eq!(prepared(&settings(Some("true"), &["id"], None)), invalid("missing or empty: id"));
}

#[test]
fn a_record_that_was_cut_is_invalid_and_never_parsed() {
    let cut = Record { truncated_from: Some(5_000_000), ..record(b"{}") };
    let event = compile(&settings(Some("false"), &[], None)).prepare(&source(), &cut);
    assert_eq!(event.prepared, invalid("larger than max_record_size: 5000000 bytes"));
}

#[test]
fn programs_see_the_record_around_the_value() {
    let header = |key: &[u8], value: Option<&[u8]>| Header { key: key.to_vec(), value: value.map(<[u8]>::to_vec) };
    let headers = vec![header(b"a", Some(b"1")), header(b"a", None), header(b"\xff", Some(b"\xfe"))];
    let bytes = Record { key: Some(b"k\xff".to_vec()), headers, ..record(b"{}") };
    let steps = compile(&settings(Some("$record.partition == 3"), &[], Some("$record")));
    let expected = r#"{"topic":"event","partition":3,"offset":42,"timestamp":1700000000000,"key_base64":"a/8=","#
        .to_owned()
        + r#""headers":[{"key":"a","value":"1"},{"key":"a","value":null},{"key_base64":"/w==","value_base64":"/g=="}]}"#;
    assert_eq!(steps.prepare(&source(), &bytes).prepared, ready(&[&expected]));

    for (key, text) in [(Some(b"{\"x\":1}".to_vec()), r#""{\"x\":1}""#), (Some(Vec::new()), "\"\""), (None, "null")] {
        let keyed = Record { key, ..record(b"{}") };
        let steps = compile(&settings(None, &[], Some("$record.key")));
        assert_eq!(steps.prepare(&source(), &keyed).prepared, ready(&[text]), "a key is text, never parsed");
    }
}

#[test]
fn the_order_value_comes_from_where_the_settings_say() {
    use OrderValue::{Free, Partition, Value};
    let expression = |source: &str| Order::Expression(source.to_owned());
    let value = |bytes: &[u8]| Value(bytes.to_vec());
    for (rule, order, key, expected) in [
        ("partition", Order::Partition, Some("k"), Ok(Partition)),
        ("key", Order::Key, Some("k"), Ok(value(b"k"))),
        ("an empty key is a key", Order::Key, Some(""), Ok(value(b""))),
        ("no key", Order::Key, None, Ok(Free)),
        ("none", Order::None, Some("k"), Ok(Free)),
        ("an expression", expression(".host"), None, Ok(value(b"\"h\""))),
        ("on the event, not on the body", expression(".n"), None, Ok(value(b"1"))),
        ("of any shape", expression("[.host, .n]"), None, Ok(value(b"[\"h\",1]"))),
        ("null", expression(".none"), None, Ok(Free)),
        ("nothing", expression("empty"), None, Ok(Free)),
        ("it fails", expression(".host.x"), None, Err("order_key failed: cannot index \"h\" with \"x\"")),
        ("two", expression("1, 2"), None, Err("order_key gave 2 outputs instead of one")),
    ] {
        let settings = StepSettings { order, ..settings(None, &[], Some("{}")) };
        let keyed = Record { key: key.map(|key| key.as_bytes().to_vec()), ..record(br#"{"host":"h","n":1}"#) };
        let expected = match expected {
            Ok(order) => Prepared::Ready { bodies: vec![b"{}".to_vec()], order },
            Err(reason) => invalid(reason),
        };
        assert_eq!(compile(&settings).prepare(&source(), &keyed).prepared, expected, "{rule}");
    }
}

#[test]
fn an_event_has_a_name_for_log_lines() {
    let steps = StepSettings { event_id: Some(".id".to_owned()), ..settings(Some(".mine"), &["x"], None) };
    let name = |event: &str| compile(&steps).prepare(&source(), &record(event.as_bytes())).event_id;
    assert_eq!(name(r#"{"mine":true,"x":1,"id":"e-1"}"#).as_deref(), Some("e-1"));
    assert_eq!(name(r#"{"mine":true,"id":17}"#).as_deref(), Some("17"), "also where the event is invalid");
    assert_eq!(name(r#"{"mine":5,"id":"e"}"#).as_deref(), Some("e"));
    assert_eq!(name(r#"{"mine":true,"id":"a\nb\u001b[0m"}"#).as_deref(), Some("a b [0m"));
    assert_eq!(
        name(&format!(r#"{{"mine":true,"id":"{}"}}"#, "ä".repeat(500))).map(|name| name.chars().count()),
        Some(201)
    );
    for (rule, event) in [
        ("missing", r#"{"mine":true}"#),
        ("empty", r#"{"mine":true,"id":""}"#),
        ("filtered", r#"{"id":"e"}"#),
        ("no JSON", "{"),
    ] {
        assert_eq!(name(event), None, "{rule}");
    }
}

#[test]
fn a_step_that_does_not_compile_is_named() {
    let one = |settings: StepSettings| {
        let error = Steps::compile(&settings, limits()).expect_err("a fault");
        (error.key, error.index, error.error.offset)
    };
    assert_eq!(one(settings(Some(".a and halt"), &[], None)), ("filter", 0, Some(7)));
    assert_eq!(one(settings(None, &["a", ".b[]"], None)).0, "required");
    assert_eq!(one(settings(None, &["a", ".b[]"], None)).1, 1);
    assert_eq!(one(settings(None, &[], Some("{"))).0, "transform");
    assert_eq!(one(StepSettings { event_id: Some("$x".to_owned()), ..StepSettings::default() }).0, "event_id");
    assert_eq!(
        one(StepSettings { order: Order::Expression("]".to_owned()), ..StepSettings::default() }).0,
        "order_key"
    );
}

#[test]
fn reasons_are_one_short_line_however_large_the_event() {
    let event = format!("[\"{}\\n\"]", "x\\u001b".repeat(200_000));
    let Prepared::Invalid(reason) = prepare(&settings(None, &[], Some(".a")), &event) else { panic!("it passed") };
    assert!(reason.chars().count() <= 301 && !reason.contains(char::is_control), "{reason}");
}

#[test]
fn events_that_mean_harm_are_invalid_and_nothing_else() {
    let steps = settings(Some("(.a.b // .) | true"), &[], Some("[.. | tostring]"));
    for (rule, event) in [
        ("10,000 levels", format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        ("half of a surrogate pair", r#"{"a":"\ud800"}"#.to_owned()),
        ("a million digits", "7".repeat(1_000_000)),
        ("a value and another", "{}{}".to_owned()),
        ("NaN", "NaN".to_owned()),
    ] {
        assert!(matches!(prepare(&steps, &event), Prepared::Invalid(_)), "{rule}");
    }
    let steps = settings(None, &[], Some("."));
    for (rule, event) in [
        ("half a megabyte of text", format!("\"{}\"", "x".repeat(500_000))),
        ("a number beyond all f64", "1e400".to_owned()),
        ("NUL", "\"\\u0000\"".to_owned()),
        ("100 levels", format!("{}{}", "[".repeat(100), "]".repeat(100))),
    ] {
        assert_eq!(prepare(&steps, &event), ready(&[&event]), "{rule}");
    }
}

/// The mapping that the first user needs, as a configuration would have it.
fn guance() -> StepSettings {
    let transform = r#"
        (.df_dimension_tags // "" | if . == "" then {} else (try fromjson catch {}) end) as $tags
        | {
            alertId: .df_event_id,
            alertDims: ({df_workspace_name} + $tags),
            metricName: "", value: "", metricUnit: "",
            subject: .df_title,
            content: .df_message,
            time: (.date / 1000 | if . < 0 then ceil else floor end),
            isRecover: (.df_status == "ok"),
            extInfo: {df_status},
            originInfo: {},
            source: "guance"
          }"#;
    let required = ["df_event_id", "df_source", "df_title", "df_message", "date", "df_status", "df_workspace_name"];
    StepSettings {
        event_id: Some(".df_event_id".to_owned()),
        ..settings(Some(".df_source == \"monitor\""), &required, Some(transform))
    }
}

fn guance_event(date: &str, tags: &str) -> String {
    format!(
        r#"{{"df_event_id":"event-1","df_source":"monitor","df_title":"磁盘","df_message":"m","date":{date},"df_status":"ok","df_workspace_name":"w"{tags}}}"#
    )
}

#[test]
fn the_guance_mapping_cuts_dates_towards_zero_into_integers() {
    for (date, time) in [
        ("1732160000000", "1732160000"),
        ("1732160000999", "1732160000"),
        ("1732160000999.9", "1732160000"),
        ("1732160000000.0", "1732160000"),
        ("1.732160000999e12", "1732160000"),
        ("999", "0"),
        ("-1", "0"),
        ("-1500", "-1"),
        ("-2000", "-2"),
    ] {
        let Prepared::Ready { bodies, .. } = prepare(&guance(), &guance_event(date, "")) else { panic!("{date}") };
        let body = String::from_utf8(bodies[0].clone()).expect("UTF-8");
        assert!(body.contains(&format!("\"time\":{time},")), "{date}: {body}");
    }
    assert_eq!(
        prepare(&guance(), &guance_event("1732160000000", "")),
        ready(&[
            r#"{"alertId":"event-1","alertDims":{"df_workspace_name":"w"},"metricName":"","value":"","metricUnit":"","subject":"磁盘","content":"m","time":1732160000,"isRecover":true,"extInfo":{"df_status":"ok"},"originInfo":{},"source":"guance"}"#
        ])
    );
}

#[test]
fn the_guance_mapping_adds_the_members_of_the_tags() {
    for (rule, tags, dims) in [
        ("absent", "", Some(r#"{"df_workspace_name":"w"}"#)),
        ("null", r#","df_dimension_tags":null"#, Some(r#"{"df_workspace_name":"w"}"#)),
        ("empty", r#","df_dimension_tags":"""#, Some(r#"{"df_workspace_name":"w"}"#)),
        ("not JSON", r#","df_dimension_tags":"host:a""#, Some(r#"{"df_workspace_name":"w"}"#)),
        (
            "members",
            r#","df_dimension_tags":"{\"host\":\"主机\"}""#,
            Some(r#"{"df_workspace_name":"w","host":"主机"}"#),
        ),
        (
            "the same name",
            r#","df_dimension_tags":"{\"df_workspace_name\":\"x\"}""#,
            Some(r#"{"df_workspace_name":"x"}"#),
        ),
        ("a list", r#","df_dimension_tags":"[1]""#, None),
        ("a number", r#","df_dimension_tags":"5""#, None),
    ] {
        match (prepare(&guance(), &guance_event("1", tags)), dims) {
            (Prepared::Ready { bodies, .. }, Some(dims)) => {
                let body = String::from_utf8(bodies[0].clone()).expect("UTF-8");
                assert!(body.contains(&format!("\"alertDims\":{dims},")), "{rule}: {body}");
            }
            (Prepared::Invalid(reason), None) => assert!(reason.starts_with("transform failed"), "{rule}: {reason}"),
            (prepared, _) => panic!("{rule}: {prepared:?}"),
        }
    }
}
