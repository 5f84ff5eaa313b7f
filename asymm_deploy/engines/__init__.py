"""Runs a model file: one ``Session`` protocol, with MNN and ONNX Runtime behind it."""
