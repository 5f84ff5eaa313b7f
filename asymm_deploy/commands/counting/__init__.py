"""The commands that count instructions, and their steps."""
