"""The command line: parse, call, print; nothing else."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy import __version__, console
from asymm_deploy.errors import DeployError, ExitCode, HarnessError, UsageError, worst
from asymm_deploy.files import is_full

if TYPE_CHECKING:
    from asymm_deploy.export.jobs import Outcome
    from asymm_deploy.export.request import Request
    from asymm_deploy.models.names import Figure
    from asymm_deploy.models.source import Source
    from asymm_deploy.text import Format, Row

app = typer.Typer(
    name="asymm-deploy",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From a PyTorch definition to files that are proven equal, and to a latency table.",
    epilog="Exit codes: 0 good, 1 regression, 2 usage, 3 device or harness, 4 unstable "
    "measurement, 5 numerics, 6 conversion, 130 interrupted.",
)

MODEL_HELP = (
    "A network's name (`asymm-deploy models` lists them), the path of an .onnx file, or "
    "package.module:callable, which returns an nn.Module."
)
Models = Annotated[list[str] | None, typer.Argument(metavar="MODEL...", help=MODEL_HELP)]
Table = Annotated[
    int | None,
    typer.Option("--table", help="The networks of this table of the paper, instead of names."),
]
FigureOption = Annotated[
    int | None,
    typer.Option(
        "--figure", help="1: the blocks of the paper's Figure 1, each in the same skeleton."
    ),
]
InputShape = Annotated[
    list[str] | None,
    typer.Option(
        "--input-shape",
        metavar="[NAME=]N,C,H,W",
        help="Shape of an input; repeat it for several inputs. Sets a network's resolution.",
    ),
]


class TextFormat(StrEnum):
    """How lists are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


_FORMATS: dict[TextFormat, Format] = {
    TextFormat.TABLE: "table",
    TextFormat.CSV: "csv",
    TextFormat.JSON: "json",
}


class ReportFormat(StrEnum):
    """How tables of results are written."""

    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


class EngineName(StrEnum):
    """What runs the model."""

    MNN = "mnn"
    ONNXRUNTIME = "onnxruntime"


class PassOrFail(StrEnum):
    """What an inconclusive comparison is to CI."""

    PASS = "pass"  # noqa: S105  no password
    FAIL = "fail"


class PrecisionName(StrEnum):
    """Of the arithmetic."""

    FP32 = "fp32"
    FP16 = "fp16"


_READER_GONE = 141
"""What a shell shows of a program that SIGPIPE ended: ``| head`` had read enough."""


def main() -> None:
    """Run the program with the process's arguments."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may have what its encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # said already; Python would try once more, and end with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code. What the user can act on never shows a traceback.

    What nobody foresaw does, since it is our mistake, and ends with 3: 1 is a regression.
    """
    try:
        code = _code_of(arguments)
        with suppress(OSError) if code else nullcontext():  # a failure's own code stands
            sys.stdout.flush()
    except BrokenPipeError:
        return _READER_GONE
    except OSError as error:
        if not is_full(error):
            return _own_up(error)
        where = f": {error.filename}" if error.filename else ""
        hint = "make some, where files and the output go; the same command goes on"
        console.complain(HarnessError(f"no space is left on the device{where}", hint))
        return ExitCode.HARNESS
    except Exception as error:
        return _own_up(error)
    return code


def _code_of(arguments: Sequence[str]) -> int:
    try:
        code = app(args=list(arguments), prog_name="asymm-deploy", standalone_mode=False)
    except DeployError as error:
        console.complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.say("interrupted; what was finished is kept")
        return ExitCode.INTERRUPTED
    except typer.Abort as error:
        if isinstance(error.__cause__, EOFError):  # of a file's, which typer takes for a person's
            raise error.__cause__ from None
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        return _complain_of_usage(error)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer would end with 1
            raise error.__context__ from None
        raise
    if code == ExitCode.INTERRUPTED:
        console.say("interrupted; what was finished is kept")
    return code if isinstance(code, int) else ExitCode.OK


def _own_up(error: Exception) -> int:
    import traceback

    console.say("".join(traceback.format_exception(error)).rstrip())
    console.say("this is a mistake in asymm-deploy: please report it with these lines")
    return ExitCode.HARNESS


