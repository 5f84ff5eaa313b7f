"""Sustained benches: one launch a model that goes on for minutes, told of second by second."""
