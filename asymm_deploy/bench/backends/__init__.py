"""Back ends of MNN other than the CPU: what is asked of one, and what really ran there."""
