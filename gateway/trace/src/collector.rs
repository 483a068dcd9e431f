//! The collector, as spans go to it: by POST to the address that was named and to no other, bounded in time and in what is
//! read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use tracing::instrument::WithSubscriber as _;

use crate::settings::{SettingsError, TraceSettings, is_nowhere};

const CONNECT: Duration = Duration::from_secs(5);
/// A request takes at most so long, its answer read.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of an answer.
const ANSWER: usize = 64 << 10;

/// Where spans go.
pub(crate) struct Collector {
    http: reqwest::Client,
    settings: TraceSettings,
    about: ResourceAttributesWithSchema,
}

/// Resolves names, but to no address at which no collector is.
struct Somewhere;

impl Resolve for Somewhere {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.filter(|address| !is_nowhere(address.ip())).take(16).collect();
            if found.is_empty() {
                return Err(Box::from("its name leads nowhere"));
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Collector {
    pub(crate) fn new(settings: TraceSettings, about: &Resource) -> Result<Self, SettingsError> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .user_agent(concat!("allod/", env!("CARGO_PKG_VERSION")))
            .tls_built_in_root_certs(settings.endpoint.scheme() == "https")
            .dns_resolver(Arc::new(Somewhere))
            .build()
            .map_err(|_| SettingsError::Client)?;
        Ok(Collector { http, settings, about: about.into() })
    }

    /// Sends spans; how many of them the collector did not want. Nothing of it is traced or logged on the way: it would be
    /// sent in its turn.
    ///
    /// # Errors
    /// Why they were not taken, in words that hold nothing of the collector's.
    pub(crate) async fn send(&self, batch: Vec<SpanData>) -> Result<u64, String> {
        self.posted(batch).with_subscriber(tracing::Dispatch::none()).await
    }

    async fn posted(&self, batch: Vec<SpanData>) -> Result<u64, String> {
        let spans = group_spans_by_resource_and_scope(batch, &self.about);
        let body = ExportTraceServiceRequest { resource_spans: spans }.encode_to_vec();
        let mut request = self.http.post(self.settings.endpoint.clone()).header(CONTENT_TYPE, "application/x-protobuf");
        if let Some(authorization) = &self.settings.authorization {
            let mut value =
                reqwest::header::HeaderValue::from_str(authorization).map_err(|_| "no header".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut answer = request.body(body).send().await.map_err(missed)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(missed)? {
            if bytes.len() + part.len() > ANSWER {
                return Err("it answered more than any collector does".to_owned());
            }
            bytes.extend_from_slice(&part);
        }
        if !status.is_success() {
            return Err(format!("it answered {}", status.as_u16()));
        }
        // One that says nothing that can be read took everything.
        let said = ExportTraceServiceResponse::decode(bytes.as_slice()).ok().and_then(|said| said.partial_success);
        Ok(said.map_or(0, |said| u64::try_from(said.rejected_spans).unwrap_or_default()))
    }
}

fn missed(error: reqwest::Error) -> String {
    let text = match () {
        () if error.is_timeout() => "no answer came in time",
        () if error.is_connect() => "no connection was made",
        () => "the connection broke off",
    };
    text.to_owned()
}
