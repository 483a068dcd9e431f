//! Traces for a collector: the section `trace` of the settings.

use gateway_config::Settings;
use gateway_trace::{SettingsError, Spans, TraceSettings, Tracing};

use super::output::Failure;

/// Where spans go; `None`: nobody named a collector, and nothing is traced.
///
/// # Errors
/// `config_value`, `config_incomplete`, or a file that is no secret.
pub fn settings(settings: &Settings, warnings: &mut Vec<String>) -> Result<Option<TraceSettings>, Failure> {
    let said = |error: SettingsError| error.to_string();
    let endpoint = settings.get_by("trace.endpoint", |text| TraceSettings::parse_endpoint(text).map_err(said))?;
    let sample = settings.get_by("trace.sample", |text| TraceSettings::parse_sample(text).map_err(said))?;
    let secret = settings.secret("trace.authorization")?;
    let Some(endpoint) = endpoint else {
        return match secret {
            Some(_) => Err(Failure::usage("config_incomplete", "trace.authorization needs trace.endpoint")),
            None => Ok(None),
        };
    };
    let authorization = match secret {
        Some(secret) => Some(super::config::read(&secret, warnings)?),
        None => None,
    };
    let all = TraceSettings { endpoint, sample: sample.unwrap_or(1.0), authorization };
    all.look_at().map_err(|error| Failure::usage("config_value", &format!("trace: {error}")))?;
    Ok(Some(all))
}

/// Begins to gather spans, if somebody named a collector.
///
/// # Errors
/// As [`settings`].
pub fn begin(said: &Settings) -> Result<Option<(Spans, Tracing)>, Failure> {
    // What is to be warned of is said once, with everything else.
    let Some(settings) = settings(said, &mut Vec::new())? else { return Ok(None) };
    gateway_trace::begin(settings).map(Some).map_err(|error| Failure::failed("failed", &error.to_string()))
}
