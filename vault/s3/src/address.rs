//! `s3://BUCKET/PREFIX`.

/// What an address of S3 begins with.
const SCHEME: &str = "s3://";

/// A part of a bucket: the objects whose names begin with the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    bucket: String,
    /// Plain names with `/` between them; empty for the whole bucket.
    prefix: String,
}

/// A text is not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins otherwise.
    #[error("it does not begin with s3://")]
    Scheme,
    /// No bucket can be called so.
    #[error("a bucket has a name of 3 to 63 small letters, digits, dots and hyphens")]
    Bucket,
    /// The objects of a place are called otherwise.
    #[error("behind the bucket stand names of letters, digits, `.`, `-` and `_`, with one `/` between two")]
    Prefix,
}

impl S3Address {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Its bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What the names of its objects begin with, without the `/` behind it.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl std::str::FromStr for S3Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix(SCHEME).ok_or(AddressError::Scheme)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let small = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let named = bucket.bytes().all(|b| small(b) || matches!(b, b'.' | b'-'))
            && bucket.bytes().next().is_some_and(small)
            && bucket.bytes().last().is_some_and(small)
            && !bucket.contains("..");
        if !(3..=63).contains(&bucket.len()) || !named {
            return Err(AddressError::Bucket);
        }
        let plain = |part: &str| {
            let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            letters && !part.is_empty() && part != "." && part != ".."
        };
        if prefix.len() > 512 || !(prefix.is_empty() || prefix.split('/').all(plain)) {
            return Err(AddressError::Prefix);
        }
        Ok(S3Address { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl std::fmt::Display for S3Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let between = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{SCHEME}{}{between}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_plain_names_and_reads_back() {
        for text in ["s3://backups", "s3://backups/home", "s3://my.bucket-1/a/b_c/D.e"] {
            assert_eq!(text.parse::<S3Address>().unwrap().to_string(), text);
        }
        assert_eq!("s3://backups/home/".parse::<S3Address>().unwrap().prefix(), "home");
        for (text, why) in [
            ("/mnt/backups", AddressError::Scheme),
            ("s3:/x", AddressError::Scheme),
            ("s3://", AddressError::Bucket),
            ("s3://ab", AddressError::Bucket),
            ("s3://Backups", AddressError::Bucket),
            ("s3://key:secret@host/x", AddressError::Bucket),
            ("s3://a..b/x", AddressError::Bucket),
            ("s3://-ab/x", AddressError::Bucket),
            ("s3://backups/../x", AddressError::Prefix),
            ("s3://backups//x", AddressError::Prefix),
            ("s3://backups/a b", AddressError::Prefix),
            ("s3://backups/x?list", AddressError::Prefix),
        ] {
            assert_eq!(text.parse::<S3Address>().unwrap_err(), why, "{text}");
        }
        assert!(S3Address::is_meant("S3://x") && !S3Address::is_meant("/s3://") && !S3Address::is_meant("s3"));
    }
}
