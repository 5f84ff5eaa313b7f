"""What a page looks like, as a PNG: the picture in docs/ is made by it.

python benchmarks/screenshot.py results/page.html docs/page.png
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIDE, HIGH = 1180, 1640
"""Pixels: the summary and the first two pictures of thirty rows."""
_PATIENCE_MS = 20_000
"""Of the browser's own clock, which runs ahead while nothing happens."""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", f"--window-size={WIDE},{HIGH}"),
    f"--virtual-time-budget={_PATIENCE_MS}",
)


def screenshot(page: Path, target: Path) -> None:
    """Write what Chromium shows of a page; exit with what is missing if that can't be done."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("error: no chromium is installed\nhint: make browser")
    if not page.is_file():
        sys.exit(f"error: there is no {page}\nhint: make table5")
    with tempfile.TemporaryDirectory() as profile:
        command = [program, *_FLAGS, f"--user-data-dir={profile}", f"--screenshot={target}"]
        subprocess.run([*command, page.resolve().as_uri()], check=True, capture_output=True)
    print(f"wrote {target}")


if __name__ == "__main__":
    screenshot(*map(Path, sys.argv[1:3]))
