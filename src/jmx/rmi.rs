//! JMX over RMI: from the registry to the server's object, from there by login to a connection object, and from that one
//! the attributes. Which bytes that takes is known in `rmi/link`, what they mean in `logic/java_serial`.
//!
//! The stubs that the JVM hands out name a host as the JVM sees it, which in a container or behind NAT is wrong: only
//! their port is used, with the host that was configured.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use super::error::{JmxError, Reason, Step};
use super::{Address, JmxSettings};
use crate::clock;
use crate::config::schema::{HostPort, Secret};
use crate::logic::broker_load::beans::{BEANS, Bean, REQUESTS_PATTERN, request_of};
use crate::logic::broker_load::{Quantity, Readings};
use crate::logic::java_serial::views::{self, Attribute, Exception, RemoteObject, Transport};
use crate::logic::java_serial::{Argument, SerialError, Value};
use crate::logic::moment::Moment;
use crate::tls;

use link::{Answer, Call, Link, Method};

mod link;
#[cfg(test)]
mod tests;

/// Requests on their way at once over one connection: together they fit into any socket's buffer, so that neither side
/// waits for the other to read.
const AT_ONCE: usize = 32;
/// Kinds and versions of requests that are counted; a broker knows about 300, and sees 50.
const MAX_REQUESTS: usize = 1_000;

pub(super) type Failure = (Step, Reason);

/// How TLS is spoken.
#[derive(Clone)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Where to connect and how, and the connection while there is one.
pub(super) struct Connector {
    registry: HostPort,
    tls: Option<Tls>,
    login: Option<(String, Secret)>,
    limit: std::time::Duration,
    session: Option<Session>,
}

/// A connection object of the JVM, and the socket to it.
struct Session {
    link: Link,
    object: [u8; 22],
}

impl Connector {
    pub(super) fn new(registry: HostPort, settings: &JmxSettings) -> Result<Self, JmxError> {
        let refused = |error: tls::TlsError| JmxError {
            target: Address::Rmi(registry.clone()).to_string(),
            step: Step::Settings,
            reason: Reason::Tls(error.to_string()),
        };
        let tls = match &settings.tls {
            None => None,
            Some(tls) => Some(Tls {
                config: tls::client_config(tls).map_err(refused)?,
                name: tls::server_name(tls, &registry.host).map_err(refused)?,
            }),
        };
        let login = settings.username.clone().map(|username| {
            let password = settings.password.clone();
            (username, password.unwrap_or_else(|| Secret::new("")))
        });
        Ok(Self { registry, tls, login, limit: settings.timeout, session: None })
    }

    /// One reading of everything, over the kept connection where it still works.
    pub(super) async fn read(&mut self, deadline: Moment) -> Result<(Moment, Readings), Failure> {
        // Taken, so that a reading that is given up in the middle leaves no half-read connection.
        if let Some(session) = self.session.take() {
            let result = self.read_with(session, deadline).await;
            // After a time limit there is no time left for another try. Otherwise: the JVM closes a connection object that was
            // idle for two minutes, and a restart or a firewall ends the others.
            if matches!(result, Ok(_) | Err((_, Reason::Timeout(_)))) {
                return result;
            }
        }
        let session = self.connect(deadline).await?;
        self.read_with(session, deadline).await
    }

    async fn read_with(&mut self, mut session: Session, deadline: Moment) -> Result<(Moment, Readings), Failure> {
        let readings = self.within(deadline, Step::Read, session.readings()).await?;
        self.session = Some(session);
        Ok(readings)
    }

    pub(super) async fn close(mut self: Box<Self>, deadline: Moment) {
        if let Some(mut session) = self.session.take() {
            let call = Call { object: session.object, method: Method::Close, arguments: &[] };
            // It is over either way.
            let _ = self.within(deadline, Step::Read, session.link.call(&call, |_| Ok(()))).await;
        }
    }

    // --- connecting ---

    async fn connect(&self, deadline: Moment) -> Result<Session, Failure> {
        let mut registry = self.registry(deadline).await?;
        let lookup = Call { object: [0; 22], method: Method::Lookup, arguments: &[Argument::Text("jmxrmi")] };
        let found = self.within(deadline, Step::Lookup, registry.call(&lookup, views::remote_object));
        let server = value(Step::Lookup, found.await?)?;
        drop(registry);

        let mut link = self.object(&server, deadline).await?;
        let words: Vec<&str> =
            self.login.iter().flat_map(|(username, password)| [username.as_str(), password.reveal()]).collect();
        let credentials = if words.is_empty() { Argument::Null } else { Argument::Texts(&words) };
        let login = Call { object: server.id, method: Method::NewClient, arguments: &[credentials] };
        let answer = self.within(deadline, Step::Login, link.call(&login, views::remote_object)).await?;
        let connection = value(Step::Login, answer)?;
        if connection.port != server.port {
            link = self.object(&connection, deadline).await?;
        }
        Ok(Session { link, object: connection.id })
    }

