"""Records -> DataFrame -> CSV, Markdown and HTML."""
