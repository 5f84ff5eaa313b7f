"""Why a stage differs from the reference: the operator, the value, and what to do about it."""
