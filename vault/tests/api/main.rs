//! The vault from outside: what it keeps, what it answers, what it refuses.

mod accounts;
mod changes;
mod clocks;
mod log;
mod merges;
mod node;
mod put_back;
mod replicas;
mod writes;
