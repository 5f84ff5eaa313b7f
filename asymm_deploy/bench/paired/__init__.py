"""Two models timed in turns, run by run, in one process."""
