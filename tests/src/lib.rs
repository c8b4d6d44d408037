//! Cross-crate tests: snapshots, fixtures, consumers.
