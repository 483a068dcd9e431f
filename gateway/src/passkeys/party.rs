//! For whom passkeys are made and proved: the name of the node's pages, and the one origin that they have.

use gateway_http::pages::LOOPBACK_NAME;
use sha2::{Digest, Sha256};
use url::{Host, Url};
use webauthn_rs::prelude::{
    CreationChallengeResponse, CredentialID, DiscoverableAuthentication, Passkey, PasskeyRegistration,
    RegisterPublicKeyCredential, RequestChallengeResponse, Uuid, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};
use webauthn_rs_proto::{AllowCredentials, AuthenticatorTransport, ResidentKeyRequirement};

/// What devices show beside the name.
const RELYING_PARTY_NAME: &str = "Allod";

/// A relying party (Web Authentication Level 3, 5.1.2): its id is a name, and never an address.
#[derive(Debug)]
pub struct RelyingParty {
    id: String,
    origin: String,
    webauthn: Webauthn,
}

impl RelyingParty {
    /// That of a node which is reached under `url`; `None` where its pages have no name, or browsers keep passkeys from
    /// them since they come in clear. On this machine pages have a name of their own.
    pub fn of(url: &str) -> Option<RelyingParty> {
        let mut url = Url::parse(url).ok()?;
        let here = match url.host()? {
            Host::Domain(name) => name == "localhost" || name == LOOPBACK_NAME,
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        if here {
            url.set_host(Some(LOOPBACK_NAME)).ok()?;
        } else if url.scheme() != "https" {
            return None;
        }
        let id = url.domain()?.to_owned();
        let webauthn = WebauthnBuilder::new(&id, &url).ok()?.rp_name(RELYING_PARTY_NAME).build().ok()?;
        Some(RelyingParty { origin: url.origin().ascii_serialization(), id, webauthn })
    }

    /// The name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its pages are, as browsers write it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Begins to make a passkey for a person whom devices know as `handle`, where none of `held` lies.
    ///
    /// # Errors
    /// If the name is empty.
    pub fn begin_making(
        &self,
        handle: Uuid,
        name: &str,
        held: Vec<CredentialID>,
    ) -> Result<(CreationChallengeResponse, PasskeyRegistration), WebauthnError> {
        let (mut asked, state) = self.webauthn.start_passkey_registration(handle, name, name, Some(held))?;
        // One that is not found without a name is a second factor, and no way in.
        if let Some(selection) = &mut asked.public_key.authenticator_selection {
            selection.require_resident_key = true;
            selection.resident_key = Some(ResidentKeyRequirement::Required);
        }
        Ok((asked, state))
    }

    /// The passkey that was made (Web Authentication Level 3, 7.1).
    ///
    /// # Errors
    /// If it was made for another challenge, origin or name, or without a check of the person.
    pub fn made(
        &self,
        made: &RegisterPublicKeyCredential,
        state: &PasskeyRegistration,
    ) -> Result<Passkey, WebauthnError> {
        self.webauthn.finish_passkey_registration(made, state)
    }

    /// What the maker of a device calls its kind (AAGUID), of a passkey that was made well. Nothing proves it.
    pub fn model(&self, made: &RegisterPublicKeyCredential) -> Option<Uuid> {
        /// Between the hash of the name and the AAGUID: flags and counter (Web Authentication Level 3, 6.1).
        const BETWEEN: usize = 5;
        let (object, hash) = (&made.response.attestation_object, Sha256::digest(self.id.as_bytes()));
        let at = object.windows(hash.len()).position(|part| part == hash.as_slice())? + hash.len() + BETWEEN;
        let model = Uuid::from_slice(object.get(at..at + 16)?).ok()?;
        (!model.is_nil()).then_some(model)
    }

    /// Asks for a proof: by one of `allowed`, or by whichever passkey of this name the person chooses.
    ///
    /// # Errors
    /// None that a caller could do anything about.
    pub fn begin_proof(
        &self,
        allowed: Vec<(CredentialID, Vec<AuthenticatorTransport>)>,
    ) -> Result<(RequestChallengeResponse, DiscoverableAuthentication), WebauthnError> {
        let (mut asked, state) = self.webauthn.start_discoverable_authentication()?;
        // How it is asked for is the page's matter.
        asked.mediation = None;
        let one = |(id, transports): (CredentialID, Vec<AuthenticatorTransport>)| AllowCredentials {
            type_: "public-key".to_owned(),
            id,
            transports: (!transports.is_empty()).then_some(transports),
        };
        asked.public_key.allow_credentials = allowed.into_iter().map(one).collect();
        Ok((asked, state))
    }

    /// What checks proofs.
    pub fn webauthn(&self) -> &Webauthn {
        &self.webauthn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relying_party_is_a_name_and_never_an_address() {
        let of = |url: &str| RelyingParty::of(url).map(|party| (party.id.clone(), party.origin));
        let is = |id: &str, origin: &str| Some((id.to_owned(), origin.to_owned()));
        assert_eq!(of("https://cloud.example.org"), is("cloud.example.org", "https://cloud.example.org"));
        assert_eq!(of("https://cloud.example.org:8443"), is("cloud.example.org", "https://cloud.example.org:8443"));
        for here in
            ["http://127.0.0.1:8420", "http://[::1]:8420", "http://localhost:8420", "http://allod.localhost:8420"]
        {
            assert_eq!(of(here), is(LOOPBACK_NAME, "http://allod.localhost:8420"), "{here}");
        }
        assert_eq!(of("https://127.0.0.1:8421"), is(LOOPBACK_NAME, "https://allod.localhost:8421"));
        for none in
            ["https://192.168.1.5:8420", "https://[2001:db8::1]", "http://cloud.example.org", "http://0.0.0.0:1", ""]
        {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_passkey_is_asked_for_that_is_found_without_a_name_and_checks_the_person() {
        let party = RelyingParty::of("https://cloud.example.org").unwrap();
        let (asked, _) = party.begin_making(Uuid::from_bytes([7; 16]), "alice", vec![vec![1; 16]]).unwrap();
        let asked = serde_json::to_value(asked).unwrap();
        let selection = &asked["publicKey"]["authenticatorSelection"];
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(asked["publicKey"]["attestation"], "none");
        assert_eq!(asked["publicKey"]["rp"]["id"], "cloud.example.org");
        assert_eq!(asked["publicKey"]["excludeCredentials"].as_array().map(Vec::len), Some(1));
        let (first, _) = party.begin_proof(Vec::new()).unwrap();
        let (second, _) = party.begin_proof(vec![(vec![2; 16], vec![AuthenticatorTransport::Usb])]).unwrap();
        assert_ne!(first.public_key.challenge, second.public_key.challenge);
        let second = serde_json::to_value(second).unwrap();
        assert_eq!(second["publicKey"]["userVerification"], "required");
        assert_eq!(second["publicKey"]["allowCredentials"][0]["transports"], serde_json::json!(["usb"]));
        assert!(second.get("mediation").is_none());
    }
}
