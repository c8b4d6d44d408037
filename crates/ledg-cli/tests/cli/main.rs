//! The command `ledg-cost` from outside: what it prints, what it refuses, how it exits.

mod browser;
mod bundle;
mod calibrate;
mod compare;
mod errors;
mod explain;
mod guide;
mod hardware;
mod help;
mod jobs;
mod man;
mod plugin;
mod predict;
mod report;
mod support;
mod tract;
