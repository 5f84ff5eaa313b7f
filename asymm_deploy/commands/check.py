"""``asymm-deploy check``: the regression gate."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options import check_options as option
from asymm_deploy.commands.options.backend_options import (
    BackendName,
    OnlyCpuOption,
    refuse_other_backends,
)
from asymm_deploy.commands.options.check_options import DesignName, PassOrFail
from asymm_deploy.commands.options.lab_bench_options import (
    LabOption,
    LabWaitOption,
    TlsCaFileOption,
    TlsCertOption,
    TlsKeyOption,
    lab_request,
)
from asymm_deploy.commands.options.shared_options import (
    CpuOption,
    LaunchTimeoutOption,
    RunnerOption,
    WarmupOption,
    core,
    given_options,
    print_data,
)
from asymm_deploy.errors import DeployError, ExitCode, HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.check.findings import GateReport
    from asymm_deploy.check.outputs.write import WantedOutputs
    from asymm_deploy.check.policy import GatePolicy
    from asymm_deploy.commands.options.shared_options import PrecisionName

_TIMING = (
    *("runner", "launch_timeout", "cpu", "runs", "warmup"),
    *("design", "max_blocks", "seed", "fresh"),
    *("lab", "wait", "tls_ca_file", "tls_cert", "tls_key"),
)
_TIMED = (
    *(name for name in _TIMING if name != "fresh"),
    *("threshold", "init_threshold", "memory_threshold", "threads", "sentinel"),
)
"""What means nothing where nothing is timed."""
_COUNTING = ("cost", "insn_threshold", "miss_threshold", "jobs")
_OF_STORES = ("store", "branch", "since")
_CHOOSING = ("same_file", "device", "precision", "threads", "sentinel", "ignore_missing")


def check_command(
    ctx: typer.Context,
    files: option.CheckHistoryFilesOption = None,
    baseline: option.CheckBaselineOption = None,
    candidate: option.CheckCandidateOption = None,
    history: option.CheckHistoryOption = False,
    store: option.CheckStoreOption = None,
    branch: option.CheckBranchOption = None,
    since: option.CheckSinceOption = None,
    models: option.CheckModelPatternsOption = None,
    threshold: option.CheckThresholdOption = "3%",
    size_threshold: option.CheckSizeThresholdOption = "1%",
    madds_threshold: option.CheckMAddsThresholdOption = "1%",
    params_threshold: option.CheckParamsThresholdOption = "1%",
    init_threshold: option.CheckInitThresholdOption = "25%",
    memory_threshold: option.CheckMemoryThresholdOption = "10%",
    insn_threshold: option.CheckInsnThresholdOption = "1%",
    miss_threshold: option.CheckMissThresholdOption = "5%",
    device: option.CheckDeviceOption = None,
    lab: LabOption = None,
    wait: LabWaitOption = False,
    tls_ca_file: TlsCaFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    runs: option.CheckRunsOption = None,
    warmup: WarmupOption = 20,
    design: option.CheckDesignOption = DesignName.PAIRED,
    max_blocks: option.CheckMaxBlocksOption = None,
    seed: option.CheckSeedOption = 0,
    threads: option.CheckThreadsOption = None,
    cpu: CpuOption = "auto",
    precision: option.CheckPrecisionOption = None,
    backend: OnlyCpuOption = BackendName.CPU,
    runner: RunnerOption = None,
    launch_timeout: LaunchTimeoutOption = 300.0,
    allow: option.CheckAllowOption = None,
    ignore_missing: option.CheckIgnoreMissingOption = False,
    same_file: option.CheckSameFileOption = False,
    sentinel: option.CheckSentinelOption = None,
    cost: option.CheckCostOption = False,
    jobs: option.CheckJobsOption = None,
    inconclusive: option.CheckInconclusiveOption = PassOrFail.FAIL,
    out: option.CheckOutOption = Path("check-results"),
    fresh: option.CheckFreshOption = False,
    junit: option.CheckJUnitOption = None,
    markdown: option.CheckMarkdownOption = None,
    pictures: option.CheckPicturesOption = None,
    json: option.CheckJsonOption = None,
    benchmark_json: option.CheckBenchmarkJsonOption = None,
) -> None:
    """See ``CHECK_HELP``, which is the command's help."""
    from asymm_deploy.check.outputs.write import WantedOutputs, prove_writable
    from asymm_deploy.check.policy import USUAL_RUNS

    began = time.monotonic()
    refuse_other_backends(backend, "check compares times")
    limits = (size_threshold, madds_threshold, params_threshold, init_threshold, memory_threshold)
    counted = (insn_threshold, miss_threshold, miss_threshold)
    policy = _policy((threshold, *limits, *counted), max_blocks, runs, seed, design)
    each = USUAL_RUNS[policy.design] if runs is None else runs
    plan = _plan(
        precision, each, warmup, threads, cpu, allow, launch_timeout_s=launch_timeout, fresh=fresh
    )
    wanted = WantedOutputs(junit=junit, markdown=markdown, json=json, benchmark_json=benchmark_json)
    prove_writable(wanted)
    if pictures is not None:
        _prove_pictures(pictures, history=history)
    fails = inconclusive is PassOrFail.FAIL
    draw: Callable[[GateReport], Mapping[Path, str]] = _nothing
    if history:
        from asymm_deploy.commands.remembering.check_history_steps import (
            GivenHistory,
            checked_history,
        )

        given = GivenHistory.of(files, store, device, branch, since)
        choosing = [name for name in _CHOOSING if name != "device" or given.store is None]
        meaningless = given_options(ctx, *_TIMING, *choosing, *_COUNTING)
        _refuse_with_history(baseline, candidate, meaningless)
        report = checked_history(
            given, policy, models=models or (), allow=plan.allow, inconclusive_fails=fails
        )
    else:
        from asymm_deploy.check.check_request import CheckRequest
        from asymm_deploy.check.comparison import compare_versions
        from asymm_deploy.check.live.live_report import launches_before
        from asymm_deploy.commands.check_progress import CheckProgress, device_to_check_on
        from asymm_deploy.commands.counting.check_counted import counted_check

        _refuse_without_history(given_options(ctx, *_OF_STORES))
        old, new = _both_folders(baseline, candidate, files)
        in_lab = lab_request(
            lab,
            () if device is None else (device,),
            count=None,
            wait=wait,
            runner=runner,
            certificate_files=(tls_ca_file, tls_cert, tls_key),
        )
        if pictures is not None:
            draw = partial(_drawn, pictures, out, old, new)
        request = CheckRequest(
            baseline=old,
            candidate=new,
            models=tuple(models or ()),
            device=device,
            precision=precision.value if precision else None,
            threads=threads,
            sentinel=sentinel,
            allow=plan.allow,
            ignore_missing=ignore_missing,
            same_file=same_file,
            inconclusive_fails=fails,
            out=out,
            timing_options=given_options(ctx, *_TIMING),
        )
        counting = counted_check(
            device,
            plan.precision,
            as_witness=cost,
            jobs=jobs,
            out=out,
            fresh=fresh,
            timing=given_options(ctx, *_TIMED),
            counting=given_options(ctx, *_COUNTING[1:]),
        )
        earlier = partial(launches_before, request)
        with device_to_check_on(device, in_lab, runner, plan.allow, earlier) as make_device:
            report = compare_versions(request, plan, policy, make_device, CheckProgress(), counting)
    if report.mode in {"live", "counted"} and out.is_dir():
        from asymm_deploy.report.page.check_verdicts import CHECK_NAME

        wanted = replace(wanted, kept=out / CHECK_NAME)
    _publish(report, wanted, began, draw)
    raise typer.Exit(report.exit_code)


