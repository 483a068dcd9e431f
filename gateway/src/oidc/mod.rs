//! Sign-in by outside providers: OpenID Connect Core 1.0 with PKCE (RFC 7636), by discovery.
//!
//! A provider is named by the operator (`oidc.NAME.…`). What it says of somebody counts for who they are there, and for
//! nothing else: which account here is theirs was said by its owner, or is made anew.

mod error;
mod flows;
mod logout;
mod provider;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

pub use error::OidcError;
pub(crate) use flows::MAX_CODES;
pub use flows::{Flow, Purpose};
pub use provider::{Person, Provider, ProviderConfig};

use crate::outbound::Outbound;

/// The providers that the operator named, and the sign-ins that are on their way.
#[derive(Debug, Default)]
pub struct Providers {
    list: BTreeMap<String, Arc<Provider>>,
    pub(crate) flows: flows::Flows,
}

impl Providers {
    /// These.
    pub fn new(configs: Vec<ProviderConfig>, outbound: &Outbound) -> Self {
        let list = configs.into_iter().map(|config| {
            let name = config.name.clone();
            (name, Arc::new(Provider::new(config, outbound.clone())))
        });
        Providers { list: list.collect(), flows: flows::Flows::default() }
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &ProviderConfig> {
        self.list.values().map(|provider| provider.config())
    }

    /// The provider of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.list.get(name)
    }

    /// Begins a sign-in at a provider; where the browser is to go. It waits ten minutes.
    ///
    /// # Errors
    /// `Failed` if the provider cannot be asked where that is.
    pub async fn begin(
        &self,
        provider: &Provider,
        node: &str,
        purpose: Purpose,
        from: Option<IpAddr>,
    ) -> Result<String, OidcError> {
        let begun = provider.begin(node, purpose.is_again()).await?;
        let url = begun.url.clone();
        self.flows.put(Flow::new(provider.config().name.clone(), begun, purpose), from);
        Ok(url)
    }
}
