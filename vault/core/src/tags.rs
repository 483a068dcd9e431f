//! Blinded tags and short ids as commits carry them: sixteen bytes each.

use std::fmt;

macro_rules! tag {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(", stringify!($name))?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(")")
            }
        }
    };
}

tag!(
    /// A collection, blinded; all zero is the control lane.
    LaneTag
);
tag!(
    /// A document, blinded; all zero in control entries.
    DocTag
);
tag!(
    /// A field, blinded; a few reserved.
    FieldTag
);
tag!(
    /// A transaction: random.
    TxnId
);
tag!(
    /// A key epoch: the first sixteen bytes of its key-op's digest.
    EpochId
);

impl LaneTag {
    /// Where entries of accounts and spaces stand.
    pub const CONTROL: LaneTag = LaneTag([0; 16]);
}
impl DocTag {
    /// Of a commit that is about no document.
    pub const NONE: DocTag = DocTag([0; 16]);
}
impl FieldTag {
    /// The body of a control entry.
    pub const BODY: FieldTag = FieldTag([0; 16]);
}
