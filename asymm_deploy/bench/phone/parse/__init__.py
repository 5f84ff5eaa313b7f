"""Pure parsers of what adb, Android's tools, toybox and the kernel print; see ``text_lines``."""
