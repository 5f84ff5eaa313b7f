"""The proof that a file computes what its definition does: reference, comparison, limits."""
