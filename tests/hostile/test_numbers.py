"""Numbers outside their range are refused at once, with the option and what it takes.

So are several where one is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

NET = "asymmnet_small_035"
BENCH, EXPORT, CHECK = ["bench", NET], ["export", NET], ["check", "--baseline", "a"]
CHECKED = [*CHECK, "--candidate", "b"]
NO_INTEGER = ("1.5", "nan", "inf", "1e400", "0x10", "", "ten", "1 2", "½", "9" * 5000)

ROWS: list[tuple[list[str], int, tuple[str, ...]]] = [
    # more than any machine can do, and less than anything
    *(
        ([*command, f"{option}={value}"], 2, (option, value))
        for command, option, values in (
            (BENCH, "--runs", ("0", "-1", str(10**12), str(2**63), str(2**70), str(-(2**70)))),
            (BENCH, "--launches", ("0", "-1", str(10**12), str(2**63), str(2**70))),
            (BENCH, "--warmup", ("-1", str(10**12), str(2**63), str(2**70))),
            (BENCH, "--threads", ("0", "-1", str(10**6), str(10**12), str(2**63))),
            (BENCH, "--launch-timeout", ("0", "-1", "nan", "inf", "-inf", "1e+09", "1e+300")),
            (BENCH, "--patience", ("0", "-1", "nan", "inf", "1e+09")),
            (BENCH, "--cool-down", ("-1", "nan", "inf", "1e+09")),
            (EXPORT, "--seed", (str(2**70), str(-(2**70)), str(10**30))),
            (EXPORT, "--jobs", ("0", "-1", str(10**6), str(2**63))),
            (EXPORT, "--opset", ("0", "-1", "8", "21", "1000", str(2**63))),
            (EXPORT, "--tolerance", ("0", "-1", "nan", "inf")),
            (CHECKED, "--max-blocks", ("0", "-1", "3", "1001", str(10**12), str(2**70))),
            (CHECKED, "--runs", ("0", "-1", str(10**12), str(2**70))),
            (CHECKED, "--seed", ("-1", str(2**70))),
            (CHECKED, "--launch-timeout", ("0", "-1", "nan", "inf", "1e+09")),
        )
        for value in values
    ),
    # back ends other than the CPU, beside what is the CPU's
    ([*BENCH, "--backend", "metal"], 2, ("--backend",)),
    ([*BENCH, "--backend", "vulkan", "--paired"], 2, ("--paired", "vulkan")),
    ([*BENCH, "--backend", "vulkan", "--cold"], 2, ("--cold", "vulkan")),
    ([*BENCH, "--backend", "vulkan", "--for", "1m"], 2, ("--for", "vulkan")),
    ([*BENCH, "--backend", "opencl", "--threads", "2"], 2, ("--threads", "opencl")),
    ([*BENCH, "--backend", "opencl", "--engine", "onnxruntime"], 2, ("--engine", "opencl")),
    (["bench", "--table", "5", "--backend", "vulkan"], 2, ("table", "vulkan")),
    (["report", "--table", "5", "--backend", "vulkan"], 2, ("vulkan",)),
    (["explain", NET, "--backend", "vulkan"], 2, ("explain", "vulkan")),
    ([*CHECKED, "--backend", "vulkan"], 2, ("check", "vulkan")),
    *(([*BENCH, f"--runs={10**12}", f"--launches={10**12}"], 2, ("--runs",)) for _ in "1"),
    ([*BENCH, "--cpu", "99999999"], 2, ("--cpu",)),
    ([*BENCH, "--cpu", "70000"], 2, ("--cpu",)),
    ([*BENCH, "--cpu", "9" * 5000], 2, ("--cpu",)),
    ([*BENCH, "--cpu=-1"], 2, ("--cpu", "-1")),
    ([*BENCH, "--cpu", "٣"], 2, ("--cpu",)),
    # durations
    *(
        ([*BENCH, f"--for={text}"], 2, ("--for", text[:20]))
        for text in (
            "30",
            "-5s",
            "1h30m",
            "5 s",
            "nan",
            "inf",
            "1e3s",
            "5d",
            "٣m",
            "9" * 5000 + "s",
        )
    ),
    *(([*BENCH, f"--for={text}"], 2, ("--for", "5s to 8h")) for text in ("4s", "0m", "9h")),
    *(
        ([*BENCH, "--for=1m", f"--every={text}"], 2, ("--every", said))
        for text, said in (("33", "no duration"), ("0ms", "1ms to 1m"), ("2m", "1ms to 1m"))
    ),
    ([*BENCH, "--for=30s", "--every=30s"], 2, ("--every 30s", "a single frame")),
    ([*BENCH, "--every=33ms"], 2, ("--every", "--for is not given")),
    *(
        ([*BENCH, "--for=1m", *more], 2, (more[0].split("=")[0], "does not go with --for"))
        for more in (["--runs=5"], ["--launches=1"], ["--paired"])
    ),
    ([*BENCH, "--for=1m", "--cold"], 2, ("--cold", "--for")),
    (["bench", "--table=5", "--for=1m"], 2, ("--table does not go",)),
    (["bench", "--figure=1", "--for=1m"], 2, ("--figure does not go",)),
    ([*BENCH, "--for=1m", "--device=a76"], 2, ("a76", "no clock to time by")),
    # no numbers at all
    *(
        ([*command, f"{option}={text}"], 2, (option,))
        for command, option in (
            (BENCH, "--runs"),
            (BENCH, "--launches"),
            (EXPORT, "--seed"),
            (EXPORT, "--jobs"),
        )
        for text in NO_INTEGER
    ),
    # percentages
    *(
        ([*CHECKED, f"--threshold={text}"], 2, ("--threshold",))
        for text in ("3", "0.03", "nan%", "inf%", "-1%", "0%", "1e400%", "1_0%", "%", "", "5000%")
    ),
    # widths of networks
    *(
        (["export", name], 2, (name[:20],))
        for name in (
            "asymmnet_large_99999",
            "asymmnet_large_0",
            "asymmnet_large_000",
            "asymmnet_large_-35",
            "asymmnet_large_1e3",
            "asymmnet_large_" + "9" * 5000,
            "asymmnet_large_٣٥",
        )
    ),
    (["export", "--table", "99"], 2, ("Table 99",)),
    (["export", "--table", str(2**70)], 2, ("Table",)),
    (["export", "--figure", "2"], 2, ("Figure 2",)),
    (["report", "--table=-1"], 2, ("table -1",)),
    # two where one is taken, of which the last would stand for both
    ([*CHECKED, "--device=A", "--device=B"], 2, ("--device was given 2 times, and check takes",)),
    (["bench", "--table=5", "--table", "9", "--table=6"], 2, ("--table was given 3 times",)),
    (["explain", NET, "--device=A", "--device=A"], 2, ("--device", "explain takes one")),
    (["evaluate", NET, "--images=a", "--images=b"], 2, ("--images", "evaluate takes one")),
    (["report", "--history=a", "--history=b"], 2, ("--history", "report takes one")),
    (["history", "show", NET, "--store=a", "--store=b"], 2, ("--store", "show takes one")),
    (["baseline", "accept", "x", "--model=a", "--model=b", "--reason=c"], 2, ("--model was",)),
    ([*BENCH, "--runs=7", "--runs=0"], 2, ("--runs", "0")),  # the last one counts
]


@pytest.mark.parametrize(
    ("arguments", "code", "names"), ROWS, ids=[" ".join(row[0])[:60] for row in ROWS]
)
def test_a_number_out_of_range_is_refused(
    refused: Callable[..., object], arguments: list[str], code: int, names: tuple[str, ...]
) -> None:
    refused(arguments, code, *names)
