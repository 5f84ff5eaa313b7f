"""The exact gate: two versions by what they execute, without a clock."""
