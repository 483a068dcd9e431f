//! Documents to and from files, over the node's own interface: whoever asks gets what they may read, and adds what they
//! may add.

mod asked;
mod export;
mod file;
mod import;
mod look;
mod mine;
mod unique;

pub use export::Export;
pub use import::Import;
