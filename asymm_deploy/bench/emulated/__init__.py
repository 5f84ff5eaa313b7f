"""An emulated Cortex-A76: exact instructions of a model, without a phone and without a clock."""
