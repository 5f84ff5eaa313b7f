"""Where the program starts: from here on Ctrl-C ends it in words, while it is imported too."""

from __future__ import annotations

import os
import signal
import sys

from asymm_deploy.errors import INTERRUPTED


def main() -> None:
    """Run the program with the process's arguments."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    from asymm_deploy import cli
    from asymm_deploy.signals import end_like_ctrl_c_from_now_on, ignore_signals_from_now_on

    try:
        end_like_ctrl_c_from_now_on()
        cli.main()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print(INTERRUPTED, file=sys.stderr)  # noqa: T201
        sys.exit(130)
    finally:  # what is left is Python's own end
        ignore_signals_from_now_on()


def _leave(_number: int, _frame: object) -> None:
    """End at once: nothing has begun. An exception would be lost in some parts of an import."""
    try:
        os.write(2, f"{INTERRUPTED}\n".encode())
    except OSError:  # nobody listens
        pass
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
