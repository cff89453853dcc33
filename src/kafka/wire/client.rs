//! A cluster as one thing to ask: which brokers there are, a link to each, and who leads what.
//!
//! Opens connections when they are first needed and forgets those to brokers that left. Which requests there are and
//! what they mean is written in the files beside `wire`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use litemap::LiteMap;
use rustls::ClientConfig;

use super::api::Api;
use super::connect::Target;
use super::error::{Error, ErrorKind};
use super::link::Link;
use super::question::{Asked, Build, Question};
use super::versions::BrokerVersions;
use crate::config::schema::{ClusterSettings, HostPort};
use crate::logic::record::TopicPartition;
use crate::tls;

/// Connections to a cluster. Clones share them.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Arc<ClusterSettings>,
    tls: Option<Arc<ClientConfig>>,
    /// Never held across an await.
    known: Mutex<Known>,
    stopped: AtomicBool,
    requests: AtomicU64,
}

/// What was learnt about the cluster.
#[derive(Debug, Default)]
pub(in crate::kafka) struct Known {
    links: LiteMap<HostPort, Arc<Link>>,
    /// Where the brokers say they are.
    pub(in crate::kafka) brokers: LiteMap<i32, HostPort>,
    /// The leader of each partition we asked about, and its epoch.
    pub(in crate::kafka) leaders: HashMap<TopicPartition, (i32, i32)>,
    /// The coordinator of each group we asked about.
    pub(in crate::kafka) coordinators: LiteMap<String, i32>,
}

