//! A client of a node, over HTTP.

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

/// Someone with a token (or nobody), perhaps looking at one space.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    pub base: String,
    pub token: Option<String>,
    pub space: Option<String>,
}

/// Status and body of a response; in the body the name of the request is `the request`.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub json: Value,
}

impl Answer {
    /// The codes of the errors in a GraphQL answer; empty if there are none.
    pub fn codes(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("(no code)")).collect()
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // The node closes a connection that nobody uses for five seconds: one that is about to be closed is not taken.
        .pool_idle_timeout(std::time::Duration::from_secs(2))
        // A test that speaks TLS trusts its own root.
        .tls_built_in_root_certs(false)
        .timeout(std::time::Duration::from_secs(60))
}

impl Client {
    /// Whoever holds the machine, at the socket of a data directory.
    pub fn at_socket(dir: &std::path::Path) -> Result<Client> {
        let http = builder().unix_socket(dir.join("control.sock")).build()?;
        Ok(Client { http, base: "http://localhost".to_owned(), token: None, space: None })
    }

    pub fn new(base: &str, token: Option<&str>) -> Result<Client> {
        let http = builder().build()?;
        Ok(Client { http, base: base.to_owned(), token: token.map(str::to_owned), space: None })
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client at another address: a node that was started again has another.
    pub fn at(&self, base: &str) -> Client {
        Client { base: base.to_owned(), ..self.clone() }
    }

    /// The same client without a token.
    pub fn nobody(&self) -> Client {
        Client { token: None, ..self.clone() }
    }

    /// The same client, looking at one space.
    pub fn in_space(&self, space: &str) -> Client {
        Client { space: Some(space.to_owned()), ..self.clone() }
    }

    pub async fn sign_in(&self, user: &str, password: &str) -> Result<Client> {
        let answer = self.post("/api/v1/session", &json!({ "user": user, "password": password })).await?;
        ensure!(answer.status == 200, "sign-in of {user}: {} {}", answer.status, answer.text);
        let token = answer.json["access_token"].as_str().context("no access_token")?;
        Ok(self.with_token(token))
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(space) = &self.space {
            request = request.header("Allod-Space", space);
        }
        request
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let id = response.headers().get("x-request-id").and_then(|id| Some(id.to_str().ok()?.to_owned()));
        let text = response.text().await?;
        // Errors say what the request is called, which no two have alike.
        let text = id.map_or(text.clone(), |id| text.replace(&id, "the request"));
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, text, json })
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A GraphQL request in the current spelling, whatever comes of it.
    pub async fn try_graphql(&self, query: &str, variables: Value) -> Result<Answer> {
        self.post("/api/v1/graphql", &json!({ "query": query, "variables": variables })).await
    }

    /// `data` of a GraphQL request that must succeed.
    pub async fn graphql(&self, query: &str) -> Result<Value> {
        self.graphql_with(query, Value::Null).await
    }

    /// `data` of a GraphQL request with variables that must succeed.
    pub async fn graphql_with(&self, query: &str, variables: Value) -> Result<Value> {
        let answer = self.try_graphql(query, variables).await?;
        if answer.status != 200 || answer.json.get("errors").is_some() {
            bail!("{query}\nanswered {}: {}", answer.status, answer.text);
        }
        Ok(answer.json["data"].clone())
    }

    /// `data` of a request in the 2023 spelling that must succeed.
    pub async fn graphql_v0(&self, query: &str) -> Result<Value> {
        let answer = self.post("/api/v0/graphql", &json!({ "query": query })).await?;
        if answer.status != 200 || answer.json.get("errors").is_some() {
            bail!("{query}\nanswered {}: {}", answer.status, answer.text);
        }
        Ok(answer.json["data"].clone())
    }

    /// Defines collections; the answer must be 201.
    pub async fn define(&self, sdl: &str) -> Result<Value> {
        let answer = self
            .send(
                self.request(Method::POST, "/api/v1/collections")
                    .header("content-type", "text/plain")
                    .body(sdl.to_owned()),
            )
            .await?;
        ensure!(answer.status == 201, "defining collections: {} {}", answer.status, answer.text);
        Ok(answer.json)
    }

    /// Makes a space and looks at it.
    pub async fn new_space(&self, name: &str) -> Result<Client> {
        let answer = self.post("/api/v1/spaces", &json!({ "name": name })).await?;
        ensure!(answer.status == 201, "making a space: {} {}", answer.status, answer.text);
        Ok(self.in_space(answer.json["id"].as_str().context("a space without id")?))
    }
}
