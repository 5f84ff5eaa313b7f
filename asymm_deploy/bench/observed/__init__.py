"""A model watched operator by operator while it runs."""
