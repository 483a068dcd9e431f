//! One provider: what it says of itself, where people are sent, and what its tokens say of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient,
    CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{
    AccessTokenHash, AdditionalProviderMetadata, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    HttpRequest, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, RequestTokenError, Scope, TokenResponse as _,
};
use policy_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::error::OidcError;
use crate::directory::outside::{Identity, outside_session};
use crate::outbound::Outbound;

/// How long what a provider says of itself is believed, and how long its silence.
const KNOWN: Duration = Duration::from_secs(3_600);
const SILENT: Duration = Duration::from_secs(10);
/// How often its keys are asked for because a token is of one that is not known.
const ROTATED: Duration = Duration::from_secs(60);
/// Groups of a person that are looked at, and the longest claim that is.
const MAX_GROUPS: usize = 1_000;
/// How old a proof may be that was asked for anew, in seconds.
const FRESH_SECONDS: i64 = 300;

/// What the operator says of a provider.
#[derive(Clone)]
pub struct ProviderConfig {
    /// In addresses.
    pub name: String,
    /// On the button.
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Zeroizing<String>>,
    pub scopes: Vec<String>,
    /// Whether who has no account here gets one.
    pub create_accounts: bool,
    /// Empty: whoever.
    pub allowed_domains: Vec<String>,
    pub allowed_groups: Vec<String>,
    pub groups_claim: String,
}

impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderConfig").field("name", &self.name).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What discovery tells beside what the library knows.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct More {
    /// RFC 9207.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

pub(super) type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// A sign-in that began. Nothing of it is shown but the address.
#[derive(Debug)]
pub struct Begun {
    pub url: String,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

/// Whom the provider signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub identity: Identity,
    /// What they are called there, first the best of it: names for an account to choose from.
    pub names: Vec<String>,
    /// What they recognise the account by.
    pub label: String,
    /// What the provider calls its session, hashed.
    pub session: Option<String>,
    /// When they proved there who they are, in seconds, if it tells.
    pub proved: Option<i64>,
}

enum Discovery {
    Nothing,
    Metadata(Arc<Metadata>, Instant),
    Silence(String, Instant),
}

/// One provider.
pub struct Provider {
    config: ProviderConfig,
    outbound: Outbound,
    known: tokio::sync::Mutex<Discovery>,
    pub(super) logouts: super::logout::UsedTokens,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Provider").field(&self.config).finish()
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> OidcError {
    OidcError::Failed(format!("{what}: {error}"))
}

impl Provider {
    pub(super) fn new(config: ProviderConfig, outbound: Outbound) -> Provider {
        let known = tokio::sync::Mutex::new(Discovery::Nothing);
        Provider { config, outbound, known, logouts: super::logout::UsedTokens::default() }
    }

    /// Makes what is known of it older.
    #[cfg(test)]
    pub(super) async fn age(&self, by: Duration) {
        if let Discovery::Metadata(_, at) = &mut *self.known.lock().await {
            *at = at.checked_sub(by).unwrap();
        }
    }

    /// What the operator says of it.
    pub fn config(&self) -> &ProviderConfig {
        &self.config
    }

    fn issuer(&self) -> Result<IssuerUrl, OidcError> {
        IssuerUrl::new(self.config.issuer.clone()).map_err(|error| failed("oidc issuer", &error))
    }

