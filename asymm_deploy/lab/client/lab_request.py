"""Which lab a command uses, and which of its phones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.lab.client.choose_phones import launches_by_phone
from asymm_deploy.lab.client.lab_calls import LabCalls
from asymm_deploy.lab.client.lab_device import LabDevice
from asymm_deploy.lab.client.lab_fleet import LabFleet
from asymm_deploy.lab.client.take_phones import PhonesWanted, require_phones, taken_phones
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.dask_settings import silence_asyncio
from asymm_deploy.lab.joining.lab_address import LabAddress
from asymm_deploy.lab.joining.lab_client import lab_client


@dataclass(frozen=True, slots=True)
class LabRequest:
    """A lab, how it is spoken to, and the phones that are wanted of it."""

    at: LabAddress
    files: Certificates | None
    wanted: PhonesWanted


@contextmanager
def lab_fleet(asked: LabRequest, options: PhoneOptions, tell: Tell) -> Iterator[LabFleet]:
    """Connect to a lab that has the phones that are wanted; yield them, none taken yet.

    Raises UsageError or HarnessError if there is no such lab, or it doesn't have them.
    """
    with _calls(asked, tell) as calls:
        require_phones(calls, asked.wanted)
        yield LabFleet(calls, asked.wanted, options)


@contextmanager
def lab_phone(
    asked: LabRequest, options: PhoneOptions, tell: Tell, earlier: Iterable[LaunchRecord] = ()
) -> Iterator[LabDevice]:
    """Yield the one phone that is wanted of a lab, and has said what it is; it is given back.

    The one that has most of the ``earlier`` launches is preferred.
    Raises UsageError or HarnessError if there is none.
    """
    with (
        _calls(asked, tell) as calls,
        taken_phones(
            calls, asked.wanted, options, launches_by_phone(earlier, asked.wanted.kinds)
        ) as (device,),
    ):
        device.facts(())
        yield device


@contextmanager
def _calls(asked: LabRequest, tell: Tell) -> Iterator[LabCalls]:
    silence_asyncio()  # of Dask's tasks nobody asks how they ended, where a scheduler is gone
    with lab_client(asked.at, asked.files) as client:
        yield LabCalls(client, str(asked.at), tell)
