"""Variants of an exported model: weights, or arithmetic too, in fewer bits; proven like it."""
