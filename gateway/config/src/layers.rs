//! Flags over environment over file over default.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::{FileFormat, Source as _, Value, ValueKind};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::ConfigError;
use crate::secret::Secret;
use crate::setting::{EACH_PROVIDER, PROVIDER_SETTINGS, PROVIDERS, SETTINGS, Setting, SettingKind, is_provider_name};

/// No `allod.toml` is longer, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Variables with our prefix that are no settings of a node.
const NO_SETTINGS: [&str; 6] =
    ["ALLOD_DATA", "ALLOD_CONFIG", "ALLOD_PASSPHRASE_FILE", "ALLOD_SYNC_TRACE", "ALLOD_CLOCK_AHEAD", "ALLOD_BIN"];

/// Who says what a setting is. The later one beats the earlier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nobody says anything.
    Default,
    /// `allod.toml`, or the file of `--config`.
    File(PathBuf),
    /// This variable.
    Environment(String),
    /// A flag of the command.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Environment(name) => write!(f, "environment {name}"),
            Source::Flag => f.write_str("flag"),
        }
    }
}

/// What the command's flags say, by key.
#[derive(Debug, Clone, Default)]
pub struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    /// Takes what a flag says, if it was given.
    ///
    /// # Panics
    /// If there is no such setting: a fault of the caller.
    #[must_use]
    pub fn with(mut self, key: &'static str, said: Option<impl ToString>) -> Self {
        assert!(Setting::of(key).is_some(), "there is no setting {key}");
        if let Some(said) = said {
            self.0.insert(key, said.to_string());
        }
        self
    }
}

