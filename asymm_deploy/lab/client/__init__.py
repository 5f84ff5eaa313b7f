"""A command that uses the phones of a lab: it chooses, takes and drives them."""
