"""The machine that the program runs on, as a device."""
