"""What was measured over many commits: Parquet files, asked by DuckDB."""
