//! Prints what the steps cost: CPU seconds for 100,000 events of about 1 KB, for the mapping of examples/guance.toml and
//! for programs that show where the time goes.
//!
//!     cargo run --profile quick --example steps-cost

use std::error::Error;
use std::time::Duration;
use std::{env, fs};

use barnabas::logic::jq::Limits;
use barnabas::logic::prepare::{Order, Prepared, StepSettings, Steps};
use barnabas::logic::record::{Record, TopicPartition};

const EVENTS: u32 = 100_000;

/// The thread's CPU time, as Linux counts it.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let counted = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = counted.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn event() -> Record {
    let numbers = vec!["12345"; 40].join(",");
    let padding = "x".repeat(500);
    let value = format!(
        r#"{{"df_event_id":"event-1","df_source":"monitor","df_title":"CPU","df_message":"high","date":1732160000999,
        "df_status":"critical","df_workspace_name":"production","df_dimension_tags":"{{\"host\":\"a\",\"device\":\"/dev/sda\"}}",
        "padding":"{padding}","n":[{numbers}]}}"#
    );
    Record {
        offset: 0,
        timestamp: 0,
        key: None,
        value: Some(value.into_bytes()),
        headers: Vec::new(),
        truncated_from: None,
    }
}

/// The steps of the first forward in examples/guance.toml.
fn guance() -> Result<StepSettings, Box<dyn Error>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guance.toml");
    let table: toml::Table = fs::read_to_string(file)?.parse()?;
    let forward = table.get("forward").and_then(|forwards| forwards.get(0)).ok_or("no [[forward]]")?;
    let text = |key: &str| forward.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let required = forward.get("required").and_then(toml::Value::as_array).ok_or("no required")?;
    Ok(StepSettings {
        event_id: text("event_id"),
        filter: text("filter"),
        required: required.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        transform: text("transform"),
        order: Order::Partition,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let record = event();
    let source = TopicPartition::new("event", 0);
    println!("an event of {} bytes; CPU time for {EVENTS}", record.value.as_ref().map_or(0, Vec::len));
    let only = |transform: &str| StepSettings { transform: Some(transform.to_owned()), ..StepSettings::default() };
    let filter = StepSettings { filter: Some(".df_source == \"monitor\"".to_owned()), ..StepSettings::default() };
    for (name, settings) in [
        ("the mapping of guance.toml", guance()?),
        ("its filter", filter),
        ("identity", only(".")),
        ("one member", only(".df_event_id")),
        ("no program: the value as it is", StepSettings::default()),
    ] {
        let steps = Steps::compile(&settings, Limits::for_records_of(4 << 20))?;
        let before = cpu_time()?;
        for _ in 0..EVENTS {
            assert!(matches!(steps.prepare(&source, &record).prepared, Prepared::Ready { .. }));
        }
        println!("{:>8.2} s  {name}", cpu_time()?.saturating_sub(before).as_secs_f64());
    }
    Ok(())
}
