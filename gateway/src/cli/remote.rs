//! Speaking to the running node: `DIR/node.json` tells that there is one, `DIR/control.sock` leads to it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use vault::data_dir::DataDir;
use zeroize::Zeroizing;

use super::output::{Exit, Failure};
use crate::control::{self, Address};
use crate::node_file::{Absent, NodeFile, Process, ServedBy};

/// The running node of a directory.
pub struct Remote {
    http: reqwest::Client,
    base: String,
    /// The directory's socket, if it is reached by that.
    _socket: Option<Address>,
    file: Option<NodeFile>,
    /// Borne by every request.
    token: Option<Zeroizing<String>>,
    /// The space that every request is about; without it the person's own.
    space: Option<String>,
}

/// Status and body.
pub struct Response {
    pub status: u16,
    pub text: String,
    pub json: Value,
    /// Of a list: where it goes on.
    next: Option<String>,
}

/// Why the node of a directory cannot be spoken to.
pub fn absent(dir: &DataDir, why: Absent) -> Failure {
    match why {
        Absent::NotRunning => unreachable(dir),
        Absent::Copied => {
            let message = format!(
                "no node is running on {}: what it says of one was copied from the directory of another node, which runs",
                dir.path().display()
            );
            Failure::new(Exit::Unreachable, "copied_directory", &message)
                .hint("name that node's own directory with --data")
        }
    }
}

fn unreachable(dir: &DataDir) -> Failure {
    Failure::new(Exit::Unreachable, "node_unreachable", &format!("no node is running on {}", dir.path().display()))
        .hint("start it with `allod serve`")
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .user_agent(concat!("allod/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
}

fn gone(error: reqwest::Error) -> Failure {
    Failure::new(Exit::Unreachable, "node_unreachable", &format!("the node does not answer: {error}"))
        .hint("start it with `allod serve`")
}

impl Remote {
    /// The node that runs on `dir`.
    pub fn of(dir: &DataDir) -> Result<Self, Failure> {
        Self::running(dir, ServedBy::Node)
    }

    /// The node, or the replica, that runs on `dir`.
    pub fn running(dir: &DataDir, of: ServedBy) -> Result<Self, Failure> {
        let file = NodeFile::read(dir, of).map_err(|why| absent(dir, why))?;
        let socket = control::address(dir).map_err(|_| unreachable(dir))?;
        let http = client().unix_socket(socket.path.as_path());
        // The name goes into `Host`, and is looked up nowhere.
        Self::build(http, "http://localhost", Some(socket), Some(file))
    }

    /// A node by its address; if it is the directory's node, by its socket.
    pub fn at(url: &str, dir: &DataDir) -> Result<Self, Failure> {
        match NodeFile::read(dir, ServedBy::Node) {
            Ok(file) if file.url.trim_end_matches('/') == url.trim_end_matches('/') => Self::of(dir),
            _ => Self::build(client(), url, None, None),
        }
    }

    /// The node's process, if it is that of a directory.
    pub fn process(&self) -> Option<Process> {
        self.file.as_ref().map(NodeFile::process)
    }

    fn build(
        http: reqwest::ClientBuilder,
        base: &str,
        socket: Option<Address>,
        file: Option<NodeFile>,
    ) -> Result<Self, Failure> {
        // What the system trusts is many files: they are read where a certificate will be looked at.
        let http = http.tls_built_in_root_certs(base.starts_with("https://"));
        let http = http.build().map_err(|error| Failure::failed("http", &error.to_string()))?;
        Ok(Remote {
            http,
            base: base.trim_end_matches('/').to_owned(),
            _socket: socket,
            file,
            token: None,
            space: None,
        })
    }

    /// A node by its address, as whoever bears the token.
    pub fn bearing(url: &str, token: Zeroizing<String>) -> Result<Self, Failure> {
        Ok(Remote { token: Some(token), ..Self::anybody(url)? })
    }

    /// A node by its address, as nobody in particular.
    pub fn anybody(url: &str) -> Result<Self, Failure> {
        Self::build(client(), url, None, None)
    }

    /// The same node, asked about one space.
    #[must_use]
    pub fn in_space(self, space: Option<String>) -> Self {
        Remote { space, ..self }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        if let Some(space) = &self.space {
            request = request.header("allod-space", space);
        }
        request
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Response, Failure> {
        let mut request = self.request(method, path);
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        Self::read(request.send().await.map_err(gone)?).await
    }

    /// An answer that is written down as it comes, however long it is. One that is not 2xx comes as a whole.
    pub async fn stream(
        &self,
        path: &str,
        mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Response, Failure> {
        let mut response = self.request(Method::GET, path).send().await.map_err(gone)?;
        let status = response.status();
        if !status.is_success() {
            return Self::read(response).await;
        }
        while let Some(part) = response.chunk().await.map_err(gone)? {
            write(&part)?;
        }
        Ok(Response { status: status.as_u16(), text: String::new(), json: Value::Null, next: None })
    }

    async fn read(response: reqwest::Response) -> Result<Response, Failure> {
        let status = response.status().as_u16();
        let link = response.headers().get("link").and_then(|link| Some(link.to_str().ok()?.to_owned()));
        let next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0.to_owned()));
        let text = response.text().await.map_err(gone)?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Response { status, text, json, next })
    }

    /// A request whose success is a 2xx with JSON; other answers become failures.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send(method, path, body).await?.ok()
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        let mut answer = self.send(Method::GET, path, None).await?;
        let mut next = answer.next.take();
        let mut all = answer.ok()?;
        // A list that is longer than one answer goes on.
        while let Some(path) = next.take() {
            let mut more = self.send(Method::GET, &path, None).await?;
            next = more.next.take();
            if !go_on(&mut all, more.ok()?) {
                break;
            }
        }
        Ok(all)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }
}

/// Puts the next part of a list, or of an object of lists, behind what came before; whether it is one.
fn go_on(all: &mut Value, more: Value) -> bool {
    match (all, more) {
        (Value::Array(all), Value::Array(more)) => {
            all.extend(more);
            true
        }
        (Value::Object(all), Value::Object(more)) => more
            .into_iter()
            .all(|(name, more)| more.is_array() && all.get_mut(&name).is_some_and(|list| go_on(list, more))),
        _ => false,
    }
}

impl Response {
    /// Whether a GraphQL operation was refused as it is written, before anything of it was run.
    pub fn is_invalid_operation(&self) -> bool {
        let codes =
            |error: &Value| matches!(error["extensions"]["code"].as_str(), Some("invalid_input" | "unknown_field"));
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.json.get("data").is_none() && !errors.is_empty() && errors.iter().all(codes)
    }

    pub fn ok(self) -> Result<Value, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self.json);
        }
        // A problem (RFC 9457), or the shape of the routes beside `/api/v1`.
        let (error, sentence) = match &self.json["error"] {
            _ if self.json["code"].is_string() => (&self.json, "detail"),
            error => (error, "message"),
        };
        let code = error["code"].as_str().unwrap_or("failed");
        let message = error[sentence].as_str().unwrap_or("the node refused the request");
        let exit = match (self.status, code) {
            (404, _) => Exit::NotFound,
            (400 | 422, _) => Exit::Usage,
            (401 | 403, _) => Exit::Refused,
            _ => Exit::Failed,
        };
        let mut failure = Failure::new(exit, code, message);
        failure.hint = error["hint"].as_str().map(str::to_owned);
        Err(failure)
    }
}

/// A part of a path, percent-encoded.
pub fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
