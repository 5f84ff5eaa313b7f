"""Time models on devices: launches of a runner, recorded one by one, and judged."""
