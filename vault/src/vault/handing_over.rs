//! Rows for peers.

use policy_core::{Permits, Replicate, SchemaVersion, SealRefusal};

use super::{Vault, VaultError};
use crate::handover::{Pass, Wanted};
use crate::log::Scope;
use crate::replicate::Beyond;

impl Vault {
    /// Rows of the log for a peer, by a pass for this one batch.
    ///
    /// Rows can be had by a pass,
    /// ```
    /// use vault::handover::{Pass, Wanted};
    /// async fn rows(vault: &vault::Vault, pass: Pass<'_>, wanted: Wanted<'_>) -> usize {
    ///     vault.hand_over(pass, wanted).await.unwrap().rows.len()
    /// }
    /// ```
    /// and by nothing else:
    /// ```compile_fail,E0624
    /// use vault::{handover::Wanted, log::Scope};
    /// async fn rows(vault: &vault::Vault, scope: Scope, wanted: Wanted<'_>) -> usize {
    ///     vault.admission().beyond(scope, wanted).await.unwrap().rows.len()
    /// }
    /// ```
    ///
    /// # Errors
    /// [`VaultError::Permit`] if policy, or the enrolment, has moved since the pass was made, also while the log was
    /// read: then nothing is handed over, and another pass may be asked for. Or if the log cannot be read.
    pub async fn hand_over(&self, pass: Pass<'_>, wanted: Wanted<'_>) -> Result<Beyond, VaultError> {
        let scope = match pass {
            Pass::Space(permits) => Scope::Space(permits.space()),
            Pass::Account(enrolled) => Scope::Account(enrolled.user()),
            Pass::AccountOf(permits) => Scope::Account(permits.caller().user),
        };
        self.holds(pass)?;
        let found = self.admission().beyond(scope, wanted).await?;
        // What was appended after the right was gone may be among it.
        self.holds(pass)?;
        Ok(found)
    }

    /// Whether a pass is good at this moment.
    fn holds(&self, pass: Pass<'_>) -> Result<(), VaultError> {
        let admission = self.admission();
        let admits = |permits: &Permits<Replicate>| {
            let now = (self.0.clock)();
            self.0.seal.admits(permits, SchemaVersion::default(), now).map_err(VaultError::Permit)
        };
        let stands = match pass {
            Pass::Account(enrolled) => admission.is_enrolled(enrolled),
            Pass::Space(permits) => {
                admits(permits)?;
                let caller = permits.caller();
                caller.device.is_none() || admission.enrolled(caller.user, permits.peer()).is_some()
            }
            Pass::AccountOf(permits) => {
                admits(permits)?;
                let caller = permits.caller();
                caller.device.is_none() && admission.owner(Scope::Space(permits.space())) == Some(caller.user)
            }
        };
        if stands { Ok(()) } else { Err(VaultError::Permit(SealRefusal::Moved)) }
    }
}