def _complain_of_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    message = getattr(error, "format_message", lambda: str(error))()
    if message.startswith("Usage:"):  # nothing was asked for, and this is the help
        console.show(message)
        return ExitCode.USAGE
    command = context.command_path if context is not None else "asymm-deploy"
    what = message.replace("\n", " ").rstrip(".")
    console.complain(UsageError(what[:1].lower() + what[1:], f"try `{command} --help`"))
    return ExitCode.USAGE


def _version(wanted: bool) -> None:
    if wanted:
        print(f"asymm-deploy {__version__}")  # noqa: T201  stdout is where data goes
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


@app.command()
def models(
    pattern: Annotated[
        str | None, typer.Argument(help="A part of the name, or a glob: 'asymmnet_*_100'.")
    ] = None,
    output_format: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.TABLE,
) -> None:
    """List the paper's networks with their multiply-adds and parameters.

    Any other width builds as well: asymmnet_large_060 is AsymmNet-Large at 0.6, and _r2 at its
    end makes the asymmetry rate 2. _face, _action, _pose or _yolo3 behind that makes it a network
    of that task. Blocks: asymmnet, pruned, mbv3, bottleneck, sandglass, shuffle and ghost.
    """
    from asymm_deploy.models.catalog import catalog
    from asymm_deploy.text import formatted

    with console.waiting("counting multiply-adds"):
        entries = catalog(pattern)
    rows: list[Row] = [
        {
            "name": entry.name,
            "input_shape": "x".join(map(str, entry.input_shape)),
            "madds": entry.madds,
            "params": entry.params,
        }
        for entry in entries
    ]
    _out(formatted(rows, _FORMATS[output_format]))


@app.command()
def describe(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    input_shape: InputShape = None,
    output_format: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.TABLE,
) -> None:
    """Show what a model costs layer by layer, and the split of Table 1 by kind of operator."""
    from asymm_deploy.describe import described
    from asymm_deploy.text import formatted

    source = _sources([model], None, input_shape)[0]
    with console.waiting("counting multiply-adds"):
        complexity = described(source)
    rows: list[Row] = [
        {
            "layer": layer.name,
            "operator": layer.operator,
            "kind": layer.kind,
            "output_shape": "x".join(map(str, layer.output_shape)),
            "madds": layer.madds,
            "params": layer.params,
        }
        for layer in complexity.layers
    ]
    _out(formatted(rows, _FORMATS[output_format]))
    depthwise, pointwise, vanilla = complexity.table1_percent()
    # Part of what was asked for, but no row of a CSV file.
    tell = _out if output_format is TextFormat.TABLE else console.say
    tell(
        f"{complexity.madds / 1e6:.2f} M MAdds, {complexity.params / 1e6:.3f} M params; "
        f"depthwise {depthwise:.1f} %, pointwise (with the classifier) {pointwise:.1f} %, "
        f"vanilla {vanilla:.1f} %"
    )
    if complexity.uncounted:
        console.say(f"not counted, so the sum is too low: {', '.join(complexity.uncounted)}")


