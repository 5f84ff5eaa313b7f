"""``explain`` and its steps."""
