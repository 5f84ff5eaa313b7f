"""``asymm-deploy runner``: the native runner, which times models on phones."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import print_data

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
    PresetName,
    typer.Option(help="What to build for. android-arm64 is for phones and needs ANDROID_NDK_HOME."),
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
    preset: BuildPreset = PresetName.ANDROID_ARM64,
    mnn_root: MnnRoot = None,
    mnn_include_dir: MnnHeaders = None,
    mnn_library: MnnLibrary = None,
    source: RunnerSources = None,
    into: RunnerFolder = None,
) -> None:
    """Build the runner with CMake and print its path.

    docs/android.md says where to get MNN and the NDK.
    """
    from asymm_deploy.bench import native_build

    native_build.build_native_runner(
        preset.value,
        source=source,
        into=into,
        mnn_root=mnn_root,
        mnn_include_dir=mnn_include_dir,
        mnn_library=mnn_library,
        say=console.say,
    )
    print_data(str((into or native_build.folder_of(preset.value)) / native_build.PROGRAM))


@runner_app.command("where")
def where_runner(
    preset: Annotated[
        PresetName, typer.Option(help="What the runner was built for.")
    ] = PresetName.ANDROID_ARM64,
) -> None:
    """Print the path of the runner that `bench` would push to a phone."""
    from asymm_deploy.bench import native_build

    print_data(str(native_build.where(preset.value)))
