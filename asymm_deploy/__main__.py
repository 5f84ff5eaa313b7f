"""Where the program starts: from here on Ctrl-C ends it in words, while it is imported too."""

from __future__ import annotations

import sys

from asymm_deploy.signals import INTERRUPTED, ignore_signals_from_now_on


def main() -> None:
    """Run the program with the process's arguments."""
    try:
        from asymm_deploy import cli

        cli.main()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print(INTERRUPTED, file=sys.stderr)  # noqa: T201
        sys.exit(130)
    finally:  # what is left is Python's own end
        ignore_signals_from_now_on()


if __name__ == "__main__":
    main()
