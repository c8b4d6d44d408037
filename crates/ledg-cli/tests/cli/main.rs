//! The command `ledg-cost` from outside: what it prints, what it refuses, how it exits.

mod bundle;
mod errors;
mod explain;
mod guide;
mod hardware;
mod help;
mod jobs;
mod plugin;
mod predict;
mod support;
