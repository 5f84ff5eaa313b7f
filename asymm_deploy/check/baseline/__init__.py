"""The version to compare with, kept in a folder."""
