//! Every entry point with everything that must not work: a code, a message, and nothing written.

mod batches;
mod entries;
mod header;
mod places;
mod quiet;
mod sessions;
mod structs;
mod world;
mod wrong;
