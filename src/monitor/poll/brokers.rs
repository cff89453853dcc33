//! Which brokers answer: each is sent one small request before anything else, all at once, and the first that answers
//! is asked for the metadata. So one that is frozen costs nobody else's figures, and is waited for once a poll.

use std::time::Duration;

use litemap::LiteMap;
use tokio::task::JoinSet;

use crate::kafka::survey::{ClusterSeen, TopicNames};
use crate::kafka::wire::{Client, Error, ErrorKind};

/// Bootstrap servers are asked one after the other; this many may let their whole time pass.
const UNKNOWN_BROKERS_WAITED_FOR: u32 = 3;

/// The brokers that were sent a small request, and what came of it.
pub(super) struct RoundTrips {
    client: Client,
    under_way: JoinSet<(i32, Result<Duration, Error>)>,
    answers: LiteMap<i32, Option<Result<Duration, Error>>>,
}

impl RoundTrips {
    pub(super) fn start(client: &Client, brokers: impl Iterator<Item = i32>) -> Self {
        let mut started = Self { client: client.clone(), under_way: JoinSet::new(), answers: LiteMap::new() };
        brokers.for_each(|broker| started.ask(broker));
        started
    }

    /// Sends `broker` the request, unless it was sent.
    pub(super) fn ask(&mut self, broker: i32) {
        if self.answers.contains_key(&broker) {
            return;
        }
        self.answers.insert(broker, None);
        let client = self.client.clone();
        self.under_way.spawn(async move { (broker, client.round_trip(broker).await) });
    }

    /// The next broker about which it is known whether it answers; none: of all.
    pub(super) async fn next(&mut self) -> Option<(i32, bool)> {
        // A task of ours neither panics nor is cancelled while this one lives.
        let (broker, answer) = self.under_way.join_next().await?.ok()?;
        let answers = answer.is_ok();
        self.answers.insert(broker, Some(answer));
        Some((broker, answers))
    }

    /// Those that have answered so far.
    pub(super) fn answering(&self) -> Vec<i32> {
        let answered =
            |(broker, answer): (&i32, &Option<Result<_, _>>)| matches!(answer, Some(Ok(_))).then_some(*broker);
        self.answers.iter().filter_map(answered).collect()
    }

    /// What came of `broker`.
    pub(super) fn answer(&self, broker: i32) -> Result<Duration, Error> {
        match self.answers.get(&broker) {
            Some(Some(answer)) => answer.clone(),
            _ => {
                let broker = format!("broker {broker}");
                Err(Error { broker, request: "ApiVersions", kind: ErrorKind::Closed("it was not asked".to_owned()) })
            }
        }
    }

    /// The cluster, as the first broker knows it that answers; the bootstrap servers, where none does.
    pub(super) async fn cluster(
        &mut self,
        names: &TopicNames,
        wanted: impl Fn(&str, bool) -> bool,
    ) -> Result<ClusterSeen, Error> {
        let strangers = self.answers.is_empty();
        while let Some((broker, answers)) = self.next().await {
            if answers && let Ok(cluster) = self.client.survey_cluster(Some(broker), names, &wanted).await {
                return Ok(cluster);
            }
        }
        let limit = self.client.settings().request_timeout;
        let limit = if strangers { limit.saturating_mul(UNKNOWN_BROKERS_WAITED_FOR) } else { limit };
        match tokio::time::timeout(limit, self.client.survey_cluster(None, names, &wanted)).await {
            Ok(answer) => answer,
            Err(_) => {
                let broker = format!("cluster {}", self.client.settings().name);
                Err(Error { broker, request: "Metadata", kind: ErrorKind::Timeout(limit) })
            }
        }
    }
}