    /// What it says of itself. `unknown_key`: a token is of a key that was not among its keys; they may have changed.
    pub(super) async fn metadata(&self, unknown_key: bool) -> Result<Arc<Metadata>, OidcError> {
        // Held while it is asked, for twenty seconds at most: whoever waits wants the same answer, of this provider alone.
        let mut known = self.known.lock().await;
        match &*known {
            Discovery::Metadata(metadata, at) if at.elapsed() < if unknown_key { ROTATED } else { KNOWN } => {
                return Ok(Arc::clone(metadata));
            }
            Discovery::Silence(why, at) if at.elapsed() < SILENT => return Err(OidcError::Failed(why.clone())),
            _ => {}
        }
        let client = |request: HttpRequest| self.outbound.send(request);
        match Metadata::discover_async(self.issuer()?, &client).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Discovery::Metadata(Arc::clone(&metadata), Instant::now());
                Ok(metadata)
            }
            Err(error) => {
                let why = format!("discovery at {}: {}", self.config.issuer, chain(&error));
                // What was known of it goes on counting: keys that cannot be asked for anew are still its keys.
                if let Discovery::Metadata(metadata, _) = &*known {
                    let metadata = Arc::clone(metadata);
                    tracing::warn!(provider = %self.config.name, error = %why, "a provider of sign-ins does not answer");
                    return Ok(metadata);
                }
                *known = Discovery::Silence(why.clone(), Instant::now());
                Err(OidcError::Failed(why))
            }
        }
    }

    fn redirect(&self, node: &str) -> Result<RedirectUrl, OidcError> {
        let url = format!("{node}/auth/oidc/{}/callback", self.config.name);
        RedirectUrl::new(url).map_err(|error| failed("the node's own address", &error))
    }

    /// Begins a sign-in. `node` is the address of this node; `again`: the person is to be asked for, whoever is signed in
    /// there.
    pub(super) async fn begin(&self, node: &str, again: bool) -> Result<Begun, OidcError> {
        let metadata = self.metadata(false).await?;
        let client = CoreClient::from_provider_metadata((*metadata).clone(), self.client_id(), self.secret())
            .set_redirect_uri(self.redirect(node)?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request =
            client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random).set_pkce_challenge(challenge);
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        if again {
            request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
        }
        let (url, state, nonce) = request.url();
        let (state, nonce) = (state.secret().clone(), nonce.secret().clone());
        Ok(Begun { url: url.into(), state, nonce, verifier: verifier.secret().clone() })
    }

    fn client_id(&self) -> ClientId {
        ClientId::new(self.config.client_id.clone())
    }

    fn secret(&self) -> Option<ClientSecret> {
        self.config.client_secret.as_ref().map(|secret| ClientSecret::new(secret.to_string()))
    }

    /// Whom a code that the browser brought back is for, if they may come in.
    ///
    /// # Errors
    /// Everything that [`OidcError`] names.
    pub async fn exchange(
        &self,
        begun: &Begun,
        node: &str,
        code: String,
        iss: Option<&str>,
    ) -> Result<Person, OidcError> {
        let metadata = self.metadata(false).await?;
        // RFC 9207: an answer of another provider that was mixed up with this one's.
        let required = metadata.additional_metadata().authorization_response_iss_parameter_supported;
        if iss.map_or(required, |iss| iss != self.config.issuer) {
            return Err(OidcError::Failed(format!("the answer is of another issuer than {}", self.config.issuer)));
        }
        let mut client = CoreClient::from_provider_metadata((*metadata).clone(), self.client_id(), self.secret())
            .set_redirect_uri(self.redirect(node)?);
        let takes = metadata.token_endpoint_auth_methods_supported();
        let basic = takes.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        if !basic {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        let send = |request: HttpRequest| self.outbound.send(request);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| failed("settings", &error))?;
        let tokens =
            request.set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone())).request_async(&send).await;
        let tokens = tokens.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) => {
                OidcError::Failed(format!("the code was refused: {}", plain(said.error().as_ref())))
            }
            other => failed("the code could not be exchanged", &chain(&other)),
        })?;
        let token = tokens.id_token().ok_or_else(|| OidcError::Failed("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(begun.nonce.clone());
        // Signed by a key that came since its keys were asked for: ask once more.
        let verified = |client: &_| verify(client, token, &nonce, tokens.access_token());
        let claims = match verified(&client) {
            Ok(()) => payload(&token.to_string()),
            Err(_) => {
                let metadata = self.metadata(true).await?;
                let client = CoreClient::from_provider_metadata((*metadata).clone(), self.client_id(), self.secret())
                    .set_redirect_uri(self.redirect(node)?);
                verified(&client).map_err(|why| failed("the ID token", &why))?;
                payload(&token.to_string())
            }
        };
        let mut claims = claims.ok_or_else(|| OidcError::Failed("the ID token is no object".to_owned()))?;
        self.ask_more(&metadata, tokens.access_token().secret(), &mut claims).await?;
        self.admitted(&claims)
    }

    /// What the ID token leaves out, and the provider tells who asks (OpenID Connect Core 1.0, 5.3).
    async fn ask_more(
        &self,
        metadata: &Metadata,
        token: &str,
        claims: &mut Map<String, Value>,
    ) -> Result<(), OidcError> {
        let wanted = ["preferred_username", "email", "email_verified", self.config.groups_claim.as_str()];
        let groups = !self.config.allowed_groups.is_empty();
        let lacks = wanted.iter().take(if groups { 4 } else { 3 }).any(|name| claim(claims, name).is_none());
        let Some(endpoint) = metadata.userinfo_endpoint().filter(|_| lacks) else { return Ok(()) };
        let request = http::Request::get(endpoint.url().as_str())
            .header("accept", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Vec::new())
            .map_err(|error| failed("userinfo", &error))?;
        let answer = self.outbound.send(request).await?;
        let told: Option<Map<String, Value>> = serde_json::from_slice(answer.body()).ok();
        let Some(told) = told.filter(|_| answer.status().is_success()) else {
            // What it does not tell is not known of them.
            return Ok(());
        };
        if told.get("sub") != claims.get("sub") {
            return Err(OidcError::Failed("userinfo is of another person".to_owned()));
        }
        for (name, value) in told {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// Who the claims are of, if the operator lets them in.
    fn admitted(&self, claims: &Map<String, Value>) -> Result<Person, OidcError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub").ok_or_else(|| OidcError::Failed("the ID token names nobody".to_owned()))?;
        // Some providers write `true` as a text.
        let verified = claims.get("email_verified").is_some_and(|is| is == &Value::Bool(true) || is == "true");
        let email = text("email").filter(|_| verified);
        if !self.config.allowed_domains.is_empty() {
            let domain = email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
            let allowed = |domain: &str| self.config.allowed_domains.iter().any(|one| one.eq_ignore_ascii_case(domain));
            if !domain.is_some_and(allowed) {
                return Err(OidcError::NotAdmitted("it takes only verified addresses of certain domains"));
            }
        }
        if !self.config.allowed_groups.is_empty() {
            let groups = groups(claims, &self.config.groups_claim);
            if !groups.iter().any(|group| self.config.allowed_groups.contains(group)) {
                return Err(OidcError::NotAdmitted("it takes only members of certain groups"));
            }
        }
        let name = text("preferred_username");
        let local = email.and_then(|email| email.split_once('@')).map(|(local, _)| local);
        let called = name.or(email).or_else(|| text("name")).unwrap_or(subject);
        let seconds = claims.get("auth_time").and_then(Value::as_i64);
        Ok(Person {
            identity: Identity { issuer: self.config.issuer.clone(), subject: subject.to_owned() },
            names: [name, local, text("given_name")].into_iter().flatten().map(str::to_owned).collect(),
            label: format!("{}: {called}", self.config.label),
            session: text("sid").map(|session| outside_session(&self.config.issuer, session)),
            proved: seconds,
        })
    }
}

impl Person {
    /// Whether they proved who they are just now, and not some time ago.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.proved.is_some_and(|at| (now.seconds() - at).abs() < FRESH_SECONDS)
    }
}

