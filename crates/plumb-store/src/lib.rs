//! What Plumbline keeps on disk: models that come from a hub ([`hub`]) and the runs of an evaluation ([`runs`]).
//!
//! Neither half knows a tensor or a benchmark. Both promise that a process killed at any moment leaves files that the
//! next process can read: whole files appear by rename, growing files are checked and cut back to their last whole record.

pub mod durable;
pub mod hub;
pub mod places;
pub mod runs;
