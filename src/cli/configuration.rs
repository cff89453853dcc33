//! Which configuration a command uses, and how it tells that there is none.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::config::schema::{Config, ForwardSettings};
use crate::config::{Environment, Loaded, closest, load as load_file};

/// Where the configuration is when nobody says otherwise.
const DEFAULT: &str = "/etc/barnabas/barnabas.toml";
/// The environment variable that says otherwise.
const VARIABLE: &str = "BARNABAS_CONFIG";

/// The configuration of `--config`, else of the environment, else of the usual place.
pub(super) fn load(given: Option<&Path>) -> Result<Loaded, Failure> {
    let path = path(given);
    if given.is_none() && !path.exists() {
        return Err(Failure::Usage(format!(
            "there is no configuration at {}: name one with --config FILE or in ${VARIABLE}",
            path.display()
        )));
    }
    Ok(load_file(&path, &Environment::of_process())?)
}

/// The same for a command that never says where in the file something stands.
pub(super) fn settings(given: Option<&Path>) -> Result<Config, Failure> {
    load(given).map(|loaded| loaded.config)
}

/// Where the configuration is, whether it exists or not.
pub(super) fn path(given: Option<&Path>) -> PathBuf {
    match (given, std::env::var_os(VARIABLE)) {
        (Some(path), _) => path.to_owned(),
        (None, Some(path)) if !path.is_empty() => PathBuf::from(path),
        (None, _) => PathBuf::from(DEFAULT),
    }
}

/// The forward of that name; without a name the only one there is.
pub(super) fn forward<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a ForwardSettings, Failure> {
    let names = || config.forwards.iter().map(|forward| forward.name.as_str());
    match (name, config.forwards.as_slice()) {
        (None, [only]) => Ok(only),
        (None, []) => Err(Failure::Usage("the configuration has no [[forward]]".to_owned())),
        (None, _) => {
            let names: Vec<&str> = names().collect();
            Err(Failure::Usage(format!("which forward? --forward takes one of {}", names.join(", "))))
        }
        (Some(name), forwards) => forwards.iter().find(|forward| forward.name == name).ok_or_else(|| {
            let hint = closest(name, names()).map(|close| format!("; did you mean {close:?}?")).unwrap_or_default();
            Failure::Usage(format!("no forward is called {name:?}{hint}"))
        }),
    }
}