/// What went wrong, down to its cause. Answers of providers are not in it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    plain(&text)
}

/// A text of somebody else's, as a log may hold it.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Signatures that a provider's keys make. None that is shared, and never `none`.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Whether a signature of this kind can be a provider's.
pub(super) fn is_asymmetric(algorithm: &CoreJwsSigningAlgorithm) -> bool {
    ALGORITHMS.contains(algorithm)
}

type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

/// Signature, issuer, audience, end, nonce, and that the access token came with it.
fn verify(
    client: &Client,
    token: &openidconnect::core::CoreIdToken,
    nonce: &Nonce,
    access: &openidconnect::AccessToken,
) -> Result<(), String> {
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
    let claims = token.claims(&verifier, nonce).map_err(|error| chain(&error))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|error| chain(&error))?;
        let key = token.signing_key(&verifier).map_err(|error| chain(&error))?;
        let actual = AccessTokenHash::from_token(access, algorithm, key).map_err(|error| chain(&error))?;
        if actual != *expected {
            return Err("the access token is another's".to_owned());
        }
    }
    Ok(())
}

/// What a token that was verified says, every claim of it.
pub(super) fn payload(token: &str) -> Option<Map<String, Value>> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
}

/// A claim by its name, or by the names on the way to it (`realm_access.roles`).
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

