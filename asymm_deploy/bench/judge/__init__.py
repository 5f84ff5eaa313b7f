"""Judge readings and samples: flags for launches, and rows; pure."""
