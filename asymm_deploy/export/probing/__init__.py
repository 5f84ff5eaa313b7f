"""Which inputs the stages are compared on: made up, of the user, or found by trying."""
