"""Image files and how they become inputs: decoded, resized, cropped, normalised."""