    /// The registry, by TLS if `tls` is configured and it speaks that. Java's default with TLS is a registry without; it
    /// is told no secret, and can only say a port at which the certificate is checked.
    async fn registry(&self, deadline: Moment) -> Result<Link, Failure> {
        let open = |tls| self.within(deadline, Step::Registry, Link::open(&self.registry, tls, self.limit));
        let Some(tls) = &self.tls else { return open(None).await };
        match open(Some((&tls.config, &tls.name))).await {
            Err((_, Reason::Closed | Reason::NotRmi(_))) => open(None).await,
            result => result,
        }
    }

    async fn object(&self, object: &RemoteObject, deadline: Moment) -> Result<Link, Failure> {
        let step = Step::Object(object.port);
        let tls = match (&self.tls, object.transport) {
            (None, Transport::Plain) => None,
            (Some(tls), Transport::Tls) => Some((&tls.config, &tls.name)),
            (Some(_), Transport::Plain) => return Err((step, Reason::ObjectWithoutTls)),
            (None, Transport::Tls) => return Err((step, Reason::ObjectWantsTls)),
        };
        let place = HostPort { host: self.registry.host.clone(), port: object.port };
        self.within(deadline, step, Link::open(&place, tls, self.limit)).await
    }

    async fn within<T>(
        &self,
        deadline: Moment,
        step: Step,
        work: impl Future<Output = Result<T, Reason>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout_at(clock::instant(deadline), work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(reason)) => Err((step, reason)),
            Err(_) => Err((step, Reason::Timeout(self.limit))),
        }
    }
}

fn value<T>(step: Step, answer: Answer<T>) -> Result<T, Failure> {
    match answer {
        Answer::Value(value) => Ok(value),
        Answer::Exception(exception) => Err((step, Reason::Exception(exception))),
    }
}

impl Session {
    async fn readings(&mut self) -> Result<(Moment, Readings), Reason> {
        let mut readings = Readings::default();
        let names: Vec<String> = BEANS.iter().map(Bean::object_name).collect();
        let arguments: Vec<[Argument<'_>; 3]> = names
            .iter()
            .zip(BEANS)
            .map(|(name, bean)| [Argument::ObjectName(name), Argument::Texts(bean.attributes), Argument::Null])
            .collect();
        let answers = self.call_all(Method::GetAttributes, &arguments, views::attributes).await?;
        let taken_at = clock::now();
        for (bean, answer) in BEANS.iter().zip(answers) {
            for (attribute, value) in there(answer)?.unwrap_or_default() {
                add(&mut readings, bean.quantity, &attribute, value);
            }
        }
        for (request, count) in self.requests().await? {
            readings.add_requests(&request, count);
        }
        Ok((taken_at, readings))
    }

    /// The counts of all kinds of requests, an object each.
    async fn requests(&mut self) -> Result<Vec<(String, f64)>, Reason> {
        let query = [[Argument::ObjectName(REQUESTS_PATTERN), Argument::Null, Argument::Null]];
        let found = self.call_all(Method::QueryNames, &query, views::object_names).await?;
        let mut names = Vec::new();
        for answer in found {
            names.extend(there(answer)?.unwrap_or_default());
        }
        names.truncate(MAX_REQUESTS);
        let arguments: Vec<[Argument<'_>; 3]> =
            names.iter().map(|name| [Argument::ObjectName(name), Argument::Text("Count"), Argument::Null]).collect();
        let answers = self.call_all(Method::GetAttribute, &arguments, views::number).await?;
        let mut counts = Vec::new();
        for (name, answer) in names.iter().zip(answers) {
            if let (Some(request), Some(count)) = (request_of(name), there(answer)?) {
                counts.push((request.to_owned(), count));
            }
        }
        Ok(counts)
    }

    async fn call_all<T>(
        &mut self,
        method: Method,
        arguments: &[[Argument<'_>; 3]],
        view: fn(&Value) -> Result<T, SerialError>,
    ) -> Result<Vec<Answer<T>>, Reason> {
        let object = self.object;
        let calls: Vec<Call<'_>> = arguments.iter().map(|arguments| Call { object, method, arguments }).collect();
        let mut answers = Vec::with_capacity(calls.len());
        for calls in calls.chunks(AT_ONCE) {
            answers.extend(self.link.call_all(calls, view).await?);
        }
        Ok(answers)
    }
}

/// A value, or none where this version of Kafka has no such object.
fn there<T>(answer: Answer<T>) -> Result<Option<T>, Reason> {
    match answer {
        Answer::Value(value) => Ok(Some(value)),
        Answer::Exception(exception) if is_about_the_object(&exception) => Ok(None),
        Answer::Exception(exception) => Err(Reason::Exception(exception)),
    }
}

/// Not about the connection, nor about what we may: JMX's own exceptions, such as InstanceNotFoundException.
fn is_about_the_object(exception: &Exception) -> bool {
    exception.class.starts_with("javax.management.")
}

fn add(readings: &mut Readings, quantity: Quantity, attribute: &str, value: Attribute) {
    match value {
        Attribute::Number(number) => readings.add(quantity, attribute, number),
        Attribute::Composite(items) => {
            for (item, number) in items {
                readings.add(quantity, &format!("{attribute}.{item}"), number);
            }
        }
        // A gauge that has no number at the moment.
        Attribute::Other(_) => {}
    }
}
