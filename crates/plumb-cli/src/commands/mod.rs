//! One module per command.

pub(crate) mod adapters;
pub(crate) mod app;
pub(crate) mod ask;
pub(crate) mod bench;
mod blind;
pub(crate) mod data;
mod demo;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod models;
mod proof;
pub(crate) mod report;
pub(crate) mod tour;
pub(crate) mod trace;
pub(crate) mod train;
