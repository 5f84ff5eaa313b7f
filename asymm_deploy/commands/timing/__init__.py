"""Ways to time models besides launch by launch."""
