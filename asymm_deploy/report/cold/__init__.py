"""Cold starts for people: cold.csv, the shorter table, and the page's picture."""
