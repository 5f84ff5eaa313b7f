"""From readings and samples to flags and rows; pure."""
