"""What ``evaluate --device`` names: this machine, the emulator, or one phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench.answered.answers import Answering
from asymm_deploy.bench.answered.device_answers import DeviceAnswering
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.emulator_home import find_emulator
from asymm_deploy.bench.find_devices import EMULATED, device_makers, only_device
from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.commands import console
from asymm_deploy.errors import ExitCode
from asymm_deploy.evaluate.evaluation import CHUNK_IMAGES, EMULATED_CHUNK_IMAGES
from asymm_deploy.evaluate.lane import HERE, Lane

EMULATED_IMAGES = 64
"""A sample for the emulator: of the paper's largest network 5 s an image in fp32, 15 in fp16."""


@dataclass(frozen=True, slots=True)
class EvaluatedDevice:
    """Where the engine runs whose answers are asked for."""

    name: str
    """``host``, ``a76``, or a phone's serial number."""
    emulator: Emulator | None = None
    phone: Device | None = None

    @property
    def key(self) -> str:
        """What answers depend on besides the model."""
        return "" if self.emulator is None else self.emulator.runner_sha256

    @property
    def chunk_images(self) -> int:
        """Images between two writes to disk."""
        return CHUNK_IMAGES if self.emulator is None else EMULATED_CHUNK_IMAGES

    @property
    def default_limit(self) -> int | None:
        """How many images are drawn where no --limit is given; None for all."""
        return None if self.emulator is None else EMULATED_IMAGES

    @contextmanager
    def held(self, lanes: Mapping[int, tuple[Lane, Artifact]]) -> Iterator[dict[int, Answering]]:
        """Yield who answers for each of the lanes, while the phone is ours."""
        if self.phone is None or not lanes:
            yield {}
            return
        files: list[Path] = [artifact.path for _, artifact in lanes.values()]
        with self.phone.held((), list(dict.fromkeys(files))):
            yield {
                at: DeviceAnswering(self.phone, artifact, lane.precision)
                for at, (lane, artifact) in lanes.items()
            }


def evaluated_device(name: str) -> EvaluatedDevice:
    """Return what ``--device`` names, ready.

    Raises HarnessError if the emulator is not set up or a phone can't be used, UsageError where
    several are meant.
    """
    if name == HERE:
        return EvaluatedDevice(HERE)
    if name.lower().removeprefix("cortex-") == EMULATED:
        return EvaluatedDevice(EMULATED, emulator=find_emulator())
    # What spoils a timing changes no answer.
    allowed = tuple(each for each, flag in FLAGS.items() if flag.exit_code == ExitCode.UNSTABLE)
    options = PhoneOptions(allow=(*allowed, "not-prime-core"))
    makers = device_makers([name], None, options, console.say)
    phone = only_device(makers, console.say)
    return EvaluatedDevice(phone.facts(()).device, phone=phone)
