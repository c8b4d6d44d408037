//! Generators of well-known networks as weightless ONNX.
