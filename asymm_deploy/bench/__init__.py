"""A device, a runner on it, launches of it saved one by one, and what they amount to."""
