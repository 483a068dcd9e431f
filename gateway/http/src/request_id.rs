//! What a request is called, on its answer, in the log and in every error.

use std::future::Future;

use actix_web::http::header::{HeaderName, HeaderValue};
use data_encoding::HEXLOWER;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// 24 hexadecimal digits.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

tokio::task_local! {
    /// Of the request that is being answered.
    static CURRENT: RequestId;
}

impl RequestId {
    pub fn draw() -> RequestId {
        let mut bytes = [0; 12];
        rand::fill(&mut bytes);
        // Hexadecimal is always a header.
        RequestId(HeaderValue::from_str(&HEXLOWER.encode(&bytes)).unwrap_or(HeaderValue::from_static("none")))
    }

    pub fn text(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Does the work of this request.
    pub async fn of<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }

    /// As [`RequestId::of`].
    pub fn of_now<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// Of the request that is being answered; `None` outside of one.
    pub fn current() -> Option<RequestId> {
        CURRENT.try_with(Clone::clone).ok()
    }
}

/// What the request is called that is being answered. Empty outside of a request.
pub fn request_id() -> String {
    RequestId::current().map(|id| id.text().to_owned()).unwrap_or_default()
}
