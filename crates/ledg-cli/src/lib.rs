//! The command ledg-cost.
