"""A history asked: by SQL that can do nothing else, and as files for other programs."""