@app.command()
def export(
    models: Models = None,
    table: Table = None,
    figure: FigureOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("artifacts"),
    weights: Annotated[
        Path | None,
        typer.Option(help="A state_dict as .pt, .pth or .safetensors; for a single model."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of random weights where none are given.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(help="Models at a time; by default one a core.", min=1)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Export what is unchanged, too.")] = False,
    keep_exported: Annotated[
        bool,
        typer.Option("--keep-exported", help="Keep the graph before it is simplified, too."),
    ] = False,
    input_shape: InputShape = None,
) -> None:
    """Export models to ONNX and MNN, and prove every step equal to the PyTorch module.

    Writes model.onnx, model.mnn, reference.npz and manifest.json to OUT/MODEL/. What is unchanged
    since the last time is left as it is.
    """
    from asymm_deploy.export.request import Request

    sources = _sources(models, _which(table, figure), input_shape)
    if weights is not None and len(sources) != 1:
        raise UsageError(
            f"--weights is for one model, and {len(sources)} are named", "export them one by one"
        )
    requests = [
        Request(source, out, weights, seed, keep_exported=keep_exported) for source in sources
    ]
    outcomes = _export(requests, jobs, force=force)
    _out(_summary(outcomes))
    raise typer.Exit(worst([outcome.exit_code for outcome in outcomes]))


@app.command()
def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...", help=MODEL_HELP + " Or a .mnn file, which is timed as it is."
        ),
    ] = None,
    table: Table = None,
    figure: FigureOption = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="host|auto|all|SERIAL|HOST:PORT",
            help="Where to time: host, this machine, unless told otherwise; auto is the phone that "
            "is attached. Repeat it, or say all, to time several side by side.",
        ),
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What runs the model.")] = EngineName.MNN,
    runs: Annotated[int, typer.Option(help="Timed runs of a model, over all launches.")] = 1000,
    launches: Annotated[int, typer.Option(help="Processes that share the runs.")] = 10,
    warmup: Annotated[int, typer.Option(help="Runs of a launch before the timed ones.")] = 20,
    threads: Annotated[int, typer.Option(help="Threads, each on a core of its own.")] = 1,
    cpu: Annotated[
        str, typer.Option(metavar="auto|N", help="Core to pin to; auto takes a quiet one.")
    ] = "auto",
    precision: Annotated[
        PrecisionName, typer.Option(help="Of the arithmetic; what is in force is read back.")
    ] = PrecisionName.FP32,
    runner: Annotated[
        Path | None, typer.Option(help="A program that speaks the runner's protocol.")
    ] = None,
    launch_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A launch that takes longer has hung.")
    ] = 300.0,
    artifacts: Annotated[Path, typer.Option(help="Folder of the exports.")] = Path("artifacts"),
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Time what is measured, too.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="FLAG", help="A flag that leaves a row valid; may be repeated."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the files on the phone for the next time.")
    ] = False,
    patience: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="How long to wait for a phone that is lost.", min=1),
    ] = 600.0,
    cool_down: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Pause before a throttled launch is redone.", min=0),
    ] = 90.0,
    input_shape: InputShape = None,
    output_format: Annotated[
        ReportFormat, typer.Option("--format", help="How to print the table.")
    ] = ReportFormat.MARKDOWN,
) -> None:
    """Time models: pinned to one core, each launch a new process, models in turn.

    Exports first what is missing or stale. Every launch is added to OUT/runs.jsonl as it ends; the
    same command goes on where it stopped. Writes OUT/latency.csv, OUT/tableN.csv with --table, and
    OUT/figureN.csv with --figure.
    """
    from asymm_deploy import benching
    from asymm_deploy.bench.conduct import Conduct
    from asymm_deploy.bench.plan import Plan

    plan = Plan(
        engine=engine.value,
        precision=precision.value,
        runs=runs,
        launches=launches,
        warmup=warmup,
        threads=threads,
        cpu=_core(cpu),
        allow=tuple(allow or ()),
        launch_timeout_s=launch_timeout,
        fresh=fresh,
    )
    which = _which(table, figure)
    names = list(dict.fromkeys(models or ()))
    bare = [Path(name) for name in names if name.endswith(".mnn")]
    named = [name for name in names if not name.endswith(".mnn")]
    sources = [] if bare and not named and which is None else _sources(named, which, input_shape)
    conduct = Conduct(patience, cool_down, keep, plan.allow)
    makers = benching.devices(device or (), runner, conduct)
    subjects = [
        *benching.bare_files(bare, plan),
        *benching.exported_models(sources, artifacts, plan, _export),
    ]
    rows, failures = benching.time_all(makers, subjects, plan, out)
    _out(benching.written(rows, which, out, plan, output_format.value))
    for failure in failures:
        console.complain(failure)
    codes = [row.exit_code for row in rows] + [failure.exit_code for failure in failures]
    raise typer.Exit(worst(codes))


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="The folder that bench wrote.")] = Path("results"),
    table: Annotated[
        int | None, typer.Option("--table", help="A table of the paper: 1, or 3 to 10.")
    ] = None,
    figure: FigureOption = None,
    output_format: Annotated[
        ReportFormat, typer.Option("--format", help="How to write the table.")
    ] = ReportFormat.MARKDOWN,
    out: Annotated[Path | None, typer.Option(help="A file to write instead of stdout.")] = None,
    device: Annotated[str | None, typer.Option(help="Results of this device only.")] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Of this engine only.")] = None,
    precision: Annotated[PrecisionName | None, typer.Option(help="Of this one only.")] = None,
    threads: Annotated[int | None, typer.Option(help="Of this number of threads only.")] = None,
) -> None:
    """Write a table of results: the latencies, or one of the paper with ours beside it.

    Tables 1, 3 and 4 are counts alone and need no results.
    """
    from asymm_deploy.report import tables
    from asymm_deploy.report.comparable import RowFilter

    choice = RowFilter(
        device, engine.value if engine else None, precision.value if precision else None, threads
    )
    which = _which(table, figure)
    rows = tables.rows_in(results, console.say) if tables.needs_results(which) else []
    text = tables.report_text(which, rows, choice, output_format.value)
    if out is None:
        _out(text)
    else:
        tables.write(out, text)
        console.say(f"wrote {out}")


