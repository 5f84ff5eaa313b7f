"""How scheduler, hosts and clients of a lab find and recognise one another."""
