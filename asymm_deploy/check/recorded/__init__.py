"""Launches that were recorded earlier, compared as they are."""
