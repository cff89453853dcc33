//! Reading a broker's own figures: from its JVM's JMX port, spoken natively over RMI, from Jolokia, or from the JMX
//! exporter. Says what is read where; what the figures mean is decided in `logic/broker_load`.
//!
//! Deliberately absent: writing attributes, invoking operations, notifications. A `readonly` user is enough.

use std::fmt;
use std::time::Duration;

use crate::clock;
use crate::config::jmx_address as address;
use crate::logic::broker_load::Sample;

mod error;
mod http;
mod rmi;

pub use crate::config::jmx_address::Address;
pub use crate::config::schema::JmxSettings;
pub use error::{JmxError, Reason, Step};

/// One broker's figures, over a connection that is kept from one reading to the next.
pub struct Source {
    transport: Transport,
    address: Address,
    timeout: Duration,
}

enum Transport {
    Rmi(Box<rmi::Connector>),
    Http(Box<http::Reader>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Source {
    /// A source for the broker at `host` (which replaces `{host}`). Opens no connection; reads the files of `tls`.
    ///
    /// # Errors
    /// The URL is none of the known ones, or `tls` cannot be used.
    pub fn new(settings: &JmxSettings, host: &str) -> Result<Self, JmxError> {
        let address = Address::parse(&address::for_host(&settings.url, host)).map_err(|reason| JmxError {
            target: address::shown(&settings.url),
            step: Step::Settings,
            reason: Reason::Url(reason),
        })?;
        let transport = match &address {
            Address::Rmi(place) => Transport::Rmi(Box::new(rmi::Connector::new(place.clone(), settings)?)),
            Address::Jolokia(url) => Transport::Http(Box::new(http::Reader::jolokia(url, settings)?)),
            Address::Exporter(url) => Transport::Http(Box::new(http::Reader::exporter(url, settings)?)),
        };
        Ok(Self { transport, address, timeout: settings.timeout })
    }

    /// Where it reads, for people: without user and password.
    pub fn target(&self) -> String {
        self.address.to_string()
    }

    /// `jmx`, `jolokia` or `exporter`: the value of the label `source`.
    pub fn kind(&self) -> &'static str {
        self.address.kind()
    }

    /// Reads all figures once, within the time limit. A kept connection that turns out to be dead is replaced within it.
    ///
    /// # Errors
    /// Which step failed and what to do about it. The next reading begins with a new connection.
    pub async fn read(&mut self) -> Result<Sample, JmxError> {
        let deadline = clock::now() + self.timeout;
        let result = match &mut self.transport {
            Transport::Rmi(connector) => connector.read(deadline).await,
            Transport::Http(reader) => reader.read(deadline).await,
        };
        let failed = |(step, reason)| JmxError { target: self.address.to_string(), step, reason };
        let (taken_at, readings) = result.map_err(failed)?;
        if readings.is_no_broker() {
            return Err(failed((Step::Read, Reason::NoBroker)));
        }
        Ok(Sample { taken_at, readings })
    }

    /// Ends the connection politely: the JVM forgets it now instead of after two idle minutes. Takes at most a second.
    pub async fn close(self) {
        if let Transport::Rmi(connector) = self.transport {
            connector.close(clock::now() + Duration::from_secs(1)).await;
        }
    }
}
