//! Objects of a bucket, as the files of a place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, Error as ObjectError, ObjectStore as _, PutMode, RetryConfig};
use url::Url;
use vault_backup::{Found, Hold, PlaceError, Sending, Store};

use crate::address::S3Address;
use crate::connector::Connector;
use crate::lease::{LEASE, Lease};
use crate::objects::{Objects, PART, knows_no_conditions};
use crate::settings::S3Settings;

/// A place in a bucket. What it does it does on a thread of its own, and nothing waits for it but who asks.
pub struct S3Store {
    objects: Arc<Objects>,
    sending: Sending,
    lease: Duration,
}

impl std::fmt::Debug for S3Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("S3Store").field(&self.objects.name).finish()
    }
}

impl S3Store {
    /// The place of this address. Nothing is asked yet.
    ///
    /// # Errors
    /// [`PlaceError::Unreachable`] if no server can be asked so.
    pub fn new(address: &S3Address, settings: &S3Settings) -> Result<Self, PlaceError> {
        let name = address.to_string();
        let unusable = |problem: String| PlaceError::Unreachable { place: name.clone(), problem };
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(8),
                base: 2.0,
            },
            max_retries: 4,
            retry_timeout: Duration::from_secs(120),
        };
        // A bucket with a dot in its name has no certificate as a part of a server's name.
        let hosted = match &settings.endpoint {
            Some(_) => settings.virtual_hosted,
            None => settings.virtual_hosted || !address.bucket().contains('.'),
        };
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(Connector)
            .with_retry(retry)
            .with_region(&settings.region)
            .with_bucket_name(address.bucket())
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key.as_str())
            .with_checksum_algorithm(Checksum::SHA256)
            .with_virtual_hosted_style_request(hosted)
            // `http` only where the address was read so: see `S3Settings::parse_endpoint`.
            .with_allow_http(settings.endpoint.as_ref().is_some_and(|url| url.scheme() == "http"));
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(token.as_str());
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(server(endpoint, hosted.then_some(address.bucket())));
        }
        let s3 = builder.build().map_err(|_| unusable("the settings name no server".to_owned()))?;
        let sending = Sending::to(name.clone(), "allod-s3")?;
        Ok(S3Store {
            objects: Arc::new(Objects { s3, prefix: address.prefix().to_owned(), name }),
            sending,
            lease: LEASE,
        })
    }

    /// For how long a lock counts whose holder is not heard of any more: for tests.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }
}

/// The server, and with `bucket` as a part of its name.
fn server(endpoint: &Url, bucket: Option<&str>) -> String {
    let text = endpoint.as_str().trim_end_matches('/');
    match bucket.zip(text.split_once("://")) {
        Some((bucket, (scheme, rest))) => format!("{scheme}://{bucket}.{rest}"),
        None => text.to_owned(),
    }
}

impl Store for S3Store {
    fn name(&self) -> String {
        self.objects.name.clone()
    }

    fn prepare(&self, known: &[&str]) -> Result<(), PlaceError> {
        let prefix = ObjectPath::from_iter(self.objects.prefix.split('/').filter(|part| !part.is_empty()));
        let found = self.sending.wait(self.objects.s3.list_with_delimiter(Some(&prefix)));
        let found = found.map_err(|error| self.objects.failed("", error))?;
        let dirs = found.common_prefixes.iter().map(|path| self.objects.within(path));
        let files = found.objects.iter().map(|object| self.objects.within(&object.location));
        let known = |name: &String| known.contains(&name.as_str()) || name == crate::lease::LOCK;
        if dirs.chain(files).all(|name| known(&name)) { Ok(()) } else { Err(PlaceError::Foreign(self.name())) }
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PlaceError> {
        let objects = &self.objects;
        let bytes = Bytes::copy_from_slice(bytes);
        match self.sending.wait(objects.put(path, bytes.clone(), PutMode::Create)) {
            Ok(_) => Ok(true),
            Err(ObjectError::AlreadyExists { .. }) => Ok(false),
            Err(error) if knows_no_conditions(&error) => {
                match self.sending.wait(objects.tag(path)) {
                    Ok(_) => return Ok(false),
                    Err(ObjectError::NotFound { .. }) => {}
                    Err(error) => return Err(objects.failed(path, error)),
                }
                let put = self.sending.wait(objects.put(path, bytes, PutMode::Overwrite));
                put.map(|_| true).map_err(|error| objects.failed(path, error))
            }
            Err(error) => Err(objects.failed(path, error)),
        }
    }

    fn write(&self, path: &str, bytes: Vec<u8>, _: Option<&dyn Hold>) -> Result<(), PlaceError> {
        let (objects, path) = (Arc::clone(&self.objects), path.to_owned());
        self.sending.send(async move {
            let bytes = Bytes::from(bytes);
            let put = match bytes.len() > 2 * PART {
                true => objects.put_in_parts(&path, bytes).await,
                false => objects.put(&path, bytes, PutMode::Overwrite).await.map(drop),
            };
            put.map_err(|error| objects.failed(&path, error))
        })
    }

    fn settle(&self) -> Result<(), PlaceError> {
        self.sending.settle()
    }

    fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, PlaceError> {
        Ok(self.sending.wait(self.objects.get(path, most))?.0)
    }

    fn list(&self, dir: &str) -> Result<Vec<Found>, PlaceError> {
        let under = self.objects.path(dir);
        let all = self.objects.s3.list(Some(&under));
        let found = |object: object_store::ObjectMeta| Found {
            path: self.objects.within(&object.location),
            bytes: Some(object.size),
        };
        self.sending.wait(all.map_ok(found).try_collect()).map_err(|error| self.objects.failed(dir, error))
    }

    fn remove(&self, paths: &[String], _: &dyn Hold) -> Result<(), PlaceError> {
        let removed =
            futures::stream::iter(paths).map(|path| self.objects.delete(path)).buffer_unordered(Sending::AT_ONCE);
        self.sending.wait(removed.try_collect())
    }

    fn lock(&self) -> Result<Box<dyn Hold>, PlaceError> {
        Ok(Box::new(Lease::take(Arc::clone(&self.objects), self.sending.handle().clone(), self.lease)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_bucket_in_its_name_where_that_is_wanted() {
        let url = Url::parse("https://s3.example.org:9000/").unwrap();
        assert_eq!(server(&url, None), "https://s3.example.org:9000");
        assert_eq!(server(&url, Some("home")), "https://home.s3.example.org:9000");
    }
}
