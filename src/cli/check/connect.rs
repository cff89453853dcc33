//! `barnabas check --connect`: what can be tried is tried, all at once and each within a limit; a line for each, in the
//! order of the configuration, and a failure keeps nothing else from being tried. Changes nothing anywhere.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::kafka::{self, ClusterCheck};
use super::{local, watching};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::config::schema::{ClusterSettings, Config};
use crate::logic::printable::printable;
use crate::logic::sorted_set::SortedSet;

/// A check may ask several brokers, one after the other, and each of them takes its `request_timeout`.
const REQUESTS: u32 = 5;

/// What was tried, and what came of it.
#[derive(Debug)]
pub(super) struct Finding {
    subject: String,
    result: Result<String, String>,
}

impl Finding {
    pub(super) fn new(subject: impl Into<String>, result: Result<String, impl Display>) -> Self {
        Self { subject: subject.into(), result: result.map_err(|error| error.to_string()) }
    }

    fn line(&self) -> String {
        let (word, text) = match &self.result {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILED", text),
        };
        printable(&format!("{word} {}: {text}", self.subject)).into_owned()
    }
}

pub(super) fn connect(config: &Config, output: &mut Output<'_>) -> Result<(), Failure> {
    match block_on(try_all(config, output))? {
        Tally { failed: 0, .. } => Ok(()),
        Tally { failed, tried } => Err(Failure::failed(format!("{failed} of {tried} checks failed"))),
    }
}

/// How many checks there were, and how many failed.
#[derive(Default)]
struct Tally {
    tried: usize,
    failed: usize,
}

impl Tally {
    fn print(&mut self, findings: Vec<Finding>, output: &mut Output<'_>) -> Result<(), Failure> {
        for finding in findings {
            self.tried += 1;
            self.failed += usize::from(finding.result.is_err());
            output.text(&format!("{}\n", finding.line()))?;
        }
        output.flush()
    }
}

async fn try_all(config: &Config, output: &mut Output<'_>) -> Result<Tally, Failure> {
    let clusters: Vec<(Arc<ClusterSettings>, JoinHandle<ClusterCheck>)> = used_clusters(config)
        .into_iter()
        .map(|settings| (Arc::clone(&settings), tokio::spawn(kafka::cluster(settings))))
        .collect();
    let webhooks: Vec<JoinHandle<Finding>> =
        config.forwards.iter().map(|forward| tokio::spawn(local::webhook(forward.clone()))).collect();
    let state = tokio::task::spawn_blocking({
        let config = config.clone();
        move || local::state(&config)
    });
    let polls = polls(config);
    let channels: Vec<(String, JoinHandle<Finding>)> = config
        .channels
        .iter()
        .map(|channel| (channel.channel.name.clone(), tokio::spawn(watching::channel(channel.clone()))))
        .collect();
    let mut tally = Tally::default();
    let mut clients = LiteMap::new_vec();
    for (settings, check) in clusters {
        let limit = settings.request_timeout.saturating_mul(REQUESTS);
        let subject = format!("cluster {}", settings.name);
        match timeout(limit, check).await {
            Ok(Ok(check)) => {
                tally.print(check.findings, output)?;
                clients.insert(settings.name.clone(), (limit, check.client));
            }
            _ => tally.print(vec![Finding::new(subject, Err::<String, _>(no_end(limit)))], output)?,
        }
    }
    let forwards: Vec<(Duration, JoinHandle<Vec<Finding>>)> = config
        .forwards
        .iter()
        .map(|forward| {
            let (limit, client) = clients.get(&forward.cluster).cloned().unwrap_or_default();
            (limit, tokio::spawn(kafka::forward(forward.clone(), client)))
        })
        .collect();
    for ((forward, (limit, check)), webhook) in config.forwards.iter().zip(forwards).zip(webhooks) {
        let subject = format!("forward {}", forward.name);
        let findings = match timeout(limit.max(Duration::from_secs(1)), check).await {
            Ok(Ok(findings)) => findings,
            _ => vec![Finding::new(&subject, Err::<String, _>(no_end(limit)))],
        };
        tally.print(findings, output)?;
        // It keeps its limits by itself.
        let webhook = webhook.await.unwrap_or_else(|error| Finding::new(subject, Err::<String, _>(error)));
        tally.print(vec![webhook], output)?;
    }
    for (cluster, limit, poll) in polls {
        let findings = match timeout(limit, poll).await {
            Ok(Ok(findings)) => findings,
            _ => vec![Finding::new(format!("watching {cluster}"), Err::<String, _>(no_end(limit)))],
        };
        tally.print(findings, output)?;
    }
    for (name, check) in channels {
        // It keeps its limits by itself, too.
        let finding = check.await;
        let finding = finding.unwrap_or_else(|error| Finding::new(format!("channel {name}"), Err::<String, _>(error)));
        tally.print(vec![finding], output)?;
    }
    let state = state.await.unwrap_or_else(|error| Finding::new("state", Err::<String, _>(error)));
    tally.print(vec![state], output)?;
    Ok(tally)
}

fn no_end(limit: Duration) -> String {
    format!("not done within {limit:?}")
}

/// One poll of each watched cluster, begun, with its name and its limit.
fn polls(config: &Config) -> Vec<(String, Duration, JoinHandle<Vec<Finding>>)> {
    let Some(monitor) = &config.monitor else { return Vec::new() };
    let watched = monitor.clusters.iter().filter_map(|name| config.clusters.get(name));
    watched
        .map(|cluster| {
            let sources = monitor.jmx.get(&cluster.name).into_iter().flatten();
            let load = sources.map(|source| source.timeout + Duration::from_secs(1)).max().unwrap_or_default();
            let limit = cluster.request_timeout.saturating_mul(2 * REQUESTS).saturating_add(load);
            let poll = watching::poll(Arc::new(cluster.clone()), monitor.clone());
            (cluster.name.clone(), limit, tokio::spawn(poll))
        })
        .collect()
}

/// Those that a forward reads from or that are watched, each once; all, where nothing uses any.
fn used_clusters(config: &Config) -> Vec<Arc<ClusterSettings>> {
    let watched: &[String] = config.monitor.as_ref().map_or(&[], |monitor| &monitor.clusters);
    let of_forwards = config.forwards.iter().map(|forward| &forward.cluster);
    let used: SortedSet<&String> = of_forwards.chain(watched).collect();
    let clusters = config.clusters.iter().filter(|(name, _)| used.is_empty() || used.contains(name));
    clusters.map(|(_, settings)| Arc::new(settings.clone())).collect()
}
