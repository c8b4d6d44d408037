//! Dynamic Graph Self-Attention: vectors, magnitudes, relations and hardware to latency.