@app.command()
def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="With --history: a runs.jsonl of each commit."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="A", help="Folder of the version to compare with, or a baseline."),
    ] = None,
    candidate: Annotated[
        Path | None, typer.Option(metavar="B", help="Folder of the new version.")
    ] = None,
    history: Annotated[
        bool,
        typer.Option("--history", help="Look for slow creep over the FILEs of many commits."),
    ] = False,
    models: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only these: a part of the name, or a glob."),
    ] = None,
    threshold: Annotated[
        str,
        typer.Option(
            metavar="PERCENT",
            help="How much slower a model may become; 20 us are allowed in any case.",
        ),
    ] = "3%",
    size_threshold: Annotated[
        str, typer.Option(metavar="PERCENT", help="How much larger its .mnn file.")
    ] = "1%",
    madds_threshold: Annotated[
        str, typer.Option(metavar="PERCENT", help="How many more its multiply-adds.")
    ] = "1%",
    params_threshold: Annotated[
        str, typer.Option(metavar="PERCENT", help="How many more its parameters.")
    ] = "1%",
    init_threshold: Annotated[
        str, typer.Option(metavar="PERCENT", help="How much longer it may take to load.")
    ] = "25%",
    memory_threshold: Annotated[
        str, typer.Option(metavar="PERCENT", help="How much more memory at its peak.")
    ] = "10%",
    device: Annotated[
        str | None,
        typer.Option(
            metavar="host|auto|SERIAL|HOST:PORT",
            help="Where to time, this machine unless told otherwise; of recorded results, whose.",
        ),
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed runs of a launch.")] = 100,
    warmup: Annotated[int, typer.Option(help="Runs of a launch before the timed ones.")] = 20,
    max_blocks: Annotated[
        int, typer.Option(help="Blocks of four launches a model before it stays undecided.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Of the random order of launches.")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads, each on a core of its own; 1.")
    ] = None,
    cpu: Annotated[
        str, typer.Option(metavar="auto|N", help="Core to pin to; auto takes a quiet one.")
    ] = "auto",
    precision: Annotated[
        PrecisionName | None, typer.Option(help="Of the arithmetic; fp32 unless told otherwise.")
    ] = None,
    runner: Annotated[
        Path | None, typer.Option(help="A program that speaks the runner's protocol.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="FLAG", help="A flag of bench that spoils no launch; repeatable."),
    ] = None,
    ignore_missing: Annotated[
        bool, typer.Option("--ignore-missing", help="Leave out models that only one folder has.")
    ] = False,
    sentinel: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="In recorded results: a model that did not change, to go by."
        ),
    ] = None,
    inconclusive: Annotated[
        PassOrFail, typer.Option(help="Whether what stays undecided ends with 4, or with 0.")
    ] = PassOrFail.FAIL,
    out: Annotated[
        Path, typer.Option(help="Folder of the launches; the same command goes on from there.")
    ] = Path("check-results"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Time what is measured, too.")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="For people.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="For programs.")] = None,
    benchmark_json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For github-action-benchmark.")
    ] = None,
) -> None:
    """Compare two versions of models: whether one became slower or larger, and how certain that is.

    A and B are folders that `export --out` wrote, or that `baseline save` wrote: both versions of
    each model are then timed here, in turns (A B B A or B A A B), until its verdict is certain.

    \b
      regressed     slower by more than the threshold, and again in fresh launches: exit 1
      pass          certainly not that much slower: exit 0
      improved      faster by more than the threshold: exit 0
      inconclusive  not decided after --max-blocks: exit 4, or 0 with --inconclusive pass
      unstable      the launches fall into two speeds, or were disturbed again and again: exit 4
      failed        an arm can't be timed or computes something else: exit 3 or 5

    If both are folders that `bench --out` wrote, their launches are compared as they are: the
    weaker test, since all that changed between the two benches counts as the model's.

    With --history, FILEs are the launches of many commits, in order, and the question is whether
    models became slower bit by bit, and from which commit on.

    Every launch is added to OUT/runs.jsonl as it ends. After Ctrl-C or a lost phone the same
    command goes on with the next block.

    \b
      asymm-deploy export --table 5 --out old     (on the main branch)
      asymm-deploy export --table 5 --out new     (on yours)
      asymm-deploy check --baseline old --candidate new --markdown verdict.md
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    import os
    import time

    from asymm_deploy import checking
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.check.outputs import table, write
    from asymm_deploy.check.policy import OPTIONS, Policy, percent
    from asymm_deploy.check.records import Metric

    began = time.monotonic()
    given: dict[Metric, str] = {
        "latency": threshold,
        "mnn_size": size_threshold,
        "madds": madds_threshold,
        "params": params_threshold,
        "init": init_threshold,
        "peak_memory": memory_threshold,
    }
    policy = Policy(
        thresholds={metric: percent(text, OPTIONS[metric]) for metric, text in given.items()},
        max_blocks=max_blocks,
        seed=seed,
    )
    plan = Plan(
        precision=precision.value if precision else "fp32",
        runs=runs,
        launches=1,
        warmup=warmup,
        threads=1 if threads is None else threads,
        cpu=_core(cpu),
        allow=tuple(allow or ()),
        fresh=fresh,
    )
    wanted = write.Wanted(junit=junit, markdown=markdown, json=json, benchmark_json=benchmark_json)
    write.prove(wanted)
    undecided_fails = inconclusive is PassOrFail.FAIL
    of_timing = _given(ctx, "runner", "cpu", "runs", "warmup", "max_blocks", "seed", "fresh")
    of_choosing = _given(ctx, "device", "precision", "threads", "sentinel", "ignore_missing")
    if history:
        if baseline is not None or candidate is not None:
            raise UsageError("--history compares no A and B", "give FILEs alone")
        for option in (*of_timing, *of_choosing):
            raise UsageError(
                f"{option} is not for --history", "leave it out, or choose among the FILEs"
            )
        report = checking.crept(
            files or (), policy, models or (), plan.allow, inconclusive_fails=undecided_fails
        )
    elif files:
        raise UsageError(f"{files[0]} is given without --history", "name folders by --baseline")
    elif baseline is None or candidate is None:
        raise UsageError("two folders have to be named", "give --baseline A and --candidate B")
    else:
        request = checking.Request(
            baseline=baseline,
            candidate=candidate,
            models=tuple(models or ()),
            device=device,
            runner=runner,
            precision=precision.value if precision else None,
            threads=threads,
            sentinel=sentinel,
            allow=plan.allow,
            ignore_missing=ignore_missing,
            inconclusive_fails=undecided_fails,
            out=out,
            of_timing=of_timing,
        )
        report = checking.compared(request, plan, policy)
    try:
        for line in write.written(report, wanted, os.environ, elapsed_s=time.monotonic() - began):
            console.say(line)
    finally:  # last, since whoever reads it may have gone
        _print_report(table.rendered(report), report.exit_code)
    raise typer.Exit(report.exit_code)


def _print_report(text: str, exit_code: int) -> None:
    """Print the table; raise HarnessError with the verdict's code where nobody can read it."""
    try:
        _out(text)
    except OSError as error:
        if not exit_code:
            raise
        failed = HarnessError(
            f"can't print the report: {error.strerror}", "give the output a place with space left"
        )
        failed.exit_code = ExitCode(exit_code)
        raise failed from error


