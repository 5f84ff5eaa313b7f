"""What can stand in a MODEL argument beside a network's name."""
