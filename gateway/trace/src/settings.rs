//! Where spans go, and how many.

use std::net::IpAddr;

use url::{Host, Url};
use zeroize::Zeroizing;

/// Where spans go, and how many.
#[derive(Clone)]
pub struct TraceSettings {
    /// Where a collector takes spans: `http://127.0.0.1:4318/v1/traces`, say.
    pub endpoint: Url,
    /// Of how many requests it is told: 0 to 1.
    pub sample: f64,
    /// What the collector is shown as `Authorization`, whole.
    pub authorization: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceSettings").field("sample", &self.sample).finish_non_exhaustive()
    }
}

/// Spans cannot go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is no address of a collector.
    #[error("a collector is http(s)://HOST:PORT/PATH, as http://127.0.0.1:4318/v1/traces, without a name or a query")]
    Endpoint,
    /// No collector is at such an address.
    #[error("no collector is at such an address: it is of a link, of many, or of none")]
    Address,
    /// A secret would go over the network in clear.
    #[error("with trace.authorization the collector is called by https, or on this machine")]
    Clear,
    /// It is no share.
    #[error("it is a number from 0 to 1")]
    Sample,
    /// It can stand in no header.
    #[error("it is what stands behind `Authorization:`, on one line")]
    Authorization,
    /// The client could not be made.
    #[error("no connection to a collector can be made on this machine")]
    Client,
}

impl TraceSettings {
    /// Reads an address of a collector. The operator names it, so it may well lie within the house, or on this machine.
    ///
    /// # Errors
    /// [`SettingsError::Endpoint`], [`SettingsError::Address`].
    pub fn parse_endpoint(text: &str) -> Result<Url, SettingsError> {
        let url = Url::parse(text).map_err(|_| SettingsError::Endpoint)?;
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || !bare || url.fragment().is_some() || url.path() == "/" {
            return Err(SettingsError::Endpoint);
        }
        match number(&url) {
            Some(ip) if is_nowhere(ip) => Err(SettingsError::Address),
            _ => Ok(url),
        }
    }

    /// Reads a share.
    ///
    /// # Errors
    /// [`SettingsError::Sample`].
    pub fn parse_sample(text: &str) -> Result<f64, SettingsError> {
        let share = text.parse().map_err(|_| SettingsError::Sample)?;
        if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(SettingsError::Sample) }
    }

    /// Looks at all of it together.
    ///
    /// # Errors
    /// [`SettingsError::Clear`], [`SettingsError::Authorization`].
    pub fn look_at(&self) -> Result<(), SettingsError> {
        let Some(authorization) = &self.authorization else { return Ok(()) };
        if reqwest::header::HeaderValue::from_str(authorization).is_err() {
            return Err(SettingsError::Authorization);
        }
        let here = number(&self.endpoint).is_some_and(|ip| ip.to_canonical().is_loopback());
        let here = here || self.endpoint.host_str() == Some("localhost");
        if self.endpoint.scheme() == "https" || here { Ok(()) } else { Err(SettingsError::Clear) }
    }
}

/// The host of an address, if it is a number.
fn number(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

/// Addresses at which no collector is, whoever names them: those of a link, where a cloud tells a machine its secrets, of
/// many, and of none.
pub(crate) fn is_nowhere(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_address_of_its_own_and_a_secret_crosses_no_network_in_clear() {
        let read = TraceSettings::parse_endpoint;
        let with = |text: &str, authorization: &str| {
            let authorization = Some(Zeroizing::new(authorization.to_owned()));
            TraceSettings { endpoint: read(text).unwrap(), sample: 1.0, authorization }.look_at()
        };
        for text in ["http://127.0.0.1:4318/v1/traces", "https://c.example.org/v1/traces", "http://[::1]:4318/x"] {
            assert_eq!(with(text, "Bearer x"), Ok(()), "{text}");
        }
        for text in ["http://10.0.0.7:4318/v1/traces", "http://collector:4318/v1/traces"] {
            assert_eq!(with(text, "Bearer x"), Err(SettingsError::Clear), "{text}");
            let bare = TraceSettings { endpoint: read(text).unwrap(), sample: 1.0, authorization: None };
            assert_eq!(bare.look_at(), Ok(()), "control: a house's own");
        }
        assert_eq!(with("http://127.0.0.1:4318/v1/traces", "a\r\nhost: b"), Err(SettingsError::Authorization));
        for text in ["", "127.0.0.1:4318", "ftp://x/y", "http://x", "http://a:b@x/y", "http://x/y?z", "http://x/y#z"] {
            assert_eq!(read(text), Err(SettingsError::Endpoint), "{text}");
        }
        for text in ["http://169.254.169.254/v1/traces", "http://0.0.0.0:4318/v1/traces", "http://[fe80::1]/v1/traces"]
        {
            assert_eq!(read(text), Err(SettingsError::Address), "{text}");
        }
        for (text, share) in [("0", 0.0), ("0.25", 0.25), ("1", 1.0)] {
            assert_eq!(TraceSettings::parse_sample(text), Ok(share));
        }
        for text in ["", "-0.1", "1.1", "NaN", "inf", "10%"] {
            assert_eq!(TraceSettings::parse_sample(text), Err(SettingsError::Sample), "{text}");
        }
    }
}
