//! `${NAME}` and `${file:PATH}` in the strings of the configuration, and where the process environment comes in.
//! Reads the files it is told to; what it reads never appears in its messages.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use litemap::LiteMap;

/// The largest file that a secret or an inserted text is read from, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// What the process was given by whoever started it. Tests make their own.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Environment variables by name.
    pub variables: LiteMap<String, OsString>,
    /// Where systemd put the credentials of the unit (LoadCredential=), from $CREDENTIALS_DIRECTORY.
    pub credentials_directory: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process. Variables whose names are not UTF-8 cannot be named in the file.
    pub fn of_process() -> Self {
        let variables: LiteMap<_, _> =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        let credentials_directory =
            variables.get("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { variables, credentials_directory }
    }
}

/// What a string of the file stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) value: String,
    /// The files that parts of it came from.
    pub(super) files: Vec<PathBuf>,
    /// Whether anything was put in for a `${…}`.
    pub(super) replaced: bool,
}

/// Where `${…}` is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a> {
    pub(super) environment: &'a Environment,
    /// The folder of the configuration file, absolute.
    pub(super) folder: &'a Path,
}

impl Lookup<'_> {
    /// Replaces every `${…}`; `$${` stands for `${`. What is put in is not looked through again.
    pub(super) fn expand(&self, text: &str) -> Result<Expanded, String> {
        let mut expanded = Expanded { value: String::new(), files: Vec::new(), replaced: false };
        let mut rest = text;
        while let Some(dollar) = rest.find("${") {
            let (before, from_dollar) = rest.split_at(dollar);
            let after = from_dollar.get(2..).unwrap_or_default();
            if let Some(before) = before.strip_suffix('$') {
                expanded.value.push_str(before);
                expanded.value.push_str("${");
                rest = after;
                continue;
            }
            let (name, after) =
                after.split_once('}').ok_or("`${` without a `}`; write `$${` where `${` itself is meant")?;
            expanded.value.push_str(before);
            match name.strip_prefix("file:") {
                Some(path) => {
                    let (path, content) = self.read(path)?;
                    expanded.value.push_str(&content);
                    expanded.files.push(path);
                }
                None => expanded.value.push_str(self.variable(name)?),
            }
            expanded.replaced = true;
            rest = after;
        }
        expanded.value.push_str(rest);
        Ok(expanded)
    }

    fn variable(&self, name: &str) -> Result<&str, String> {
        let plausible = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !plausible || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(
                "between `${` and `}` stands the name of an environment variable or `file:PATH`; write `$${` where \
                 `${` itself is meant"
                    .to_owned(),
            );
        }
        let value = self.environment.variables.get(name);
        let value = value.ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
        value.to_str().ok_or_else(|| format!("the environment variable `{name}` is not UTF-8"))
    }

    /// The content of a file without a newline at its end, and where it was found: a relative path is looked for in
    /// the credentials directory where there is one, then in the folder of the configuration.
    pub(super) fn read(&self, path: &str) -> Result<(PathBuf, String), String> {
        if path.is_empty() {
            return Err("the path of the file is missing".to_owned());
        }
        let credentials = self.environment.credentials_directory.as_ref().map(|directory| directory.join(path));
        let path = match credentials {
            Some(path) if path.exists() => path,
            _ => self.folder.join(path),
        };
        let unreadable = |why: &dyn std::fmt::Display| format!("cannot read {}: {why}", path.display());
        let file = File::open(&path).map_err(|error| unreadable(&error))?;
        let mut content = Vec::new();
        file.take(LARGEST_FILE + 1).read_to_end(&mut content).map_err(|error| unreadable(&error))?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
            return Err(unreadable(&"it is larger than 1 MiB"));
        }
        let mut content = String::from_utf8(content).map_err(|_| unreadable(&"it is not UTF-8"))?;
        if content.ends_with('\n') {
            content.pop();
            if content.ends_with('\r') {
                content.pop();
            }
        }
        Ok((path, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn environment() -> Environment {
        let variables = [("NAME", "value"), ("EMPTY", ""), ("NESTED", "${NAME}")];
        let mut variables: LiteMap<_, _> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), OsString::from(value))).collect();
        variables.insert("BYTES".to_owned(), OsString::from_vec(vec![0xff]));
        Environment { variables, credentials_directory: None }
    }

    #[test]
    fn variables_are_put_in() {
        let (environment, folder) = (environment(), Path::new("/nowhere"));
        let lookup = Lookup { environment: &environment, folder };
        for (rule, text, expected) in [
            ("a text without any", "a $b {c} $", Ok("a $b {c} $")),
            ("a variable", "<${NAME}>", Ok("<value>")),
            ("twice", "${NAME}${NAME}", Ok("valuevalue")),
            ("an empty variable is set", "<${EMPTY}>", Ok("<>")),
            ("what is put in is not looked through again", "${NESTED}", Ok("${NAME}")),
            ("an escaped one", "$${NAME} ${NAME}", Ok("${NAME} value")),
            ("a dollar before an escaped one", "$$${NAME}", Ok("$${NAME}")),
            ("an unset one is named", "${MISSING}", Err("`MISSING` is not set")),
            ("one that is not text", "${BYTES}", Err("`BYTES` is not UTF-8")),
            ("one that is not closed", "${NAME", Err("without a `}`")),
            ("no name", "${}", Err("the name of an environment variable")),
            ("no name that a variable can have", "${a b}", Err("the name of an environment variable")),
            ("a file that is not there", "${file:missing}", Err("cannot read /nowhere/missing: ")),
        ] {
            match (lookup.expand(text), expected) {
                (Ok(expanded), Ok(value)) => assert_eq!(expanded.value, value, "{rule}"),
                (Err(message), Err(part)) => assert!(message.contains(part), "{rule}: {message}"),
                (got, _) => panic!("{rule}: {got:?}"),
            }
        }
    }

    #[test]
    fn files_are_found_among_the_credentials_and_beside_the_configuration() {
        let (credentials, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(credentials.path().join("both"), "credential\n").unwrap();
        std::fs::write(folder.path().join("both"), "beside").unwrap();
        std::fs::write(folder.path().join("beside"), "two\nlines\r\n").unwrap();
        std::fs::write(folder.path().join("binary"), [0xff]).unwrap();
        std::fs::write(folder.path().join("large"), "x".repeat(1 << 20) + "y").unwrap();
        let environment =
            Environment { variables: LiteMap::new(), credentials_directory: Some(credentials.path().to_owned()) };
        let lookup = Lookup { environment: &environment, folder: folder.path() };
        assert_eq!(lookup.expand("<${file:both}>").unwrap().value, "<credential>");
        assert_eq!(lookup.expand("<${file:beside}>").unwrap().value, "<two\nlines>", "one newline is cut");
        let absolute = format!("${{file:{}}}", folder.path().join("both").display());
        assert_eq!(lookup.expand(&absolute).unwrap().value, "beside");
        assert!(lookup.expand("${file:binary}").unwrap_err().ends_with("it is not UTF-8"));
        assert!(lookup.expand("${file:large}").unwrap_err().ends_with("it is larger than 1 MiB"));
        assert!(lookup.expand("${file:}").is_err());
    }
}
