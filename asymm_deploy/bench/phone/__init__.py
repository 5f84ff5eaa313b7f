"""A phone over adb as a device."""
