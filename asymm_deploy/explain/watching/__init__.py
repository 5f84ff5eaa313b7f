"""The process that runs MNN and ONNX Runtime operator by operator."""
