"""The steps of an export, each from what it takes to what it makes, proven."""
