"""The options that name a lab and its phones, and what makes no sense of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.commands.options.lab_bench_options import lab_request
from asymm_deploy.errors import UsageError

NO_FILES = (None, None, None)


def request_of(lab: str | None, *devices: str, **named: Any) -> Any:
    usual = {"count": None, "wait": False, "runner": None, "certificate_files": NO_FILES}
    return lab_request(lab, devices, **{**usual, **named})


def test_without_a_lab_there_is_none_and_options_about_one_are_refused() -> None:
    assert request_of(None, "host") is None
    for named in (
        {"count": 2},
        {"wait": True},
        {"certificate_files": (Path("ca.pem"), None, None)},
        {"certificate_files": (None, None, Path("key"))},
    ):
        with pytest.raises(UsageError, match="is for a lab"):
            request_of(None, **named)
    with pytest.raises(UsageError, match="is a kind of phone in a lab"):
        request_of(None, "soc=SM8150")


def test_a_lab_has_its_address_and_the_phones_that_are_wanted() -> None:
    asked = request_of("desk", "soc=A", "model=B", count=3, wait=True)
    assert str(asked.at) == "tcp://desk:8786"
    assert [kind.text for kind in asked.wanted.kinds] == ["soc=A", "model=B"]
    assert (asked.wanted.total, asked.wanted.waits) == (6, True)


@pytest.mark.parametrize(
    ("devices", "named", "what"),
    [
        (("host",), {}, "this machine"),
        ((), {"count": 0}, "--count 0"),
        ((), {"runner": Path("runner")}, "--runner names a program of this machine"),
        ((), {"certificate_files": (Path("ca.pem"), None, None)}, "certificates need"),
    ],
)
def test_what_a_lab_can_not_do_is_said_in_words(
    devices: tuple[str, ...], named: dict[str, Any], what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        request_of("desk", *devices, **named)


def test_dask_is_imported_only_to_connect() -> None:
    code = (
        "import sys; from asymm_deploy.commands.options import lab_bench_options as it; "
        "no = {'count': 1, 'wait': False, 'runner': None, 'certificate_files': 3 * (None,)}; "
        "it.lab_request('desk', ['any'], **no); "
        "assert not {'distributed', 'dask', 'tornado'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
