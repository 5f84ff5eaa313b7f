"""A trace has the form that Perfetto reads: slices end to end, each inside its module's."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import msgspec
import pytest

from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.trace_file import trace_json


class Slice(msgspec.Struct, forbid_unknown_fields=True, tag_field="ph", tag="X"):
    """A complete event of the Trace Event Format; times are microseconds."""

    name: str
    cat: str
    pid: int
    tid: int
    ts: float
    dur: float
    args: dict[str, str | int | float | bool]


class Name(msgspec.Struct, forbid_unknown_fields=True, tag_field="ph", tag="M"):
    """A metadata event: the name of a process or a thread."""

    name: Literal["process_name", "thread_name"]
    pid: int
    tid: int
    args: dict[str, str]


class Trace(msgspec.Struct, forbid_unknown_fields=True):
    """The object form of a trace."""

    traceEvents: list[Slice | Name]  # noqa: N815  the format's own name
    displayTimeUnit: Literal["ms", "ns"]  # noqa: N815


def trace_of(*explanations: Explanation) -> Trace:
    return msgspec.json.decode(trace_json(explanations), type=Trace)


def slices(trace: Trace, pid: int = 1) -> list[Slice]:
    return [each for each in trace.traceEvents if isinstance(each, Slice) and each.pid == pid]


def test_operators_lie_end_to_end_and_take_the_median(explained: Explanation) -> None:
    found = [each for each in slices(trace_of(explained)) if each.cat != "module"]
    assert [each.args["index"] for each in found] == list(range(6))
    assert all(a.ts + a.dur == pytest.approx(b.ts) for a, b in pairwise(found))
    assert found[0].ts == 0
    assert found[-1].ts + found[-1].dur == pytest.approx(4000)
    assert found[3].args["module"] == "blocks.0.project.conv"
    assert "insn_m" not in found[3].args, "what is unknown is left out"


def test_slices_are_nested_as_the_modules_are(explained: Explanation) -> None:
    found = slices(trace_of(explained))
    modules = {each.name: each for each in found if each.cat == "module" and each.name != "conv"}
    assert (modules["stem"].ts, modules["stem"].dur) == (0, 500)
    assert (modules["0"].ts, modules["0"].dur) == (500, 2500), "the concat between two of them too"
    stack: list[float] = []
    for each in found:  # as a reader does that sorts by start: a parent comes before its children
        while stack and each.ts >= stack[-1]:
            stack.pop()
        assert not stack or each.ts + each.dur <= stack[-1] + 1e-6
        stack.append(each.ts + each.dur)


def test_each_model_is_a_process_and_what_was_counted_says_its_unit(
    explained: Explanation, counted: Explanation
) -> None:
    trace = trace_of(explained, counted)
    names = [x.args["name"] for x in trace.traceEvents if x.name == "process_name"]
    assert names == [
        "net on host, fp32",
        "net on a76, fp32 (1 us = 1000 instructions)",
    ]
    assert slices(trace, 2)[-1].ts + slices(trace, 2)[-1].dur == 21_000


def test_a_model_without_operators_is_a_trace_too(explained: Explanation) -> None:
    assert slices(trace_of(msgspec.structs.replace(explained, operators=()))) == []
