//! One module per command.

pub(crate) mod ask;
pub(crate) mod bench;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod models;
pub(crate) mod report;
pub(crate) mod trace;
