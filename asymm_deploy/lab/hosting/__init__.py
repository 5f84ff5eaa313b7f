"""A host of a lab: its phones, each with a worker of its own."""
