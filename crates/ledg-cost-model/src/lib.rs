//! The facade: load a bundle, predict, explain, calibrate.
