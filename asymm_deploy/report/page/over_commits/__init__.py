"""What a page, or a picture in a file of its own, shows of a history."""
