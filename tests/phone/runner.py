"""The runner that tests push: asymm_deploy's own, run on this machine as if it were the phone.

Its outputs and hashes are true. What tells the phone from this machine is the phone's: the numbers
of the cores, the ABI, and the times, which follow from the phone's clock alone. So nothing that
this machine does looks like heat, or like a neighbour of the runner. The phone hears of each launch
on a socket, and may order it to go wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

CONTROL = "ASYMM_PHONE_CONTROL"
"""The environment variable with the socket's path."""


def make_runner(path: Path) -> Path:
    """Write the program to ``path``; the same bytes each time on one machine."""
    program = Path(__file__).with_name("runner_program.py").read_text(encoding="utf-8")
    path.write_text(f"#!{sys.executable} -I\n{program}", encoding="utf-8")
    path.chmod(0o755)
    return path
