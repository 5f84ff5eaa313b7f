"""The nets of ``benchmarks/zoo.py``, what MNN makes of them, and the table."""
