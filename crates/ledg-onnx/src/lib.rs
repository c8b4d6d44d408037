//! ONNX, with or without weights, to a ledg graph.
