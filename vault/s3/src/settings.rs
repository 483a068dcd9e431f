//! How the server is reached, and who asks it.

use std::net::IpAddr;

use url::{Host, Url};
use zeroize::Zeroizing;

/// Where buckets are, and with which keys they are opened.
#[derive(Clone)]
pub struct S3Settings {
    /// The server; `None` is Amazon's of the region.
    pub endpoint: Option<Url>,
    /// What signatures name; most other servers take any.
    pub region: String,
    /// Which key signs.
    pub access_key_id: String,
    /// That key.
    pub secret_access_key: Zeroizing<String>,
    /// What goes with a key that is good for a while.
    pub session_token: Option<Zeroizing<String>>,
    /// `https://BUCKET.HOST/…` in place of `https://HOST/BUCKET/…`.
    pub virtual_hosted: bool,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoint = self.endpoint.as_ref().map(Url::as_str);
        f.debug_struct("S3Settings").field("endpoint", &endpoint).field("region", &self.region).finish_non_exhaustive()
    }
}

/// A server cannot be called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is no URL of a server.
    #[error("it is https://HOST or https://HOST:PORT")]
    Endpoint,
    /// Backups are sealed, but names and keys of requests would be seen and changed on the way.
    #[error("it is not https, which has to be allowed")]
    Clear,
    /// Nobody keeps objects there.
    #[error("its address is of this link alone, where no such server is")]
    Address,
}

impl S3Settings {
    /// The region where nobody names one.
    pub const REGION: &str = "us-east-1";

    /// Reads the address of a server. `clear`: plain HTTP is allowed.
    ///
    /// # Errors
    /// As [`SettingsError`] says.
    pub fn parse_endpoint(text: &str, clear: bool) -> Result<Url, SettingsError> {
        let url = Url::parse(text).map_err(|_| SettingsError::Endpoint)?;
        let bare = url.query().is_none() && url.fragment().is_none() && url.path() == "/";
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(SettingsError::Endpoint);
        }
        let literal = match url.host().ok_or(SettingsError::Endpoint)? {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        };
        if literal.is_some_and(is_nowhere) {
            return Err(SettingsError::Address);
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if clear => Ok(url),
            "http" => Err(SettingsError::Clear),
            _ => Err(SettingsError::Endpoint),
        }
    }
}

/// Addresses at which no server of objects is, whoever names them: those of a link, where a cloud tells a machine its
/// secrets, of many, and of none. The operator names the server, so it may well lie within the house.
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
    fn a_server_is_named_by_https_unless_clear_is_allowed_and_is_no_address_of_a_link() {
        let read = |text: &str, clear| S3Settings::parse_endpoint(text, clear).map(|url| url.to_string());
        assert_eq!(read("https://s3.example.org", false).unwrap(), "https://s3.example.org/");
        assert_eq!(read("http://192.168.1.9:9000", true).unwrap(), "http://192.168.1.9:9000/", "a house's own");
        assert_eq!(read("http://192.168.1.9:9000", false), Err(SettingsError::Clear));
        for text in ["s3.example.org", "ftp://x", "https://key:secret@x", "https://x/path", "https://x?q", ""] {
            assert_eq!(read(text, true), Err(SettingsError::Endpoint), "{text}");
        }
        for text in ["http://169.254.169.254", "https://0.0.0.0", "http://[fe80::1]", "http://[::ffff:169.254.169.254]"]
        {
            assert_eq!(read(text, true), Err(SettingsError::Address), "{text}");
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let secret = Zeroizing::new("canary-4711".to_owned());
        let settings = S3Settings {
            endpoint: None,
            region: "home".into(),
            access_key_id: "canary-id".into(),
            session_token: Some(secret.clone()),
            secret_access_key: secret,
            virtual_hosted: false,
        };
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
