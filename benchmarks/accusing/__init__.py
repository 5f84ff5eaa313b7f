"""The nets and the faults of ``benchmarks/accuse.py``."""
