//! How a node listens and speaks HTTP, whatever protocol stands on it.
//!
//! [`listen`] and [`control`] are where it listens. [`contract`] is what a front says of itself, [`route`] the table that
//! follows from it; each request passes [`intake`], [`deadline`], [`shape`], [`conditions`] and [`repeated`] on the way to
//! its handler. [`authn`] says who asks, [`error`] and [`problem`] what is answered to whom nothing is done for.
#![forbid(unsafe_code)]
#![allow(unused_qualifications, reason = "what describes an operation names the types of its parameters in full")]

pub mod addresses;
pub mod authn;
pub mod conditions;
pub mod connections;
pub mod contract;
pub mod control;
pub mod cross_origin;
pub mod deadline;
pub mod described;
pub mod error;
pub mod headers;
pub mod intake;
pub mod journal;
pub mod listed;
pub mod listen;
pub mod machine;
pub mod media;
pub mod operator;
pub mod over_tls;
pub mod pages;
pub mod paths;
pub mod pools;
pub mod problem;
pub mod redirect;
pub mod refusals;
pub mod repeated;
pub mod repeats;
pub mod request_id;
pub mod requests;
pub mod resource;
pub mod route;
pub mod shape;
pub mod terms;
