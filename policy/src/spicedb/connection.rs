//! The connection, and calls over it: deadlines, retries, and a fresh connection where one is stuck.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rand::RngExt;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::config::{SpiceDbConfig, Tls};
use super::error::{Failure, unavailable};
use crate::ServiceError;

/// The first pause before a repetition lasts at most this long, each further one twice as long.
const PAUSE: Duration = Duration::from_millis(25);
const MAX_PAUSE: Duration = Duration::from_secs(1);

const MAX_HEADER_BYTES: u32 = 1 << 20;

/// A connection that is made when it is first needed and made again when it breaks.
pub(super) struct Connection {
    endpoint: Endpoint,
    bearer: MetadataValue<Ascii>,
    pub(super) deadline: Duration,
    pub(super) stream_deadline: Duration,
    retries: u32,
    current: ArcSwap<Current>,
}

struct Current {
    channel: Channel,
    generation: u64,
}

/// Whether a call may be made again when it is not known what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Never,
    /// Twice is the same as once.
    Safely,
}

/// One attempt of a call: where to, and how long it may take.
pub(super) struct Attempt {
    pub(super) channel: Channel,
    bearer: MetadataValue<Ascii>,
    left: Duration,
}

impl Attempt {
    /// The message with the key, and the deadline for the server to know.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request.set_timeout(self.left);
        request
    }
}

impl Connection {
    pub(super) fn new(config: &SpiceDbConfig) -> Result<Self, tonic::transport::Error> {
        let scheme = if matches!(config.tls, Tls::Off) { "http" } else { "https" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", config.address))?
            .connect_timeout(config.deadline)
            .tcp_nodelay(true)
            // Errors carry their details, and those of a traced check its trace, in headers.
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .tcp_keepalive(Some(Duration::from_secs(15)));
        match &config.tls {
            Tls::Off => {}
            Tls::System => endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?,
            Tls::Authority(pem) => {
                endpoint = endpoint.tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))?;
            }
        }
        let current = ArcSwap::from_pointee(Current { channel: endpoint.connect_lazy(), generation: 0 });
        Ok(Connection {
            endpoint,
            bearer: config.key.bearer(),
            deadline: config.deadline,
            stream_deadline: config.stream_deadline,
            retries: config.retries,
            current,
        })
    }

    /// Another connection to the same server, with nothing in common.
    pub(super) fn another(&self) -> Self {
        let current = ArcSwap::from_pointee(Current { channel: self.endpoint.connect_lazy(), generation: 0 });
        Connection {
            endpoint: self.endpoint.clone(),
            bearer: self.bearer.clone(),
            deadline: self.deadline,
            stream_deadline: self.stream_deadline,
            retries: self.retries,
            current,
        }
    }

    /// One attempt without a deadline that the server would know: for streams that do not end.
    pub(super) fn endless<T>(&self, message: T) -> (Channel, Request<T>) {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        (self.current.load().channel.clone(), request)
    }

    /// Makes a call within `deadline`, again where that is safe and may help.
    ///
    /// # Errors
    /// The last attempt's. Whatever went wrong, nothing was allowed by it.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        deadline: Duration,
        call: impl Fn(Attempt) -> F,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let end = Instant::now() + deadline;
        let mut attempts = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let current = self.current.load_full();
            let attempt = Attempt { channel: current.channel.clone(), bearer: self.bearer.clone(), left };
            let failure = match tokio::time::timeout_at(end, call(attempt)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => Failure::from(status),
                Err(_) => {
                    // A connection that swallows requests is not noticed by TCP for many minutes.
                    self.renew(&current);
                    return Err(unavailable("SpiceDB did not answer in time"));
                }
            };
            if failure.timed_out {
                self.renew(&current);
            }
            attempts += 1;
            let again = failure.unsent || (failure.repeatable && repeat == Repeat::Safely);
            if !again || attempts > self.retries {
                return Err(failure.error);
            }
            let pause =
                rand::rng().random_range(Duration::ZERO..=PAUSE.saturating_mul(1 << attempts.min(16)).min(MAX_PAUSE));
            if Instant::now() + pause >= end {
                return Err(failure.error);
            }
            tracing::debug!(attempts, error = %failure.error, "a call to SpiceDB is made again");
            tokio::time::sleep(pause).await;
        }
    }

    /// Leaves a connection behind, unless somebody else did so before.
    fn renew(&self, stuck: &Current) {
        let generation = stuck.generation + 1;
        self.current.rcu(|current| {
            if current.generation >= generation {
                return Arc::clone(current);
            }
            Arc::new(Current { channel: self.endpoint.connect_lazy(), generation })
        });
    }
}
