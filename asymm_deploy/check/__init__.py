"""Two versions of models -> a verdict for each, with the reason."""
