"""A model in the emulator -> what it answers to samples, in fp16 as on a phone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from asymm_deploy.bench import launch
from asymm_deploy.bench.answered.answers import (
    Answers,
    answers_in,
    parse_answered_stream,
    require_right_answers,
)
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.emulated_run import (
    emulated_command,
    require_emulation,
    require_this_model,
)
from asymm_deploy.bench.emulated.emulator import DEFAULT_CPU, Emulator
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.records import Precision
from asymm_deploy.bench.wire import WireError

_TIMEOUT_S = 3600.0
_ANSWERS = "answers.bin"


@dataclass(frozen=True, slots=True)
class EmulatedAnswering:
    """A model in the emulator; see ``Answering``."""

    emulator: Emulator
    artifact: Artifact
    precision: Precision
    cpu: str = DEFAULT_CPU

    def answers(self, samples: Path, count: int) -> Answers:
        """Return the answers to ``count`` samples in a file; raise WireError with the reason.

        Nothing is counted, which would take ten times as long.
        """
        asked = replace(self.artifact, inputs_file=samples, inputs_sha256=None, reference=None)
        try:
            with tempfile.TemporaryDirectory(prefix="asymm-answers-", dir=samples.parent) as name:
                return self._run(asked, Path(name), count)
        except OSError as error:
            raise WireError(f"can't run in the emulator: {error.strerror or error}") from error

    def _run(self, asked: Artifact, folder: Path, count: int) -> Answers:
        command = emulated_command(
            self.emulator,
            asked,
            folder,
            precision=self.precision,
            cpu=self.cpu,
            warmup=0,
            counts=False,
            more=["--answers", _ANSWERS],
        )
        completed = HostDevice().run(command, timeout_s=_TIMEOUT_S)
        require_emulation(completed, self.cpu, _TIMEOUT_S)
        report = launch.reported(completed, _TIMEOUT_S, parse_answered_stream)
        require_this_model(report, self.emulator, asked)
        require_right_answers(report, asked, self.precision)
        return Answers(answers_in((folder / _ANSWERS).read_bytes(), report, count), None)
