//! From a name and a port to a TCP connection, for peers that are spoken with over tokio: brokers and their JMX ports.
//! Knows nothing of what is said on it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::config::schema::HostPort;

/// Tries the name's addresses in turn, each with its share of the time: one that is a black hole must not use up all.
/// Looking up the name is not within `limit`.
///
/// # Errors
/// Why none of them could be connected to, each with its address.
pub async fn connect(place: &HostPort, limit: Duration) -> Result<TcpStream, String> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((place.host.as_str(), place.port))
        .await
        .map_err(|error| format!("{}: {error}", place.host))?
        .collect();
    let share = limit / u32::try_from(found.len()).unwrap_or(u32::MAX).max(1);
    let mut failures = Vec::new();
    for address in found {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| error.to_string())?;
                return Ok(stream);
            }
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no answer within {share:?}")),
        }
    }
    if failures.is_empty() {
        failures.push("the name has no address".to_owned());
    }
    Err(failures.join(", "))
}
