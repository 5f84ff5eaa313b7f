"""The options of ``asymm-deploy check``, and its help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.bounds import MOST_CORES
from asymm_deploy.commands.options.shared_options import PrecisionName, within

CHECK_HELP = """Compare two versions of models: has one become slower or larger, and how sure is it?

A and B are folders that `export --out` or `baseline save` wrote. Both versions of each model are
timed here, until the model's verdict is certain: in launches that hold both and run them in turns,
run by run. What disturbs the machine then disturbs both alike, so this works on shared machines.

\b
  regressed     slower by more than the threshold, and again in fresh launches: exit 1
  pass          certainly not that much slower: exit 0
  improved      faster by more than the threshold: exit 0
  inconclusive  not decided after --max-blocks: exit 4, or 0 with --inconclusive pass
  unstable      launches were disturbed again and again, or contradict each other: exit 4
  failed        a version can't be timed or computes something else: exit 3 or 5
  same          both are the same file, so nothing was timed: exit 0

If A and B are results folders that `bench --out` wrote, their launches are compared as they are.
That is the weaker test: whatever changed between the two benches counts as the model's change.

With --device a76 nothing is timed. Both versions run once on an emulated ARM processor
(`asymm-deploy emulator setup`), and instructions and cache misses decide: the same numbers on any
machine, so there is no noise and nothing to repeat.

With --history, the FILEs are the launches of many commits, in order. The question then is whether
models became slower bit by bit, and since which commit. With --store the launches are those that
`history add` keeps, and steps that `baseline accept` accepted are no findings.

Each launch is added to OUT/runs.jsonl as it ends, each model's counts to OUT/counts.jsonl. After
Ctrl-C or a lost phone, the same command continues with the next one.

\b
  asymm-deploy export --table 5 --out old     (on the main branch)
  asymm-deploy export --table 5 --out new     (on yours)
  asymm-deploy check --baseline old --candidate new --markdown verdict.md
"""


class DesignName(StrEnum):
    """How both versions are launched."""

    PAIRED = "paired"
    BLOCKS = "blocks"


class PassOrFail(StrEnum):
    """What an inconclusive comparison means to CI."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"


