"""--device stands for phones that are attached and ready, or says why not and what to do."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.phone.find import serials
from asymm_deploy.bench.phone.parse.adb_output import ConnectOutcome, ListedPhone
from asymm_deploy.bench.phone.server import Address, LostError, Server
from asymm_deploy.errors import HarnessError

WIFI = "10.0.0.2:5555"


class MadeUpServer(Server):
    """Lists the phones it was made with; connecting has the outcome that it was made with."""

    def __init__(self, *phones: tuple[str, str], outcome: ConnectOutcome = "connected") -> None:
        super().__init__(Address("localhost", 1))
        self._phones = phones
        self._outcome = outcome
        self.connected_to: list[str] = []

    def listed(self) -> tuple[ListedPhone, ...]:
        return tuple(
            ListedPhone(serial, state, None, None, None, None) for serial, state in self._phones
        )

    def connect(self, host_port: str) -> tuple[ConnectOutcome, str]:
        self.connected_to.append(host_port)
        return self._outcome, "adb's words"


class GoneServer(Server):
    """Stops when it is asked."""

    def listed(self) -> tuple[ListedPhone, ...]:
        raise LostError("the adb server is gone")


def find(server: Server, name: str, wanted: str | None = None) -> tuple[str, ...]:
    environment = {} if wanted is None else {"ANDROID_SERIAL": wanted}
    return serials(server, name, environment, pytest.fail)


def test_auto_is_the_only_phone_that_is_ready() -> None:
    assert find(MadeUpServer(("A", "device")), "auto") == ("A",)
    assert find(MadeUpServer(("A", "offline"), ("B", "device")), "auto") == ("B",)


def test_auto_is_the_phone_that_the_environment_names() -> None:
    server = MadeUpServer(("A", "device"), ("B", "device"))
    assert find(server, "auto", "B") == ("B",)
    with pytest.raises(HarnessError, match="ANDROID_SERIAL is C, but that phone is not") as caught:
        find(server, "auto", "C")
    assert caught.value.hint.startswith("attached: A, B; unset ANDROID_SERIAL")


def test_auto_without_a_phone_says_what_to_do() -> None:
    with pytest.raises(HarnessError, match="no phone is attached"):
        find(MadeUpServer(), "auto")
    with pytest.raises(HarnessError, match="A does not answer"):
        find(MadeUpServer(("A", "offline")), "auto")


@pytest.mark.parametrize(("count", "word"), [(2, "two"), (3, "three"), (4, "four"), (5, "5")])
def test_auto_with_several_phones_names_them(count: int, word: str) -> None:
    phones = [(f"P{number}", "device") for number in range(count)]
    with pytest.raises(HarnessError) as caught:
        find(MadeUpServer(*phones, ("X", "offline")), "auto")
    named = ", ".join(serial for serial, _state in phones)
    assert caught.value.what == f"{word} phones attached: {named}"
    assert caught.value.hint == "pass --device P0, or --device all for each of them"


def test_all_is_every_phone_that_is_ready_and_says_which_are_left_out() -> None:
    server = MadeUpServer(("A", "device"), ("B", "unauthorized"), ("C", "device"))
    told: list[str] = []
    assert serials(server, "all", {"ANDROID_SERIAL": "A"}, told.append) == ("A", "C")
    (line,) = told
    assert line.startswith("left out: B has not authorized this computer; unlock it")


def test_all_without_a_ready_phone_is_an_error() -> None:
    told: list[str] = []
    with pytest.raises(HarnessError, match="no phone is ready"):
        serials(MadeUpServer(("B", "offline")), "all", {}, told.append)
    assert len(told) == 1


def test_a_serial_number_is_that_phone_in_whatever_state() -> None:
    server = MadeUpServer(("A", "device"), ("B", "offline"))
    assert find(server, "B") == ("B",)
    assert server.connected_to == []
    with pytest.raises(HarnessError, match="no phone C is attached") as caught:
        find(server, "C")
    assert caught.value.hint == "attached: A, B"
    assert server.connected_to == []


@pytest.mark.parametrize("outcome", ["connected", "already"])
def test_an_address_that_adb_does_not_know_is_connected_to(outcome: ConnectOutcome) -> None:
    server = MadeUpServer(("A", "device"), outcome=outcome)
    assert find(server, WIFI) == (WIFI,)
    assert server.connected_to == [WIFI]


@pytest.mark.parametrize(
    ("outcome", "hint"),
    [
        ("unauthorized", "accept 'Allow USB debugging'"),
        ("refused", "`adb tcpip 5555`"),
        ("unresolved", "give its IP address"),
        ("failed", "on this network"),
    ],
)
def test_an_address_that_can_not_be_connected_to_says_why(
    outcome: ConnectOutcome, hint: str
) -> None:
    with pytest.raises(HarnessError) as caught:
        find(MadeUpServer(outcome=outcome), WIFI)
    assert caught.value.what == f"can't connect to {WIFI}: adb's words"
    assert hint in caught.value.hint


def test_a_server_that_stops_is_an_error_of_its_own() -> None:
    with pytest.raises(HarnessError, match="the adb server stopped: the adb server is gone"):
        find(GoneServer(Address("localhost", 1)), "auto")
