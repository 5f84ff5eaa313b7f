"""What a history says: levels, steps and who accepted them, in words."""
