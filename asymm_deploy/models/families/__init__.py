"""The networks as tables, one file each, beside the source that the table is from."""