baseline_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Keep the version to compare with in a folder, and accept wanted changes.",
)
app.add_typer(baseline_app, name="baseline")


@baseline_app.command()
def save(
    artifacts: Annotated[Path, typer.Argument(help="The folder that export wrote.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; it appears whole.")],
    results: Annotated[
        Path | None,
        typer.Option(help="A folder of bench, whose launches of these very files go along."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a baseline, and forget what was accepted.")
    ] = False,
) -> None:
    """Keep exported models as a baseline: a folder to commit or to cache."""
    from asymm_deploy.check import baseline

    for line in baseline.save(artifacts, into, results=results, force=force)[1]:
        console.say(line)


@baseline_app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A baseline.")],
    output_format: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.TABLE,
) -> None:
    """Show what a baseline holds, and which changes were accepted by whom and why."""
    from asymm_deploy.check import baseline_file, baseline_show
    from asymm_deploy.text import formatted

    saved = baseline_file.load(folder)
    if output_format is TextFormat.JSON:
        _out(baseline_file.as_json(saved))
    else:
        _out(formatted(baseline_show.rows(saved), _FORMATS[output_format]))
    for line in baseline_show.remarks(folder, saved):
        console.say(line)


@baseline_app.command()
def accept(
    folder: Annotated[Path, typer.Argument(help="A baseline.")],
    model: Annotated[str, typer.Option(help="Whose change it is.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is wanted.")],
    candidate: Annotated[
        Path | None,
        typer.Option(metavar="ARTIFACTS", help="The new files become the model's baseline."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="latency, mnn_size, madds, params, init or peak_memory; latency."),
    ] = None,
    up_to: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="The files stay, and the metric may grow so much."),
    ] = None,
) -> None:
    """Accept a wanted change, so that it stops alarming; a larger one still does."""
    import os

    from asymm_deploy.check import baseline, who

    by = who.accepts(os.environ)
    for line in baseline.accept(
        folder, model, reason=reason, by=by, candidate=candidate, metric=metric, up_to=up_to
    ):
        console.say(line)