fn groups(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    match claim(claims, name) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().take(MAX_GROUPS).filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider(domains: &[&str], groups: &[&str], claim: &str) -> Provider {
        let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        let config = ProviderConfig {
            name: "firm".to_owned(),
            label: "Firm".to_owned(),
            issuer: "https://id.example".to_owned(),
            client_id: "allod".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            create_accounts: true,
            allowed_domains: texts(domains),
            allowed_groups: texts(groups),
            groups_claim: claim.to_owned(),
        };
        Provider::new(config, Outbound::new(sync::Reach::default()))
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn only_verified_addresses_of_allowed_domains_are_let_in() {
        let firm = provider(&["example.org"], &[], "groups");
        let with = |email: &str, verified: Value| {
            firm.admitted(&claims(json!({"sub": "7", "email": email, "email_verified": verified})))
        };
        for (email, verified) in [("a@example.org", json!(true)), ("a@EXAMPLE.org", json!("true"))] {
            assert_eq!(with(email, verified).unwrap().names, ["a"]);
        }
        for (email, verified) in [
            ("a@example.org", json!(false)),
            ("a@example.org", json!("yes")),
            ("a@example.org", json!(1)),
            ("a@example.com", json!(true)),
            ("a@x.example.org", json!(true)),
            ("a@example.org@example.com", json!(true)),
            ("example.org", json!(true)),
        ] {
            assert!(matches!(with(email, verified), Err(OidcError::NotAdmitted(_))), "{email}");
        }
        let nobody = firm.admitted(&claims(json!({"sub": "7", "email_verified": true})));
        assert!(matches!(nobody, Err(OidcError::NotAdmitted(_))));
    }

    #[test]
    fn groups_are_read_as_providers_write_them() {
        let firm = provider(&[], &["staff"], "realm_access.roles");
        for (value, let_in) in [
            (json!({"sub": "7", "realm_access": {"roles": ["a", "staff"]}}), true),
            (json!({"sub": "7", "realm_access": {"roles": "staff"}}), true),
            (json!({"sub": "7", "realm_access.roles": ["staff"]}), true),
            (json!({"sub": "7", "realm_access": {"roles": ["Staff", 7, null]}}), false),
            (json!({"sub": "7", "realm_access": ["staff"]}), false),
            (json!({"sub": "7", "groups": ["staff"]}), false),
            (json!({"sub": "7"}), false),
        ] {
            assert_eq!(firm.admitted(&claims(value.clone())).is_ok(), let_in, "{value}");
        }
    }

    #[test]
    fn a_token_that_names_nobody_is_nobodys() {
        let firm = provider(&[], &[], "groups");
        for value in [json!({}), json!({"sub": ""}), json!({"sub": 7}), json!({"sub": null, "email": "a@b"})] {
            assert!(matches!(firm.admitted(&claims(value)), Err(OidcError::Failed(_))));
        }
        let person = firm.admitted(&claims(json!({"sub": "7", "email": "bob@b.example", "sid": "s"}))).unwrap();
        assert_eq!(person.names, Vec::<String>::new(), "an address that is not verified names nobody");
        assert_eq!(person.label, "Firm: 7");
        assert_eq!(person.session, Some(outside_session("https://id.example", "s")));
        let at = |auth_time: i64, now: i64| {
            Person { proved: Some(auth_time), ..person.clone() }.is_fresh(Timestamp::from_seconds(now))
        };
        assert!(at(1_000, 1_299) && !at(1_000, 1_300) && !person.is_fresh(Timestamp::from_seconds(1)));
    }
}
