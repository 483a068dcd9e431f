use std::collections::BTreeSet;
/// Values by parameter, as requests and relationships carry them.
pub type Context = serde_json::Map<String, serde_json::Value>;
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    True,
    False,
    Missing(BTreeSet<String>),
    Failed(CaveatError),
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("x")]
pub struct CaveatError;
#[derive(Debug)]
pub struct Caveat {
    name: String,
}
#[derive(Debug)]
pub struct Prepared;
impl Caveat {
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn expression(&self) -> &str {
        ""
    }
    pub fn parameters(&self) -> &[(String, String)] {
        &[]
    }
    pub fn prepare(&self, _stored: &Context) -> Result<Prepared, CaveatError> {
        Ok(Prepared)
    }
    pub fn evaluate_prepared(&self, _p: &Prepared, _request: &Context) -> Outcome {
        Outcome::True
    }
}