CheckHistoryFilesOption = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE...",
        help="With --history: a runs.jsonl of each commit, the oldest first. Or the folder of a "
        "history.",
    ),
]
CheckBaselineOption = Annotated[
    Path | None,
    typer.Option(
        metavar="A",
        help="Folder of the version to compare with: what `export`, `baseline save` or `bench` "
        "wrote.",
    ),
]
CheckCandidateOption = Annotated[
    Path | None,
    typer.Option(metavar="B", help="Folder of the new version: what `export` or `bench` wrote."),
]
CheckHistoryOption = Annotated[
    bool, typer.Option("--history", help="Look for slow creep over the FILEs of many commits.")
]
CheckStoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="FOLDER",
        help="With --history: the folder that `history add` keeps; FILEs are commits after those.",
    ),
]
CheckBranchOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --store: only commits of this branch.")
]
CheckSinceOption = Annotated[
    str | None,
    typer.Option(metavar="SHA", help="With --store: only this commit and those made after it."),
]
CheckModelPatternsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        metavar="PATTERN",
        help="Compare only these models: a part of the name, or a glob. Repeatable. Default: all.",
    ),
]
CheckThresholdOption = Annotated[
    str,
    typer.Option(
        metavar="PERCENT",
        help="How much slower a model may become, as in --threshold 5%. Changes of up to 20 us "
        "always pass.",
    ),
]
CheckSizeThresholdOption = Annotated[
    str, typer.Option(metavar="PERCENT", help="How much larger the .mnn file may become.")
]
CheckMAddsThresholdOption = Annotated[
    str, typer.Option(metavar="PERCENT", help="How much the multiply-adds may grow.")
]
CheckParamsThresholdOption = Annotated[
    str, typer.Option(metavar="PERCENT", help="How much the number of parameters may grow.")
]
CheckInitThresholdOption = Annotated[
    str, typer.Option(metavar="PERCENT", help="How much longer a model may take to load.")
]
CheckMemoryThresholdOption = Annotated[
    str, typer.Option(metavar="PERCENT", help="How much the peak memory may grow.")
]
CheckInsnThresholdOption = Annotated[
    str,
    typer.Option(
        metavar="PERCENT",
        help="With --device a76 or --cost: how many more instructions a model may take.",
    ),
]
CheckMissThresholdOption = Annotated[
    str,
    typer.Option(
        metavar="PERCENT",
        help="With --device a76 or --cost: how much the misses of the L2 cache, and those of the "
        "L3 cache, may grow. 200 more always pass.",
    ),
]
CheckDeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="host|auto|SERIAL|HOST:PORT|a76",
        help="Where to time: this machine (host, the default), the one phone attached (auto), or "
        "that phone. a76 times nothing: it counts what both execute on an emulated Cortex-A76. "
        "For results folders and --store: only the launches of this device.",
    ),
]
CheckCostOption = Annotated[
    bool,
    typer.Option(
        "--cost",
        help="Also count what both versions execute on an emulated Cortex-A76, as a second "
        "witness: it is shown, and changes no verdict.",
    ),
]
CheckJobsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=within("--jobs", 1, MOST_CORES),
        help="With --device a76 or --cost: models counted at a time. Default: as many as there "
        "are cores.",
    ),
]
CheckRunsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Timed runs of each launch. Default: 50 of either version in a paired launch, 100 in "
        "one of a block. A paired launch of slow models ends after 1.5 s, but has 7 at least.",
    ),
]
CheckMaxBlocksOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Paired launches per model, 4 to 1000 (default: 40), or with --design blocks blocks "
        "of four launches, 8 to 1000 (default: 20). A model that is not decided by then is "
        "inconclusive.",
    ),
]
CheckDesignOption = Annotated[
    DesignName,
    typer.Option(
        help="How to launch: both versions in one process, run by run in turns (paired), or each "
        "in launches of its own, A B B A or B A A B (blocks). Blocks take minutes and want a "
        "quiet machine, but no version finds the other's data in the caches.",
    ),
]
CheckSeedOption = Annotated[
    int, typer.Option(metavar="N", help="Seed of the random order of launches.")
]
CheckThreadsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads of the engine, each on a core of its own. Default: 1."),
]
CheckPrecisionOption = Annotated[
    PrecisionName | None, typer.Option(help="Precision of the arithmetic. Default: fp32.")
]
CheckAllowOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FLAG",
        help="A flag of `bench` that does not spoil a launch, as in --allow hot. Repeatable.",
    ),
]
CheckIgnoreMissingOption = Annotated[
    bool, typer.Option("--ignore-missing", help="Skip models that only one of the folders has.")
]
CheckSameFileOption = Annotated[
    bool,
    typer.Option(
        "--same-file",
        help="The same file on both sides is meant: time it against itself, which shows how noisy "
        "the machine is. Without, a model whose file is the same is not timed.",
    ),
]
CheckSentinelOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="For results folders: a model that did not change. What it seems to have changed by "
        "is taken off the others.",
    ),
]
CheckInconclusiveOption = Annotated[
    PassOrFail,
    typer.Option(help="Whether a model that stays undecided exits with 4 (fail) or 0 (pass)."),
]
CheckOutOption = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="Folder for launches and counts; the same command continues from there.",
    ),
]
CheckFreshOption = Annotated[
    bool, typer.Option("--fresh", help="Time or count again what OUT already has.")
]
CheckJUnitOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write the report as JUnit XML.")
]
CheckMarkdownOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also write the report as Markdown, for a pull request."),
]
CheckPicturesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Also draw both versions' launches and the verdicts as SVG and PNG; the file of "
        "--markdown shows them. It needs asymm-deploy[page].",
    ),
]
CheckJsonOption = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Also write the report as JSON (docs/check-schema.json)."
    ),
]
CheckBenchmarkJsonOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Also write the latencies as JSON for github-action-benchmark."
    ),
]
