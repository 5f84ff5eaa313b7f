"""The ways of timing that `bench` has beside launches of many runs, and their steps."""