@app.command()
def devices(
    output_format: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.TABLE,
) -> None:
    """List the phones that adb sees, and what to do where one can't be timed."""
    from dataclasses import asdict

    from asymm_deploy.phones import attached
    from asymm_deploy.text import formatted

    with console.waiting("asking the phones"):
        found = attached(console.say)
    if not found:
        raise HarnessError(
            "no phone is attached",
            "plug one in with USB debugging on, or `bench --device HOST:PORT` for one on the "
            "network; `asymm-deploy doctor` checks the rest",
        )
    _out(formatted([asdict(phone) for phone in found], _FORMATS[output_format]))
    if not any(phone.is_ready for phone in found):
        raise typer.Exit(ExitCode.HARNESS)


@app.command()
def doctor(
    phone: Annotated[
        bool, typer.Option("--phone", help="Fail for what only a phone needs, too.")
    ] = False,
    output_format: Annotated[
        TextFormat, typer.Option("--format", help="How to print.")
    ] = TextFormat.TABLE,
    artifacts: Annotated[Path, typer.Option(help="Folder of the exports.")] = Path("artifacts"),
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Check the environment: tools, versions, what is missing and how to get it.

    Looks at this machine only: nothing is started, changed or fetched.
    """
    from asymm_deploy.doctor import examine
    from asymm_deploy.doctor.checklist import checklist_exit_code, printed_checklist
    from asymm_deploy.doctor.environment import here

    with console.waiting("looking around"):
        checks = examine(here(artifacts, out))
    _out(printed_checklist(checks, _FORMATS[output_format]))
    raise typer.Exit(checklist_exit_code(checks, phone=phone))


runner_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build the native runner, which times models on phones, and find it.",
)
app.add_typer(runner_app, name="runner")


class PresetName(StrEnum):
    """What the runner is built for."""

    ANDROID_ARM64 = "android-arm64"
    LINUX_ARM64 = "linux-arm64"
    HOST = "host"


@runner_app.command("build")
def build_runner(
    preset: Annotated[
        PresetName, typer.Option(help="android-arm64 is for phones; needs ANDROID_NDK_HOME.")
    ] = PresetName.ANDROID_ARM64,
    mnn_root: Annotated[
        Path | None,
        typer.Option(envvar="MNN_ROOT", help="A folder with MNN's include/ and lib/."),
    ] = None,
    mnn_include_dir: Annotated[
        Path | None, typer.Option(envvar="MNN_INCLUDE_DIR", help="Or its headers alone, ...")
    ] = None,
    mnn_library: Annotated[
        Path | None,
        typer.Option(envvar="MNN_LIBRARY", help="... and libMNN.so, or what exports its API."),
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="Sources in place of those that came with this program.")
    ] = None,
    into: Annotated[Path | None, typer.Option(help="Folder, in place of the usual one.")] = None,
) -> None:
    """Build the runner with CMake. Without MNN it can calibrate, and time nothing.

    docs/android.md says where to get MNN and the NDK.
    """
    from asymm_deploy import native

    native.build(
        preset.value,
        source=source,
        into=into,
        mnn_root=mnn_root,
        mnn_include_dir=mnn_include_dir,
        mnn_library=mnn_library,
        say=console.say,
    )
    _out(str((into or native.folder_of(preset.value)) / native.PROGRAM))


@runner_app.command("where")
def where_runner(
    preset: Annotated[
        PresetName, typer.Option(help="What it was built for.")
    ] = PresetName.ANDROID_ARM64,
) -> None:
    """Print the path of the runner that `bench` would push to a phone."""
    from asymm_deploy import native

    _out(str(native.where(preset.value)))


def _core(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--cpu {text} is no core", "give a core's number, or auto")
    return int(text)


def _export(requests: Sequence[Request], jobs: int | None, *, force: bool) -> list[Outcome]:
    from asymm_deploy.export.jobs import cores, export_all

    with console.progress("exporting", len(requests)) as advance:

        def tell(outcome: Outcome) -> None:
            for note in outcome.notes:
                console.say(f"{outcome.request.text}: {note}")
            advance(outcome.request.text)

        return export_all(
            requests,
            jobs=jobs or cores(),
            force=force,
            on_outcome=tell,
            on_wait=lambda out: console.say(f"waiting for another export to {out} to end"),
        )


def _summary(outcomes: Sequence[Outcome]) -> str:
    from asymm_deploy.text import formatted

    for outcome in outcomes:
        if outcome.failure is not None:
            error = outcome.failure
            console.complain(type(error)(f"{outcome.request.text}: {error.what}", error.hint))
    rows: list[Row] = []
    for outcome in outcomes:
        made = outcome.manifest
        rows.append(
            {
                "model": outcome.request.source.model,
                "status": outcome.status,
                "madds_m": f"{made.madds_m:.1f}" if made else "",
                "params_m": f"{made.params_m:.2f}" if made else "",
                "spread": f"{made.spread:.2f}" if made else "",
                "onnx_error": f"{made.stages.onnx.relative_error:.1e}" if made else "",
                "simplified_error": f"{made.stages.simplified.relative_error:.1e}" if made else "",
                "mnn_error": f"{made.stages.mnn.relative_error:.1e}" if made else "",
            }
        )
    return formatted(rows, "table")


def _which(table: int | None, figure: int | None) -> int | Figure | None:
    from asymm_deploy.models.names import Figure

    if figure is None:
        return table
    if table is not None:
        raise UsageError("both a table and a figure are named", "give --table or --figure")
    return Figure(figure)


def _sources(
    models: Sequence[str] | None, which: int | Figure | None, input_shapes: Sequence[str] | None
) -> list[Source]:
    from asymm_deploy.models import names
    from asymm_deploy.models.source import parse_input_shapes, resolve

    if bool(models) == (which is not None):
        raise UsageError(
            "no model is named" if which is None else "both models and a table or figure are named",
            "name models, or give --table 5; `asymm-deploy models` lists them",
        )
    shapes = parse_input_shapes(input_shapes or ())
    wanted = names.listed_models(which) if which is not None else tuple(dict.fromkeys(models or ()))
    sources = [resolve(text, shapes) for text in wanted]
    folders = [source.model for source in sources]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UsageError(
                f"two of the models would be exported to the same folder, {folder}",
                "export them one at a time, to different --out folders",
            )
    return sources


def _given(ctx: typer.Context, *names: str) -> tuple[str, ...]:
    """Return those options that the user gave, as they are spelt."""
    return tuple(
        f"--{name.replace('_', '-')}"
        for name in names
        if (source := ctx.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    )


def _out(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