/// The environment, as pairs of name and value. Names or values that are no text are left out.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os();
        Environment(
            pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect(),
        )
    }

    /// These pairs.
    #[must_use]
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Environment(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    fn get(&self, name: &str) -> Option<&str> {
        // An empty variable says nothing: `ALLOD_URL= allod serve` takes it back.
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// A setting as `allod config` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SettingView {
    /// `section.key`.
    pub key: String,
    /// What counts; `(set)` for a secret; absent if nothing does.
    pub value: Option<String>,
    /// Who says so.
    pub source: String,
    /// What would count without it.
    pub default: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
}

/// What counts, and who says so.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<String, (Source, Value)>,
    /// What the operator should hear.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Lays flags over the environment over the file. `named` is a file that must be there; else `DIR/allod.toml`
    /// counts if there is one.
    ///
    /// # Errors
    /// `config_unreadable`, `config_malformed`, `config_unknown_key`, `config_value`, `config_writable`,
    /// `config_contradiction`.
    pub fn load(
        dir: &Path,
        named: Option<&Path>,
        environment: &Environment,
        flags: &Flags,
    ) -> Result<Settings, ConfigError> {
        let mut settings = Settings { values: BTreeMap::new(), warnings: Vec::new() };
        let by_itself = dir.join("allod.toml");
        match named {
            Some(path) => settings.read(path, true)?,
            None => settings.read(&by_itself, false)?,
        }
        settings.hear(environment);
        for (key, said) in &flags.0 {
            let value = Value::new(None, ValueKind::String(said.clone()));
            settings.values.insert((*key).to_owned(), (Source::Flag, value));
        }
        for (key, setting) in settings.keys() {
            if !setting.default.is_empty() {
                let value = Value::new(None, ValueKind::String(setting.default.to_owned()));
                settings.values.entry(key).or_insert((Source::Default, value));
            }
        }
        settings.check()?;
        Ok(settings)
    }

    /// What a file says.
    fn read(&mut self, path: &Path, must_exist: bool) -> Result<(), ConfigError> {
        use std::io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
        use std::io::Read;
        let unreadable = |error: &dyn fmt::Display| {
            ConfigError::new("config_unreadable", format!("{} cannot be read: {error}", path.display()))
        };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            // Under such a name nothing can be; what is wrong with the directory is said by whoever opens it.
            Err(error) if !must_exist && matches!(error.kind(), NotFound | InvalidFilename | NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(unreadable(&error)),
        };
        let found = file.metadata().map_err(|error| unreadable(&error))?;
        if found.is_dir() {
            return Err(unreadable(&"it is a directory"));
        }
        if found.is_file() && found.mode() & 0o002 != 0 {
            let said = format!("everybody on this machine can write {}", path.display());
            return Err(ConfigError::new("config_writable", said).hint(format!("chmod o-w {}", path.display())));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
        if text.len() as u64 > MAX_FILE {
            return Err(unreadable(&"it is longer than a mebibyte"));
        }
        let parsed = config::File::from_str(&text, FileFormat::Toml).collect();
        let parsed = parsed.map_err(|error| malformed(path, &error.to_string()))?;
        let mut secrets = false;
        for (section, inside) in parsed {
            let ValueKind::Table(inside) = inside.kind else {
                return Err(unknown(path, &section));
            };
            for (name, value) in inside {
                let key = format!("{section}.{name}");
                let keyed = match value.kind {
                    // A section of its own for each provider.
                    ValueKind::Table(inside) if key.starts_with(PROVIDERS) => {
                        if !is_provider_name(&name) {
                            return Err(misnamed(path, &name));
                        }
                        inside.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect()
                    }
                    _ => vec![(key, value)],
                };
                for (key, value) in keyed {
                    let setting = Setting::of(&key).ok_or_else(|| unknown(path, &key))?;
                    secrets |= setting.kind == SettingKind::Secret;
                    self.values.insert(key, (Source::File(path.to_owned()), value));
                }
            }
        }
        if secrets && found.is_file() && found.mode() & 0o022 != 0 {
            let said = format!("others can write {}, which holds secrets", path.display());
            return Err(ConfigError::new("config_writable", said).hint(format!("chmod 600 {}", path.display())));
        }
        if secrets && found.is_file() && found.mode() & 0o044 != 0 {
            self.warnings.push(format!("others can read {}, which holds secrets", path.display()));
        }
        Ok(())
    }

    /// What the environment says.
    fn hear(&mut self, environment: &Environment) {
        for setting in SETTINGS {
            let own = setting.variable();
            let names = std::iter::once(own.as_str()).chain(setting.also.iter().copied());
            let said = names.filter_map(|name| Some((name, environment.get(name)?))).next();
            if let Some((name, said)) = said {
                let value = Value::new(None, ValueKind::String(said.to_owned()));
                self.values.insert(setting.key.to_owned(), (Source::Environment(name.to_owned()), value));
            }
        }
        for (name, said) in &environment.0 {
            if let Some(key) = Setting::of_provider_variable(name).filter(|_| !said.is_empty()) {
                let value = Value::new(None, ValueKind::String(said.clone()));
                self.values.insert(key, (Source::Environment(name.clone()), value));
            }
        }
        let known: Vec<String> = SETTINGS
            .iter()
            .flat_map(|setting| std::iter::once(setting.variable()).chain(setting.also.iter().map(ToString::to_string)))
            .chain(NO_SETTINGS.map(str::to_owned))
            .collect();
        for (name, _) in &environment.0 {
            let ours = name.starts_with("ALLOD_") && !name.starts_with("ALLOD_TEST_");
            if ours && !known.contains(name) && Setting::of_provider_variable(name).is_none() {
                let nearest = nearest(name, known.iter().map(String::as_str));
                let nearest = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
                self.warnings.push(format!("nothing goes by the variable {name}{nearest}"));
            }
        }
    }

    /// What holds for every setting, whoever reads it.
    fn check(&self) -> Result<(), ConfigError> {
        for (key, setting) in self.keys() {
            match setting.kind {
                SettingKind::One | SettingKind::Path | SettingKind::Secret => drop(self.text(&key)?),
                SettingKind::Many => drop(self.list::<String>(&key)?),
                SettingKind::Switch => drop(self.switch(&key)?),
            }
            if setting.kind == SettingKind::Secret {
                self.secret(&key)?;
            }
        }
        Ok(())
    }

    /// The names of the outside providers of which anything is said.
    #[must_use]
    pub fn providers(&self) -> Vec<String> {
        let names = self.values.keys().filter_map(|key| Some(key.strip_prefix(PROVIDERS)?.split_once('.')?.0));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.dedup();
        names
    }

    /// The key of each setting, those of each provider that is named among them.
    fn keys(&self) -> Vec<(String, &'static Setting)> {
        let each = |name: String| {
            let key = move |setting: &Setting| setting.key.replacen(EACH_PROVIDER, &format!("{PROVIDERS}{name}."), 1);
            PROVIDER_SETTINGS.iter().map(move |setting| (key(setting), setting))
        };
        let providers = self.providers().into_iter().flat_map(each);
        SETTINGS.iter().map(|setting| (setting.key.to_owned(), setting)).chain(providers).collect()
    }

    fn refused(&self, key: &str, reason: &str) -> ConfigError {
        let source = self.values.get(key).map_or(&Source::Default, |(source, _)| source);
        let hidden = Setting::of(key).is_some_and(|setting| setting.kind == SettingKind::Secret);
        let reason = if hidden { "it is not a text" } else { reason };
        ConfigError::new("config_value", format!("{key} ({source}): {reason}"))
    }

    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let Some((source, value)) = self.values.get(key) else { return Ok(None) };
        match &value.kind {
            ValueKind::String(text) if text.is_empty() && *source == Source::Flag => {
                Err(self.refused(key, "it is empty"))
            }
            ValueKind::String(text) if text.is_empty() => Ok(None),
            ValueKind::String(text) => Ok(Some(text.clone())),
            ValueKind::I64(number) if Setting::of(key).is_some_and(|setting| setting.kind == SettingKind::One) => {
                Ok(Some(number.to_string()))
            }
            ValueKind::Float(number) if Setting::of(key).is_some_and(|setting| setting.kind == SettingKind::One) => {
                Ok(Some(number.to_string()))
            }
            other => Err(self.refused(key, &format!("it is {}, and should be a text in quotes", kind_of(other)))),
        }
    }

    /// What a setting says, parsed; `None` if nobody says anything.
    ///
    /// # Errors
    /// `config_value` if it cannot be parsed.
    pub fn get<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        self.get_by(key, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// As [`Settings::get`], parsed by `parse`.
    ///
    /// # Errors
    /// `config_value` if it cannot be parsed.
    pub fn get_by<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        parse(&text).map(Some).map_err(|reason| self.refused(key, &format!("`{text}`: {reason}")))
    }

    /// What a list says, each entry parsed.
    ///
    /// # Errors
    /// `config_value` if one cannot be parsed.
    pub fn list<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Vec<T>, ConfigError> {
        let Some((_, value)) = self.values.get(key) else { return Ok(Vec::new()) };
        let texts: Vec<String> = match &value.kind {
            ValueKind::String(text) => text.split(',').map(|one| one.trim().to_owned()).collect(),
            ValueKind::Array(items) => items
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => Ok(text.clone()),
                    other => Err(self.refused(key, &format!("it lists {}, and should list texts", kind_of(other)))),
                })
                .collect::<Result<_, _>>()?,
            other => return Err(self.refused(key, &format!("it is {}, and should be a list", kind_of(other)))),
        };
        let parse = |text: &String| text.parse::<T>().map_err(|error| self.refused(key, &format!("`{text}`: {error}")));
        texts.iter().filter(|text| !text.is_empty()).map(parse).collect()
    }

    /// Whether a switch is on.
    ///
    /// # Errors
    /// `config_value` if it is neither `true` nor `false`.
    pub fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        let Some((_, value)) = self.values.get(key) else { return Ok(false) };
        match &value.kind {
            ValueKind::Boolean(on) => Ok(*on),
            ValueKind::String(text) if text == "true" => Ok(true),
            ValueKind::String(text) if text == "false" || text.is_empty() => Ok(false),
            ValueKind::String(text) => Err(self.refused(key, &format!("`{text}` is neither true nor false"))),
            other => Err(self.refused(key, &format!("it is {}, and should be true or false", kind_of(other)))),
        }
    }

    /// Where a secret is, by itself or by its `_file` twin: what the higher source says.
    ///
    /// # Errors
    /// `config_contradiction` if one source says both.
    pub fn secret(&self, key: &str) -> Result<Option<Secret>, ConfigError> {
        let twin = format!("{key}_file");
        let (text, path) = (self.text(key)?, self.text(&twin)?);
        let rank = |key: &str| {
            self.values.get(key).map_or(0, |(source, _)| match source {
                Source::Default => 0,
                Source::File(_) => 1,
                Source::Environment(_) => 2,
                Source::Flag => 3,
            })
        };
        match (text, path) {
            (Some(_), Some(_)) if rank(key) == rank(&twin) => {
                Err(ConfigError::new("config_contradiction", format!("{key} and {twin} are both set; leave one out")))
            }
            (Some(text), path) if path.is_none() || rank(key) > rank(&twin) => {
                Ok(Some(Secret::Text(Zeroizing::new(text))))
            }
            (_, path) => Ok(path.map(|path| Secret::File(PathBuf::from(path)))),
        }
    }

    /// Whether somebody says something, other than the default.
    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|(source, _)| *source != Source::Default)
    }

    /// Every setting, for people: secrets are `(set)`.
    #[must_use]
    pub fn views(&self) -> Vec<SettingView> {
        let one = |(key, setting): (String, &'static Setting)| {
            let said = self.values.get(&key);
            let value = said.map(|(_, value)| match (&setting.kind, &value.kind) {
                (SettingKind::Secret, _) => "(set)".to_owned(),
                (_, ValueKind::Array(items)) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                _ => value.to_string(),
            });
            SettingView {
                value,
                source: said.map_or_else(|| Source::Default.to_string(), |(source, _)| source.to_string()),
                default: (!setting.default.is_empty()).then_some(setting.default),
                help: setting.help,
                key,
            }
        };
        self.keys().into_iter().map(one).collect()
    }
}

