//! Where the bytes of a row are that is about to be stored.

/// The bytes of a row that is to be stored.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Whole(Vec<u8>),
    /// In parts, on disk already.
    Ahead {
        len: usize,
    },
}

impl Body {
    pub(super) fn len(&self) -> usize {
        match self {
            Body::Whole(bytes) => bytes.len(),
            Body::Ahead { len } => *len,
        }
    }
}
