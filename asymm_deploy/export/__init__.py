"""PyTorch to ONNX to MNN, one step a file, each step compared with the reference."""
