//! `https://HOST/places/NAME`.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// What a place is called by whoever keeps it: 1 to 40 small letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceLabel(String);

/// Where a place is, at another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedAddress {
    url: Url,
    label: PlaceLabel,
}

/// A text is not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No place is called so.
    #[error("a place is called by 1 to 40 small letters, digits and hyphens, and begins with a letter or a digit")]
    Label,
    /// It leads to none.
    #[error("it is https://HOST/places/NAME, as the other node printed it")]
    Address,
}

const PATH: &str = "/places/";

impl PlaceLabel {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlaceLabel {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let fits = (1..=40).contains(&text.len()) && plain && !text.starts_with('-');
        if fits { Ok(PlaceLabel(text.to_owned())) } else { Err(AddressError::Label) }
    }
}

impl fmt::Display for PlaceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HostedAddress {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        begins("https://") || begins("http://")
    }

    /// The path of a place at whatever node keeps it.
    pub fn path(label: &PlaceLabel) -> String {
        format!("{PATH}{label}")
    }

    /// Scheme, host and port of the node.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The node, with the path of the place.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The name of the place.
    pub fn label(&self) -> &PlaceLabel {
        &self.label
    }
}

impl FromStr for HostedAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::Address)?;
        let bare = url.query().is_none() && url.fragment().is_none();
        // A secret has no place in an address: addresses are shown, and written into logs.
        let nobody = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "https" | "http") && url.has_host();
        let label = url.path().strip_prefix(PATH).map(|label| label.trim_end_matches('/')).map(PlaceLabel::from_str);
        match label {
            Some(Ok(label)) if bare && nobody && web => {
                let mut url = url;
                url.set_path(&Self::path(&label));
                Ok(HostedAddress { url, label })
            }
            Some(Err(error)) if bare && nobody && web => Err(error),
            _ => Err(AddressError::Address),
        }
    }
}

impl fmt::Display for HostedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_node_and_the_name_of_a_place_and_holds_no_secret() {
        for text in ["https://box.example.org/places/anna", "http://127.0.0.1:8420/places/2-nd"] {
            assert_eq!(text.parse::<HostedAddress>().unwrap().to_string(), text);
        }
        let read: HostedAddress = "https://box.example.org:443/places/anna/".parse().unwrap();
        assert_eq!(
            (read.to_string(), read.origin()),
            ("https://box.example.org/places/anna".into(), "https://box.example.org".into())
        );
        for text in [
            "https://box.example.org",
            "https://box.example.org/",
            "https://box.example.org/anna",
            "https://allod_place_x@box.example.org/places/anna",
            "https://a:b@box.example.org/places/anna",
            "https://box.example.org/places/anna?secret=x",
            "https://box.example.org/places/anna#x",
            "https://box.example.org/places/anna/x",
            "https://box.example.org/places/..",
            "https://box.example.org/places/Anna",
            "ftp://box.example.org/places/anna",
        ] {
            assert!(text.parse::<HostedAddress>().is_err(), "{text}");
        }
        assert!(
            HostedAddress::is_meant("HTTPS://x")
                && !HostedAddress::is_meant("/https://")
                && !HostedAddress::is_meant("s3://x")
        );
        for label in ["", "-a", "a/b", "..", "A", "a b", &"a".repeat(41)] {
            assert!(label.parse::<PlaceLabel>().is_err(), "{label}");
        }
    }
}
