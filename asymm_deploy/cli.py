"""The command line: the commands are registered here, and every failure ends here in words."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Annotated

import typer

from asymm_deploy import __version__
from asymm_deploy.commands import console
from asymm_deploy.commands.baseline import baseline_app
from asymm_deploy.commands.bench import bench_command
from asymm_deploy.commands.check import check_command
from asymm_deploy.commands.counting.cost import cost_command
from asymm_deploy.commands.counting.emulator import emulator_app
from asymm_deploy.commands.describe import describe_command
from asymm_deploy.commands.devices import devices_command
from asymm_deploy.commands.doctor import doctor_command
from asymm_deploy.commands.evaluating.evaluate import evaluate_command
from asymm_deploy.commands.explaining.explain import explain_command
from asymm_deploy.commands.export import export_command
from asymm_deploy.commands.lab_commands.lab import lab_app
from asymm_deploy.commands.models import models_command
from asymm_deploy.commands.options.check_options import CHECK_HELP
from asymm_deploy.commands.options.given_once import OneOfEach
from asymm_deploy.commands.remembering.history import history_app
from asymm_deploy.commands.report import report_command
from asymm_deploy.commands.runner import runner_app
from asymm_deploy.commands.variants.variants import variants_command
from asymm_deploy.errors import INTERRUPTED, DeployError, ExitCode, HarnessError, UsageError
from asymm_deploy.files import is_full, refused_by_system
from asymm_deploy.signals import end_at_second_ctrl_c

_PROGRAM = "asymm-deploy"

app = typer.Typer(
    name=_PROGRAM,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="From a PyTorch model to ONNX and MNN files that are proven equal, to latencies that are "
    "measured with care, and to a verdict on regressions that CI can act on.",
    epilog="Exit codes: 0 good, 1 regression, 2 usage, 3 device or harness, 4 unstable "
    "measurement, 5 numerics, 6 conversion, 130 interrupted.",
)
app.command("models", short_help="List the paper's networks and their MAdds.")(models_command)
app.command("describe", cls=OneOfEach, short_help="Show a model's cost layer by layer.")(
    describe_command
)
app.command("export", cls=OneOfEach, short_help="Export models to ONNX and MNN, proven equal.")(
    export_command
)
app.command("bench", cls=OneOfEach, short_help="Time models on this machine or on phones.")(
    bench_command
)
app.command(
    "explain",
    cls=OneOfEach,
    short_help="Say which operator takes the time, and which one is wrong.",
)(explain_command)
app.command("cost", cls=OneOfEach, short_help="Count ARM instructions without a phone.")(
    cost_command
)
app.command("evaluate", cls=OneOfEach, short_help="Measure accuracy on images.")(evaluate_command)
app.command("variants", cls=OneOfEach, short_help="Compare what fewer bits save and cost.")(
    variants_command
)
app.command("report", cls=OneOfEach, short_help="Write a table of results.")(report_command)
app.command(
    "check", cls=OneOfEach, short_help="Gate on regressions between two versions.", help=CHECK_HELP
)(check_command)
app.add_typer(baseline_app, name="baseline", short_help="Keep the version to compare with.")
app.add_typer(history_app, name="history", short_help="Keep results of many commits, and ask.")
app.command("devices", short_help="List the phones that can be timed.")(devices_command)
app.command("doctor", short_help="Check this machine for what is missing.")(doctor_command)
app.add_typer(runner_app, name="runner", short_help="Build or find the native runner.")
app.add_typer(lab_app, name="lab", short_help="Use the phones of many hosts as one lab.")
app.add_typer(
    emulator_app, name="emulator", short_help="Set up the emulator that counts instructions."
)

_READER_GONE = 141
"""What a shell shows of a program that SIGPIPE ended: ``| head`` had read enough."""


def main() -> None:
    """Run the program with the process's arguments."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may hold what its encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    end_at_second_ctrl_c()
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # already reported; Python would try once more, and exit with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Failures that users can act on show no traceback.

    A failure that nobody foresaw does, since it is our bug. It exits with 3: 1 is a regression.
    """
    try:
        code = _code_of(arguments)
        with suppress(OSError) if code else nullcontext():  # a failure's own code stands
            sys.stdout.flush()
    except BrokenPipeError:
        return _READER_GONE
    except OSError as error:
        if not is_full(error):
            refused = refused_by_system(error)
            if refused is None:
                return _report_bug(error)
            console.complain(refused)
            return refused.exit_code
        where = f": {error.filename}" if error.filename else ""
        hint = "free some space for the files and the output, then repeat the command: it resumes"
        console.complain(HarnessError(f"no space is left on the device{where}", hint))
        return ExitCode.HARNESS
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # Python would exit with 1 for GeneratorExit and its like
        return _report_bug(error)
    return code


def _code_of(arguments: Sequence[str]) -> int:
    try:
        code = app(args=list(arguments), prog_name=_PROGRAM, standalone_mode=False)
    except DeployError as error:
        console.complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.say(INTERRUPTED)
        return ExitCode.INTERRUPTED
    except typer.Abort as error:
        if isinstance(error.__cause__, EOFError):  # of a file, which typer takes for a person's
            raise error.__cause__ from None
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        return _complain_of_usage(error)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer would exit with 1
            raise error.__context__ from None
        raise
    if code == ExitCode.INTERRUPTED:
        console.say(INTERRUPTED)
    return code if isinstance(code, int) else ExitCode.OK


def _report_bug(error: BaseException) -> int:
    import traceback

    console.say("".join(traceback.format_exception(error)).rstrip())
    console.say("this is a bug in asymm-deploy: please report it with the lines above")
    return ExitCode.HARNESS


def _complain_of_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    message = getattr(error, "format_message", lambda: str(error))()
    if message.startswith("Usage:"):  # nothing was asked for, and this is the help
        console.show(message)
        return ExitCode.USAGE
    command = context.command_path if context is not None else _PROGRAM
    what = message.replace("\n", " ").replace(": Value error, ", ": ").rstrip(".")
    console.complain(UsageError(what[:1].lower() + what[1:], f"try `{command} --help`"))
    return ExitCode.USAGE


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{_PROGRAM} {__version__}")  # noqa: T201  stdout is where data goes
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    del version


if __name__ == "__main__":
    main()
