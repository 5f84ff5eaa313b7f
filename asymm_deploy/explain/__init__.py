"""Per operator: where the time goes, and where the error comes from."""
