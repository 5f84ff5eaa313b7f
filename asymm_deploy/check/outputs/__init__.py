"""A report, as people and CI systems read it."""