def _policy(
    limits: Sequence[str], max_blocks: int | None, runs: int | None, seed: int, design: DesignName
) -> GatePolicy:
    """Return what is allowed; ``limits`` are percentages, in the order of the metrics.

    Raises UsageError for one that is no percentage, and for numbers that make no sense.
    """
    from asymm_deploy.check.policy import (
        THRESHOLD_OPTIONS,
        USUAL_RUNS,
        GatePolicy,
        parse_percent,
    )

    given = zip(THRESHOLD_OPTIONS.items(), limits, strict=True)
    thresholds = {metric: parse_percent(text, name) for (metric, name), text in given}
    return GatePolicy(
        thresholds=thresholds,
        design=design.value,
        max_blocks=max_blocks,
        runs_alone=USUAL_RUNS["blocks"] if runs is None else None,
        seed=seed,
    )


def _plan(
    precision: PrecisionName | None,
    runs: int,
    warmup: int,
    threads: int | None,
    cpu: str,
    allow: Sequence[str] | None,
    *,
    launch_timeout_s: float,
    fresh: bool,
) -> Plan:
    """Return how to time one launch; raise UsageError for numbers that make no sense."""
    from asymm_deploy.bench.plan import Plan

    return Plan(
        precision=precision.value if precision else "fp32",
        runs=runs,
        launches=1,
        warmup=warmup,
        threads=1 if threads is None else threads,
        cpu=core(cpu),
        allow=tuple(allow or ()),
        launch_timeout_s=launch_timeout_s,
        fresh=fresh,
    )


