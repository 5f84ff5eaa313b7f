"""The pictures of a page, each from data alone, each with its sentence and its table."""
