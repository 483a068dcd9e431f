//! What a front says of itself. The shell serves each on the terms that it names.

pub use crate::error::{Errors, json_errors};
pub use crate::route::{Front, Routes};
pub use crate::terms::{
    Clients, DEADLINE, LARGE_BODY, LEAST_BODY, Limits, SMALL_BODY, Terms, data_clients, own_clients,
};