impl Client {
    /// A client of the cluster in `settings`. Reads the TLS files, and connects to nothing.
    ///
    /// # Errors
    /// When the `tls` table cannot be used.
    pub fn new(settings: Arc<ClusterSettings>) -> Result<Self, Error> {
        let tls = settings.tls.as_ref().map(tls::client_config).transpose().map_err(|error| Error {
            broker: format!("cluster {}", settings.name),
            request: "TLS configuration",
            kind: ErrorKind::Security(error.to_string()),
        })?;
        let shared = Shared {
            settings,
            tls,
            known: Mutex::default(),
            stopped: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ClusterSettings {
        &self.shared.settings
    }

    /// How many requests were asked since it was made, those that failed included; what opens a connection (versions,
    /// login) is not counted.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The versions of each request, by API key, that `broker` speaks.
    ///
    /// # Errors
    /// When the broker is not known or cannot be connected to.
    pub async fn api_versions(&self, broker: i32) -> Result<BrokerVersions, Error> {
        const REQUEST: &str = "ApiVersions";
        let address = self.address(broker, REQUEST)?;
        let link = self.link(&address, REQUEST)?;
        link.versions().await.map_err(|kind| self.error(&address, REQUEST, kind))
    }

    /// Lets go of all connections; whatever is asked from now on fails. Requests that are under way come to their end.
    pub fn close(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let mut known = self.known();
        known.links.clear();
    }

    /// What is known of the cluster.
    pub(in crate::kafka) fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `broker`; `limit` is the highest version to use, `patience` what is added to the time limit.
    pub(in crate::kafka) async fn ask<R: Api>(
        &self,
        broker: i32,
        limit: i16,
        patience: Duration,
        build: Build<'_, R>,
    ) -> Result<(i16, R::Answer), Error> {
        let mut asked = Asked::new(build);
        let version = self.put(&mut asked, broker, limit, patience).await?;
        Ok((version, asked.answer))
    }

    /// Asks one broker after the other, connected ones first, until one answers.
    ///
    /// # Errors
    /// The one error of the only broker, or `NobodyAnswered` with those of all.
    pub(in crate::kafka) async fn ask_any<R: Api>(&self, build: Build<'_, R>) -> Result<(i16, R::Answer), Error> {
        let mut asked = Asked::new(build);
        let version = self.put_to_any(&mut asked).await?;
        Ok((version, asked.answer))
    }

    /// Puts a question to `broker`; returns the version in which it was asked.
    async fn put(
        &self,
        question: &mut dyn Question,
        broker: i32,
        limit: i16,
        patience: Duration,
    ) -> Result<i16, Error> {
        let request = question.kind().name;
        let address = self.address(broker, request)?;
        let link = self.link(&address, request)?;
        self.count_request();
        link.ask(question, limit, patience).await.map_err(|kind| self.error(&address, request, kind))
    }

    async fn put_to_any(&self, question: &mut dyn Question) -> Result<i16, Error> {
        let request = question.kind().name;
        let mut errors = Vec::new();
        for (address, link) in self.candidates(request)? {
            self.count_request();
            match link.ask(question, i16::MAX, Duration::ZERO).await {
                Ok(version) => return Ok(version),
                Err(kind) => errors.push(self.error(&address, request, kind)),
            }
        }
        if errors.len() == 1
            && let Some(error) = errors.pop()
        {
            return Err(error);
        }
        let broker = errors.iter().map(|error| error.broker.as_str()).collect::<Vec<_>>().join(", ");
        Err(Error { broker, request, kind: ErrorKind::NobodyAnswered(errors) })
    }

    /// An error of `broker`, named as people know it.
    pub(in crate::kafka) fn error_at(&self, broker: i32, request: &'static str, kind: ErrorKind) -> Error {
        match self.address(broker, request) {
            Ok(address) => self.error(&address, request, kind),
            Err(_) => Error { broker: format!("broker {broker}"), request, kind },
        }
    }

    /// Remembers where the brokers are, and forgets the links to those that left.
    pub(in crate::kafka) fn learn_brokers(&self, brokers: LiteMap<i32, HostPort>) {
        let mut known = self.known();
        let bootstrap = &self.shared.settings.bootstrap_servers;
        known.links.retain(|address, _| bootstrap.contains(address) || brokers.values().any(|known| known == address));
        known.brokers = brokers;
    }

    fn count_request(&self) {
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn address(&self, broker: i32, request: &'static str) -> Result<HostPort, Error> {
        self.known().brokers.get(&broker).cloned().ok_or_else(|| Error {
            broker: format!("cluster {}", self.shared.settings.name),
            request,
            kind: ErrorKind::NoSuchBroker(broker),
        })
    }

    /// Everyone who may be asked, the most promising first; among equals in turn by chance, to spread the load.
    fn candidates(&self, request: &'static str) -> Result<Vec<(HostPort, Arc<Link>)>, Error> {
        let mut addresses: Vec<HostPort> = self.known().brokers.values().cloned().collect();
        fastrand::shuffle(&mut addresses);
        for server in &self.shared.settings.bootstrap_servers {
            if !addresses.contains(server) {
                addresses.push(server.clone());
            }
        }
        let mut candidates = Vec::with_capacity(addresses.len());
        for address in addresses {
            let link = self.link(&address, request)?;
            candidates.push((address, link));
        }
        candidates.sort_by_key(|(_, link)| link.rank());
        Ok(candidates)
    }

    fn link(&self, address: &HostPort, request: &'static str) -> Result<Arc<Link>, Error> {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Err(self.error(address, request, ErrorKind::Stopped));
        }
        if let Some(link) = self.known().links.get(address) {
            return Ok(Arc::clone(link));
        }
        let target = self.target(address).map_err(|kind| self.error(address, request, kind))?;
        Ok(Arc::clone(self.known().links.entry(address.clone()).or_insert_with(|| Arc::new(Link::new(target)))))
    }

    /// The certificate must carry the name that the broker advertises, wherever it is reached.
    fn target(&self, address: &HostPort) -> Result<Target, ErrorKind> {
        let settings = &self.shared.settings;
        let tls = match (&self.shared.tls, &settings.tls) {
            (Some(config), Some(table)) => {
                let name =
                    tls::server_name(table, &address.host).map_err(|error| ErrorKind::Security(error.to_string()))?;
                Some((Arc::clone(config), name))
            }
            _ => None,
        };
        Ok(Target {
            reachable_at: self.reachable_at(address).clone(),
            tls,
            sasl: settings.sasl.clone(),
            client_id: settings.client_id.clone(),
            limit: settings.request_timeout,
        })
    }

    fn reachable_at<'a>(&'a self, address: &'a HostPort) -> &'a HostPort {
        self.shared.settings.addresses.get(address).unwrap_or(address)
    }

    fn error(&self, address: &HostPort, request: &'static str, kind: ErrorKind) -> Error {
        let reachable_at = self.reachable_at(address);
        let broker =
            if reachable_at == address { address.to_string() } else { format!("{address} (at {reachable_at})") };
        Error { broker, request, kind }
    }
}
