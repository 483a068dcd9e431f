//! The objects of a bucket, and what a server says when it does not give or take one.

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::client::HttpError;
use object_store::path::Path as ObjectPath;
use object_store::{Error as ObjectError, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use vault_backup::PlaceError;

/// An object of more than two of them goes in parts of this length.
pub(crate) const PART: usize = 8 << 20;

/// The bucket, and what its objects are called.
pub(crate) struct Objects {
    pub(crate) s3: AmazonS3,
    pub(crate) prefix: String,
    /// What people call the place.
    pub(crate) name: String,
}

impl Objects {
    pub(crate) fn path(&self, path: &str) -> ObjectPath {
        let parts = self.prefix.split('/').chain(path.split('/')).filter(|part| !part.is_empty());
        ObjectPath::from_iter(parts)
    }

    /// Without the prefix.
    pub(crate) fn within(&self, path: &ObjectPath) -> String {
        let text: &str = path.as_ref();
        text.strip_prefix(&self.prefix).unwrap_or(text).trim_start_matches('/').to_owned()
    }

    pub(crate) async fn put(&self, path: &str, bytes: Bytes, mode: PutMode) -> Result<Option<String>, ObjectError> {
        let put = self.s3.put_opts(&self.path(path), bytes.into(), PutOptions::from(mode)).await?;
        Ok(put.e_tag)
    }

    pub(crate) async fn put_in_parts(&self, path: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let mut upload = self.s3.put_multipart(&self.path(path)).await?;
        let mut left = bytes;
        while !left.is_empty() {
            let part = left.split_to(left.len().min(PART));
            if let Err(error) = upload.put_part(PutPayload::from(part)).await {
                let _ = upload.abort().await;
                return Err(error);
            }
        }
        match upload.complete().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    /// What an object holds, and its tag.
    pub(crate) async fn get(&self, path: &str, most: u64) -> Result<(Vec<u8>, Option<String>), PlaceError> {
        let got = self.s3.get(&self.path(path)).await.map_err(|error| self.failed(path, error))?;
        let long = "it is longer than anything that was put there";
        let damaged = |problem| PlaceError::Damaged { path: self.full(path), problem };
        if got.meta.size > most {
            return Err(damaged(long));
        }
        let (tag, size) = (got.meta.e_tag.clone(), got.meta.size);
        let mut bytes = Vec::with_capacity(size as usize);
        let mut parts = got.into_stream();
        while let Some(part) = parts.try_next().await.map_err(|error| self.failed(path, error))? {
            if (bytes.len() + part.len()) as u64 > most {
                return Err(damaged(long));
            }
            bytes.extend_from_slice(&part);
        }
        if bytes.len() as u64 != size {
            return Err(damaged("less of it came than there should be"));
        }
        Ok((bytes, tag))
    }

    pub(crate) async fn tag(&self, path: &str) -> Result<Option<String>, ObjectError> {
        Ok(self.s3.head(&self.path(path)).await?.e_tag)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), PlaceError> {
        match self.s3.delete(&self.path(path)).await {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(path, error)),
        }
    }

    pub(crate) fn full(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    /// What went wrong, in words that hold nothing of what servers say but the name that S3 has for it.
    pub(crate) fn failed(&self, path: &str, error: ObjectError) -> PlaceError {
        let code = code(&error.to_string());
        let said = |text: &str| match &code {
            Some(code) => format!("{text} ({code})"),
            None => text.to_owned(),
        };
        let place = self.name.clone();
        match error {
            ObjectError::NotFound { .. } if code.as_deref() == Some("NoSuchBucket") => {
                PlaceError::Refused { place, problem: said("there is no such bucket") }
            }
            ObjectError::NotFound { .. } => PlaceError::Lost(self.full(path)),
            ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => {
                PlaceError::Refused { place, problem: said("the keys are wrong, or do not allow it") }
            }
            other => {
                let problem = match http(&other) {
                    Some(error) => error,
                    None => said("the server answered with an error"),
                };
                PlaceError::Unreachable { place, problem }
            }
        }
    }
}

/// Whether a server says that it does not know what a condition is.
pub(crate) fn knows_no_conditions(error: &ObjectError) -> bool {
    matches!(error, ObjectError::NotImplemented { .. }) || code(&error.to_string()).as_deref() == Some("NotImplemented")
}

/// S3's name for what went wrong, if an answer holds one.
fn code(text: &str) -> Option<String> {
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    (code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| code.to_owned())
}

/// What the connector said of it.
fn http(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return std::error::Error::source(error).map(ToString::to_string);
        }
        at = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_server_says_its_code_alone_is_told() {
        assert_eq!(code("x <Error><Code>AccessDenied</Code><Message>secret").as_deref(), Some("AccessDenied"));
        for text in ["", "<Code>a b</Code>", "<Code>never ends", &format!("<Code>{}</Code>", "x".repeat(65))] {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
