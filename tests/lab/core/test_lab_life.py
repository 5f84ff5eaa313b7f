"""A lab lives through what happens to its parts: real processes, a real adb, simulated phones."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asymm_deploy.errors import ExitCode
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.lab_address import lab_address
from asymm_deploy.lab.joining.lab_client import lab_client
from asymm_deploy.lab.roster import LabPhone, Roster, WaitingJob, roster, tell_waiting
from tests.lab.bed import LabBed, eventually, free_port, tls_options
from tests.lab.supervised import eventually_dead
from tests.phone.faults import Unauthorized
from tests.phone.phone import Phone
from tests.phone.profiles import PIXEL_4

Run = Callable[..., tuple[int, str, str]]


def workers(found: Roster) -> dict[str, LabPhone]:
    return {phone.name: phone for phone in found.phones if phone.state != "lost"}


def await_workers(bed: LabBed, count: int, what: str) -> None:
    bed.await_roster(lambda now: len(workers(now)) == count, what)


def worker_pid(bed: LabBed, member: Certificates, phone: LabPhone) -> int:
    with lab_client(lab_address(bed.address, with_certificates=True), member) as client:
        (pid,) = client.run(os.getpid, workers=[phone.address]).values()
        return int(pid)


@pytest.fixture(autouse=True)
def _as_found(bed: LabBed) -> Iterator[None]:
    """Each test leaves the lab as it found it: all phones there, and nothing Python's printed."""
    yield
    bed.await_phones()
    for part in (bed.scheduler, bed.hosts[0].agent):
        assert "Traceback" not in part.printed()
        assert "Warning" not in part.printed()


def test_phones_are_shown_with_what_they_are(bed: LabBed, member: Certificates, run: Run) -> None:
    code, out, err = run("lab", "status", bed.address, *tls_options(member))
    assert (code, err) == (0, "")
    for words in ("host-a", "2 phones", "Pixel 4", "MI 9", "SM8150", "free", bed.phones[0].serial):
        assert words in out
    code, out, _ = run("lab", "status", bed.address, *tls_options(member), "--format", "json")
    told = json.loads(out)
    assert [host["name"] for host in told["hosts"]] == ["host-a"]
    facts = {phone["facts"]["serial"]: phone["facts"] for phone in told["phones"]}
    pixel = facts[bed.phones[0].serial]
    known = (pixel["product"], pixel["abi"], pixel["android"], pixel["fingerprint"])
    assert known == ("flame", "arm64-v8a", "13", PIXEL_4.fingerprint)