/// What a value is, in words.
fn kind_of(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) | ValueKind::Float(_) => {
            "a number"
        }
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}

/// TOML's complaint without the line that it shows, which can hold a secret.
fn malformed(path: &Path, said: &str) -> ConfigError {
    let place = said.lines().next().unwrap_or_default().trim_start_matches("TOML parse error at ");
    let reason = said.lines().rev().find(|line| !line.contains('|') && !line.trim().is_empty()).unwrap_or_default();
    let place = place.split_once(" in ").map_or(place, |(place, _)| place);
    ConfigError::new("config_malformed", format!("{} is not TOML, at {place}: {reason}", path.display()))
}

/// The known name that is nearest to `name`, if one is near.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1)
}

fn misnamed(path: &Path, name: &str) -> ConfigError {
    let told: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    let error = ConfigError::new("config_value", format!("{} calls a provider `{told}`", path.display()));
    error.hint("such a name has 1 to 32 small letters, digits and hyphens, a letter first".to_owned())
}

fn unknown(path: &Path, key: &str) -> ConfigError {
    let told: String = key.chars().filter(|c| !c.is_control()).take(80).collect();
    let error =
        ConfigError::new("config_unknown_key", format!("{} sets `{told}`, which is no setting", path.display()));
    // A key in the wrong section is near by its name alone.
    let name = told.rsplit('.').next().unwrap_or_default();
    let elsewhere = || SETTINGS.iter().map(|s| s.key).find(|known| known.ends_with(&format!(".{name}")));
    let known = SETTINGS.iter().chain(PROVIDER_SETTINGS).map(|setting| setting.key);
    match nearest(&told, known).or_else(elsewhere) {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`? `allod config` lists all")),
        None => error.hint("`allod config` lists the settings there are".to_owned()),
    }
}

#[cfg(test)]
mod tests;
