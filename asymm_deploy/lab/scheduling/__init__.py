"""The scheduler of a lab."""
