"""``asymm-deploy runner``: the native runner, which times models on phones."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import UsageError

runner_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build the native runner, which times models on phones, or say where it is.",
)


class PresetName(StrEnum):
    """What the runner is built for."""

    ANDROID_ARM64 = "android-arm64"
    LINUX_ARM64 = "linux-arm64"
    HOST = "host"


BuildPreset = Annotated[
    PresetName | None,
    typer.Option(
        help="What to build for. android-arm64 is for phones and needs ANDROID_NDK_HOME. "
        "Default: android-arm64 where that is set, else linux-arm64 for phones, with MNN's wheel "
        "and a C library of its own."
    ),
]
EngineWheel = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="MNN's wheel for 64-bit ARM Linux, to build for phones without the NDK. "
        "Default: fetched by pip.",
    ),
]
MnnRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        envvar="MNN_ROOT",
        help="Folder of MNN, with include/ and lib/ in it. "
        "Default: built without MNN, a runner that can only calibrate.",
    ),
]
MnnHeaders = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        envvar="MNN_INCLUDE_DIR",
        help="Folder of MNN's headers, where they are not under --mnn-root.",
    ),
]
MnnLibrary = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="MNN_LIBRARY",
        help="MNN's library, libMNN.so or another with its API, where it is not under --mnn-root.",
    ),
]
RunnerSources = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Sources of the runner. Default: those that come with this program.",
    ),
]
RunnerFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where to put the runner. Default: the folder that `bench` looks in.",
    ),
]


@runner_app.command("build")
def build_runner(
    preset: BuildPreset = None,
    wheel: EngineWheel = None,
    mnn_root: MnnRoot = None,
    mnn_include_dir: MnnHeaders = None,
    mnn_library: MnnLibrary = None,
    source: RunnerSources = None,
    into: RunnerFolder = None,
) -> None:
    """Build the runner with CMake and print its path.

    Without the NDK it is built by g++ for 64-bit ARM Linux, and brings the C library that phones
    lack. docs/android.md says what either takes.
    """
    from asymm_deploy.bench import native_build
    from asymm_deploy.bench.native import phone_runner

    mnn = {
        "--mnn-root": mnn_root,
        "--mnn-include-dir": mnn_include_dir,
        "--mnn-library": mnn_library,
    }
    given = [name for name, path in mnn.items() if path is not None]
    if wheel is not None or (preset is None and not phone_runner.is_ndk_named()):
        _require_for_phones(preset, given, has_wheel=wheel is not None)
        phone_runner.build_with_libc(wheel=wheel, source=source, into=into, say=console.say)
        folder = into or native_build.folder_of(phone_runner.WITH_LIBC)
        print_data(str(folder / native_build.PROGRAM))
        return
    chosen: native_build.Preset = phone_runner.BY_NDK if preset is None else preset.value
    native_build.build_native_runner(
        chosen,
        source=source,
        into=into,
        mnn_root=mnn_root,
        mnn_include_dir=mnn_include_dir,
        mnn_library=mnn_library,
        say=console.say,
    )
    print_data(str((into or native_build.folder_of(chosen)) / native_build.PROGRAM))


def _require_for_phones(preset: PresetName | None, mnn: list[str], *, has_wheel: bool) -> None:
    """Raise UsageError for what contradicts a build with MNN's wheel."""
    if has_wheel and preset not in (None, PresetName.LINUX_ARM64):
        raise UsageError(
            f"--wheel is for linux-arm64, and not for {preset.value if preset else ''}",
            "leave out --preset or --wheel",
        )
    if not mnn:
        return
    if has_wheel:
        raise UsageError(
            f"--wheel and {' and '.join(mnn)} both name an MNN",
            "leave out one; MNN_ROOT, MNN_INCLUDE_DIR and MNN_LIBRARY in the environment count",
        )
    raise UsageError(
        f"{' and '.join(mnn)} names an MNN for the NDK, and ANDROID_NDK_HOME is not set",
        "set it, or leave out (and unset) what names an MNN, to build without the NDK; "
        "other builds take --preset",
    )


@runner_app.command("where")
def where_runner(
    preset: Annotated[
        PresetName | None,
        typer.Option(
            help="What the runner was built for. Default: phones, the NDK's before the other."
        ),
    ] = None,
) -> None:
    """Print the path of the runner that `bench` would push to a phone."""
    from asymm_deploy.bench import native_build
    from asymm_deploy.bench.native.phone_runner import where_for_phones

    found = where_for_phones(console.say) if preset is None else native_build.where(preset.value)
    print_data(str(found))