def _refuse_with_history(
    baseline: Path | None, candidate: Path | None, given: Sequence[str]
) -> None:
    """Raise UsageError for options that mean nothing where no two versions are compared."""
    if baseline is not None or candidate is not None:
        raise UsageError("--history compares no A and B", "give FILEs alone")
    for name in given:
        raise UsageError(f"{name} is not for --history", "leave it out, or choose among the FILEs")


def _refuse_without_history(given: Sequence[str]) -> None:
    for name in given:
        raise UsageError(f"{name} is for --history alone", f"add --history, or leave {name} out")


def _both_folders(
    baseline: Path | None, candidate: Path | None, files: Sequence[Path] | None
) -> tuple[Path, Path]:
    """Return the two folders; raise UsageError unless they, and only they, were given."""
    if files:
        raise UsageError(f"{files[0]} is given without --history", "name folders by --baseline")
    if baseline is None or candidate is None:
        raise UsageError("two folders have to be named", "give --baseline A and --candidate B")
    return baseline, candidate


def _prove_pictures(folder: Path, *, history: bool) -> None:
    """Raise UsageError now for pictures that could not be drawn after minutes of timing."""
    from asymm_deploy.files import ensure_folder
    from asymm_deploy.report.page.vega_library import require_page_extra

    if history:
        raise UsageError("--pictures shows two versions, and --history has many", "leave it out")
    require_page_extra()
    try:
        ensure_folder(folder, "pictures")
    except UsageError as error:
        raise UsageError(error.what, "give another folder with --pictures") from error


def _drawn(
    folder: Path, out: Path, baseline: Path, candidate: Path, report: GateReport
) -> dict[Path, str]:
    from asymm_deploy.commands.page_steps import draw_check

    return draw_check(folder, report, out, (baseline, candidate))


def _nothing(_report: GateReport) -> dict[Path, str]:
    return {}


def _publish(
    report: GateReport,
    wanted: WantedOutputs,
    began: float,
    draw: Callable[[GateReport], Mapping[Path, str]],
) -> None:
    """Write the files that were asked for, then print the table, whatever became of the files."""
    from asymm_deploy.check.outputs import terminal_table
    from asymm_deploy.check.outputs.write import write_outputs

    undrawn = None
    try:
        try:
            wanted = replace(wanted, pictures=draw(report))
        except DeployError as error:
            code = report.exit_code or error.exit_code
            undrawn = HarnessError(error.what, error.hint, exit_code=ExitCode(code))
        elapsed_s = time.monotonic() - began
        written = write_outputs(report, wanted, os.environ, elapsed_s=elapsed_s)
        for line in written.annotations:
            console.say(line)
    finally:  # last, since the reader of a pipe may be gone
        _print_report(terminal_table.rendered(report), ExitCode(report.exit_code))
    if written.failure is not None:
        raise written.failure
    if undrawn is not None:
        raise undrawn


def _print_report(text: str, exit_code: ExitCode) -> None:
    """Print the table; raise HarnessError with the verdict's code if that can't be done."""
    try:
        print_data(text)
    except OSError as error:
        if exit_code == ExitCode.OK:
            raise
        raise HarnessError(
            f"can't print the report: {error.strerror}",
            "send the output to a place with space left",
            exit_code=exit_code,
        ) from error
