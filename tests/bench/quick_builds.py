"""Builds of the native runner that take half of the time: the compiler optimises nothing.

What is optimised is ``like_a_wheel`` of ``tests/harness``, and for 64-bit ARM what
``tests/bench/phone/test_without_ndk.py`` builds.
"""

from __future__ import annotations

from typing import Any

import pytest

from asymm_deploy.bench import native_build


def build_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``build_native_runner`` do so."""
    really: Any = native_build._run_cmake

    def quickly(*given: Any) -> None:
        *before, options, talk, say = given
        really(*before, {**options, "CMAKE_CXX_FLAGS_RELEASE": "-O0"}, talk, say)

    monkeypatch.setattr(native_build, "_run_cmake", quickly)
