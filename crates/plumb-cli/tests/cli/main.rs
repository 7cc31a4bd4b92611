//! The program as a person runs it: evaluation killed and resumed, broken files, a model hub, adapters.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod adapters;
mod broken;
mod data;
mod demo;
mod eval;
mod hub;
mod setup;
mod train;
