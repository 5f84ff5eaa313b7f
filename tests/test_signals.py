"""What ends the program can be held off, or be made to end it as Ctrl-C does."""

from __future__ import annotations

import signal
import threading

import pytest

from asymm_deploy.signals import ENDING, ending_like_ctrl_c, ignoring_signals


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in ENDING]


@pytest.mark.parametrize("number", ENDING)
def test_signals_are_ignored_meanwhile_and_handled_as_before_afterwards(number: int) -> None:
    before = handlers()
    with ignoring_signals():
        signal.raise_signal(number)
    assert handlers() == before


def test_handlers_come_back_after_an_exception_too() -> None:
    before = handlers()
    with pytest.raises(ZeroDivisionError), ignoring_signals():
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), ending_like_ctrl_c():
        raise ZeroDivisionError
    assert handlers() == before


def test_other_threads_change_nothing() -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            with ignoring_signals():
                pass
        except ValueError as error:  # what signal.signal raises there
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_cancel_ends_like_ctrl_c(number: int) -> None:
    was = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), ending_like_ctrl_c():
            signal.raise_signal(number)
    finally:
        signal.signal(number, was)


def test_what_is_ignored_stays_ignored() -> None:
    was = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_like_ctrl_c():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, was)
