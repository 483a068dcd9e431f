#![forbid(unsafe_code)]

pub mod front;
