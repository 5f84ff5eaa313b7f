"""The networks as plain torch.nn definitions, and what they cost."""
