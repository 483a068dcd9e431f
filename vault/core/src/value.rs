//! Values as documents hold them.

use policy_core::Scalar;

/// The value of a field. To-one relations hold the target's document id as a 16-byte [`Scalar::Blob`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One value.
    Scalar(Scalar),
    /// A list of scalars; elements may be null where the type allows it.
    List(Vec<Scalar>),
    /// Any JSON value, for fields of type `JSON`.
    Json(serde_json::Value),
}

impl Value {
    /// No value.
    pub const NULL: Value = Value::Scalar(Scalar::Null);

    /// Whether it is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Scalar(Scalar::Null))
    }
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        Value::Scalar(scalar)
    }
}
