"""The processes that an export works in: the fork server, and forks for native code."""
