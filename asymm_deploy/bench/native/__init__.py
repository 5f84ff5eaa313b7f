"""A runner for phones without the NDK: MNN's wheel, the system's cross compiler, a C library."""
