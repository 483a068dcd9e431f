//! The vault from outside: what it keeps, what it answers, what it refuses.

mod backups;
mod broken_off;
mod busy;
mod changes;
mod clocks;
mod damage;
mod merges;
mod node;
mod put_back;
mod replicas;
mod shredding;
mod writes;
