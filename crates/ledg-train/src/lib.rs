//! Data sets, splits, baselines, training, evaluation, bundling.
