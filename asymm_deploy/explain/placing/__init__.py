"""From what MNN ran to the ONNX graph: tensors, nodes, kinds and work."""
