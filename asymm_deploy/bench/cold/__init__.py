"""Cold starts: what it takes from a model file on disk to its first result, stage by stage."""