def test_nobody_listens_but_on_loopback(bed: LabBed) -> None:
    """Neither web pages nor workers are for other machines in a lab that is for this one."""
    pids = [bed.scheduler.pid, bed.hosts[0].agent.pid, *bed.hosts[0].agent.children()]
    inodes = {
        str(link.readlink())
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    for family, loopback in (("tcp", "0100007F"), ("tcp6", "0" * 24 + "01000000")):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in inodes:
                assert local.split(":")[0] == loopback


def test_a_phone_that_goes_is_gone_and_one_that_comes_is_there(bed: LabBed) -> None:
    host = bed.hosts[0]
    host.server.adb("disconnect", bed.phones[1].serial)
    await_workers(bed, 1, "a phone less")
    assert f"{bed.phones[1].serial} has gone" in host.agent.printed()
    host.attach()
    bed.await_phones()


def test_a_phone_that_needs_something_is_told_once_and_lent_when_it_has_it(
    bed: LabBed, run: Run, member: Certificates
) -> None:
    agent = bed.hosts[0].agent
    with Phone(PIXEL_4) as phone:
        phone.faults.add(Unauthorized())
        bed.hosts[0].server.adb("connect", phone.serial)
        said = f"{phone.serial} has not authorized this computer; unlock it"
        eventually(lambda: said in agent.printed(), "it is told")
        time.sleep(2)  # two looks more
        assert agent.printed().count(said) == 1
        out = run("lab", "status", bed.address, *tls_options(member))[1]
        assert f"host-a/{phone.serial}" in out
        assert "not ready" in out
        phone.authorize()
        await_workers(bed, 3, "it is lent")
        bed.hosts[0].server.adb("disconnect", phone.serial)
        await_workers(bed, 2, "it is gone")


def test_a_worker_that_is_killed_is_started_again_and_no_other(
    bed: LabBed, member: Certificates
) -> None:
    one, other = workers(bed.roster()).values()
    os.kill(worker_pid(bed, member, one), signal.SIGKILL)

    def is_new(found: Roster) -> bool:
        now = workers(found)
        return len(now) == 2 and now[one.name].address != one.address

    bed.await_roster(is_new, "it has a new worker")
    told = f"the worker of {one.facts.serial} died; it has a new one"
    eventually(lambda: told in bed.hosts[0].agent.printed(), "it is told")
    assert workers(bed.roster())[other.name].address == other.address


def test_what_runs_and_what_waits_is_shown_and_a_lab_at_work_is_not_stopped(
    bed: LabBed, member: Certificates, run: Run
) -> None:
    at = lab_address(bed.address, with_certificates=True)
    one = next(iter(workers(bed.roster()).values()))
    options = tls_options(member)
    with lab_client(at, member) as client:
        tell_waiting(client, WaitingJob("ann@desk", "soc=SM9999", 2, "no phone\x1b[2J is of it"))
        client.run(_tell_activity, workers=[one.address])
        eventually(lambda: bool(roster(client).phones[0].what), "it is at work")
        out = run("lab", "status", at, *options)[1]
        for words in ("busy", "net launch 3/10", "bob@desk", "ann@desk", "2 of soc=SM9999"):
            assert words in out
        assert "\x1b" not in out
        code, _, err = run("lab", "stop", at, *options)
        assert code == ExitCode.USAGE
        assert "1 phone busy, 1 waiting, for ann@desk, bob@desk" in err
        assert "--force" in err
        client.run(_tell_idle, workers=[one.address])
        eventually(lambda: not roster(client).phones[0].what, "it is free")
    bed.await_roster(lambda now: not now.waiting, "a client that has gone waits for nothing")


def _tell_activity() -> None:
    from asymm_deploy.lab.this_phone import tell_activity

    tell_activity("net launch 3/10", "bob@desk")


def _tell_idle() -> None:
    from asymm_deploy.lab.this_phone import tell_idle

    tell_idle()


def test_nothing_of_a_killed_agent_lives_on_and_the_next_one_takes_over(bed: LabBed) -> None:
    agent = bed.hosts[0].agent
    left = agent.children()
    assert len(left) >= 3
    agent.kill()
    assert eventually_dead(left, 30) == []
    agent.start()
    bed.await_phones()
    names = [path.name for path in bed.hosts[0].temporary.iterdir()]
    assert len([name for name in names if name.startswith("asymm-lab-")]) == 1
    assert not any(name.startswith("pymp-") for name in names)


def test_hosts_wait_for_a_scheduler_that_has_ended(bed: LabBed) -> None:
    assert bed.scheduler.stop() == ExitCode.INTERRUPTED
    agent = bed.hosts[0].agent
    told = f"the scheduler at {bed.address} does not answer"
    eventually(lambda: told in agent.printed(), "that it is away is told")
    assert agent.code is None
    bed.scheduler.start()
    bed.await_phones()
    assert agent.printed().count(told) == 1


def test_agents_and_scheduler_end_in_order_and_leave_nothing(
    bed: LabBed, member: Certificates, run: Run
) -> None:
    agent = bed.hosts[0].agent
    left = agent.children()
    assert agent.stop() == ExitCode.INTERRUPTED
    assert eventually_dead(left, 30) == []
    bed.await_roster(lambda now: not now.hosts, "the host has left")
    first = free_port()
    agent.start("--ports", f"{first}-{first + 9}")
    bed.await_phones()
    for phone in bed.roster().phones:
        assert first <= int(phone.address.rpartition(":")[2]) <= first + 9
    code, _, err = run("lab", "stop", bed.address, *tls_options(member))
    assert (code, err) == (0, "the lab is stopped, and its phones are as they were found\n")
    assert (agent.wait(60), bed.scheduler.wait(60)) == (0, 0)
    assert list(bed.hosts[0].temporary.glob("asymm-lab-*")) == []
    assert list(bed.scheduler_temporary.iterdir()) == []
    bed.scheduler.start()
    eventually(bed.scheduler_answers, "the scheduler answers")
    agent.start()
