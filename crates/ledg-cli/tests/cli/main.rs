//! The command `ledg-cost` from outside: what it prints, what it refuses, how it exits.

mod bundle;
mod calibrate;
mod errors;
mod explain;
mod hardware;
mod help;
mod jobs;
mod predict;
mod support;
mod tract;
