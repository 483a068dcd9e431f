//! An S3 server for tests: a real one (`s3s` over a directory), in a thread of this process, that can be told to fail.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

/// The key that opens the server's buckets, and its id.
pub const KEY_ID: &str = "allod-tests";
pub const KEY: &str = "canary-secret-key-of-buckets";

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503, with more words than anybody should pass on.
    Unavailable,
    /// 501: what a server answers that knows no conditions.
    Unimplemented,
    /// It is done, and the connection ends without an answer.
    Cut,
    /// The connection ends within the body of the answer.
    Truncated,
    /// One bit of the answer's body is another.
    Altered,
    /// What the request writes is written whatever was there before: a server that does not see conditions.
    Unconditional,
}

type Judge = Box<dyn FnMut(&Method, &str) -> Option<Fault> + Send>;

/// A running server, until it is dropped.
pub struct S3Server {
    address: SocketAddr,
    root: tempfile::TempDir,
    judge: Arc<Mutex<Option<Judge>>>,
    seen: Arc<Mutex<Vec<String>>>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.end.take());
    }
}

impl S3Server {
    /// Serves an empty bucket of this name.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start(bucket: &str) -> S3Server {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(root.path().join(bucket)).expect("a bucket");
        let judge: Arc<Mutex<Option<Judge>>> = Arc::default();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let files = s3s_fs::FileSystem::new(root.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY_ID, KEY));
        let service = Arc::new(Faulty {
            service: service.build(),
            root: root.path().to_owned(),
            judge: Arc::clone(&judge),
            seen: Arc::clone(&seen),
        });
        let (end, ended) = tokio::sync::oneshot::channel();
        // Tests wait for commands on the thread that they run on.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! { () = accept(listener, service) => {}, _ = ended => {} }
            });
        });
        S3Server { address, root, judge, seen, end: Some(end) }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets `judge` say what becomes of a request, by its method and path.
    pub fn faults(&self, judge: impl FnMut(&Method, &str) -> Option<Fault> + Send + 'static) {
        *self.judge.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(judge));
    }

    /// All requests are answered as they should be again.
    pub fn well(&self) {
        *self.judge.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What was asked since the last time, as `PUT /bucket/path`.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where an object lies on the disk.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// What a node is told to reach it, as variables.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("ALLOD_BACKUP_S3_ENDPOINT", self.url()),
            ("ALLOD_BACKUP_S3_ALLOW_HTTP", "true".to_owned()),
            ("ALLOD_BACKUP_S3_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("ALLOD_BACKUP_S3_SECRET_ACCESS_KEY", KEY.to_owned()),
        ]
    }
}

struct Faulty {
    service: S3Service,
    root: PathBuf,
    judge: Arc<Mutex<Option<Judge>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

type Answer = Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>>;

async fn accept(listener: tokio::net::TcpListener, service: Arc<Faulty>) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let answer = service_fn(|request| service.answer(request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>canary-of-the-server: {KEY_ID}</Message></Error>"
    );
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer
}

impl Faulty {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        let fault =
            self.judge.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|judge| judge(&method, &path));
        match fault {
            Some(Fault::Unavailable) => return Ok(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
            Some(Fault::Unimplemented) => return Ok(error(StatusCode::NOT_IMPLEMENTED, "NotImplemented")),
            Some(Fault::Unconditional) if method == Method::PUT => {
                let _ = std::fs::remove_file(self.root.join(Path::new(path.trim_start_matches('/'))));
            }
            _ => {}
        }
        let answer = hyper::service::Service::call(&self.service, request).await?;
        match fault {
            Some(Fault::Cut) => Err("cut".into()),
            Some(Fault::Truncated) => {
                let (parts, body) = answer.into_parts();
                let bytes = body.collect().await?.to_bytes();
                let half = [Ok(Frame::data(bytes.slice(..bytes.len() / 2))), Err(std::io::Error::other("cut"))];
                Ok(Response::from_parts(parts, Body::http_body_unsync(StreamBody::new(futures::stream::iter(half)))))
            }
            Some(Fault::Altered) => {
                let (parts, body) = answer.into_parts();
                let mut bytes = body.collect().await?.to_bytes().to_vec();
                let at = bytes.len() / 2;
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 4);
                Ok(Response::from_parts(parts, Body::from(Bytes::from(bytes))))
            }
            _ => Ok(answer),
        }
    }
}
