"""What is raised in another thread arrives, even where Python swallows it."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from asymm_deploy.lab.thread_interrupt import raise_in, raised_anew


class StoppedError(BaseException):
    """What is raised here."""


class Slow:
    """Takes long to be deleted; what is raised meanwhile is swallowed."""

    def __init__(self, began: threading.Event) -> None:
        self._began = began

    def __del__(self) -> None:
        self._began.set()
        for _ in range(2000):
            time.sleep(0.005)


def test_an_exception_that_python_swallowed_once_is_raised_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: others.append(found.exc_type))
    began = threading.Event()
    ended: list[str] = []

    def stop() -> None:
        raise_in(thread, StoppedError)

    def work() -> None:
        try:
            with raised_anew(StoppedError, stop):
                slow = Slow(began)
                del slow
                for _ in range(2000):
                    time.sleep(0.005)
                ended.append("by itself")
        except StoppedError:
            ended.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(60)
    stop()
    thread.join(8)
    assert ended == ["stopped"]
    assert others == [], "and nothing is printed"


def test_what_others_leave_unraised_goes_where_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: others.append(found.exc_type))

    class Failing:
        def __del__(self) -> None:
            raise ValueError

    with raised_anew(StoppedError, lambda: None):
        Failing()
    assert others == [ValueError]
