"""Accuracy on images, on each engine that runs a model."""
