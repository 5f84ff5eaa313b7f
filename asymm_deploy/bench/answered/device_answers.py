"""A model on a phone -> what it answers to samples there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from asymm_deploy.bench import launch
from asymm_deploy.bench.answered.answers import (
    Answers,
    answers_in,
    answers_request,
    parse_answered_stream,
    require_right_answers,
)
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.launch import Placed
from asymm_deploy.bench.records import Precision
from asymm_deploy.bench.wire import WireError

_TIMEOUT_S = 1800.0
_NAME = "answers.part"
"""A bench removes what ends so, should something keep us from doing it."""
_FETCH = 'cat "$1"; code=$?; rm -f "$1" "$2"*; exit $code'


@dataclass(frozen=True, slots=True)
class DeviceAnswering:
    """A model on a phone that is held meanwhile; see ``Answering``."""

    device: Device
    artifact: Artifact
    precision: Precision

    def answers(self, samples: Path, count: int) -> Answers:
        """Return the answers to ``count`` samples in a file, which leaves the phone again.

        Raises WireError with the reason if there are none, HarnessError if the phone fails.
        """
        # What was pushed under a name is never pushed again under it.
        own = samples.with_name(f"{self.precision}-{self.artifact.sha256[:8]}-{samples.name}")
        os.link(samples, own)
        try:
            model, inputs = map(self.device.put, (self.artifact.path, own))
        finally:
            own.unlink()
        path = str(PurePosixPath(model).parent / _NAME)
        request = answers_request(self.artifact, Placed(model, inputs), self.precision, (), path)
        command = self.device.runner("mnn").command
        completed = self.device.run([*command, *request], timeout_s=_TIMEOUT_S)
        report = launch.reported(completed, _TIMEOUT_S, parse_answered_stream)
        require_right_answers(report, self.artifact, self.precision)
        # Not its whole name, or the phone would be asked whether it is there afterwards.
        fetched = self.device.run(
            ["sh", "-c", _FETCH, "sh", path, inputs[:-1]], timeout_s=_TIMEOUT_S
        )
        if fetched.returncode != 0:
            raise WireError("they did not arrive: the device may be full")
        return Answers(answers_in(fetched.stdout, report, count), report.cpu_ns / 1e9)
