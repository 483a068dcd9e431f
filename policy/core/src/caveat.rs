/// Values by parameter, as requests and relationships carry them.
pub type Context = serde_json::Map<String, serde_json::Value>;
