"""Results become tables: the latencies, and the paper's tables with ours beside the paper's."""
