"""What a model answers to many samples, where a launch for each would take too long."""
