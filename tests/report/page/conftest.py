"""A headless Chromium with the network cut, and results folders with everything in them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websocket

from asymm_deploy.bench.emulated.counts import COSTS_NAME, CostKey, CostRecord, Counts
from asymm_deploy.bench.records import Calibration, LaunchRecord
from asymm_deploy.explain.explanation import (
    EXPLAINED_NAME,
    ExplainedOperator,
    Explanation,
    Kind,
    OperatorError,
)
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page.page_sources import sources_of
from asymm_deploy.report.page.write_page import PageRequest, made_page
from tests.made_explanations import explained_net

Launch = Callable[..., LaunchRecord]
_LONGEST_S = 60
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class Browser:
    """One tab of a real browser, spoken to over Chrome's DevTools protocol."""

    def __init__(self, socket: websocket.WebSocket, downloads: Path) -> None:
        self._socket = socket
        self._number = 0
        self.downloads = downloads
        self.console: list[str] = []
        """Errors and warnings, and what the page's policy refused."""
        self.requests: list[str] = []
        """Every address that was asked for."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> Any:
        """Return the result of a command; what happens meanwhile is noted."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.console.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.console.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.console.append(str(params["entry"]))

    def run(self, script: str) -> Any:
        """Return what a JavaScript expression gives, once it is there."""
        got = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + _LONGEST_S
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, (condition, self.console)
            time.sleep(0.02)

    def open(self, page: Path, wide: int = 1200, high: int = 900, dark: bool = False) -> None:
        """Open a file, with the network cut, and wait until its pictures are drawn."""
        self.console.clear()
        self.requests.clear()
        self.call(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=high,
            deviceScaleFactor=1,
            mobile=wide < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.until(
            f"location.href === {json.dumps(page.resolve().as_uri())} && "
            "(document.documentElement?.dataset.ready || "
            "document.getElementById('trouble')?.hidden === false)"
        )

    def click(self, selector: str) -> None:
        """Click the middle of the first element that fits, as a mouse does."""
        where = self.run(
            f"(() => {{const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2];})()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=where[0],
                y=where[1],
                button="none" if kind == "mouseMoved" else "left",
                clickCount=1,
            )

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        codes = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(text if kind == "keyDown" else {}),
            )

    def downloaded(self, name: str) -> bytes:
        """Wait for a file to be saved, and return what is in it."""
        self.until("true")
        path, end = self.downloads / name, time.monotonic() + _LONGEST_S
        while not path.exists():
            assert time.monotonic() < end, sorted(self.downloads.iterdir())
            time.sleep(0.02)
        content = path.read_bytes()
        path.unlink()
        return content

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The one browser of all tests; they are skipped where none is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed: make browser")
    home = tmp_path_factory.mktemp("browser")
    downloads = home / "saved"
    downloads.mkdir()
    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={home / 'profile'}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file, end = home / "profile" / "DevToolsActivePort", time.monotonic() + _LONGEST_S
        while not port_file.exists() or port_file.read_text().count("\n") < 1:
            assert process.poll() is None, "chromium ended at once"
            assert time.monotonic() < end, "chromium does not answer"
            time.sleep(0.05)
        port, way = port_file.read_text().split("\n")[:2]
        whole = websocket.create_connection(f"ws://127.0.0.1:{port}{way}", timeout=_LONGEST_S)
        target = _asked(whole, "Target.createTarget", url="about:blank")["targetId"]
        _asked(
            whole,
            "Browser.setDownloadBehavior",
            behavior="allow",
            downloadPath=str(downloads),
        )
        socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}/devtools/page/{target}", timeout=_LONGEST_S
        )
        yield Browser(socket, downloads)
        socket.close()
        whole.close()
    finally:
        process.terminate()
        process.wait(_LONGEST_S)


def _asked(socket: websocket.WebSocket, method: str, **params: object) -> dict[str, Any]:
    socket.send(json.dumps({"id": 1, "method": method, "params": params}))
    while (message := json.loads(socket.recv())).get("id") != 1:
        pass
    found: dict[str, Any] = message["result"]
    return found


@pytest.fixture(scope="session")
def explanation() -> Callable[..., Explanation]:
    """Make an explanation of twelve operators; keywords change its fields."""
    kinds: tuple[Kind, ...] = ("pointwise", "depthwise", "concat copy", "activation")

    def operator(index: int) -> ExplainedOperator:
        kind = kinds[index % len(kinds)]
        error = OperatorError(snr_db=140.0 - index, over_deviation=1e-7 * (index + 1))
        return ExplainedOperator(
            index=index,
            name=f"/blocks.{index}/Conv_output_0",
            type="Convolution",
            kind=kind,
            module=f"blocks.{index}",
            node=f"/blocks.{index}/Conv",
            node_type="Conv",
            output_shape=(1, 8, 14, 14),
            madds=1_000_000 * (index + 1),
            bytes_moved=200_000,
            time_ms=0.1 + 0.01 * index,
            on_layer=error,
            own=OperatorError(snr_db=20.0, over_deviation=0.1) if index == 7 else error,
            own_limit=1e-4,
        )

    def make(model: str = "asymmnet_large_100", **changes: object) -> Explanation:
        made = msgspec.structs.replace(
            explained_net(),
            model=model,
            device="pixel",
            cpu="7",
            median_ms=1.86,
            taken_out_percent=4.0,
            peak_gmacs=40.0,
            operators=tuple(operator(index) for index in range(12)),
            started_at="2026-01-31T23:59:00+00:00",
        )
        return msgspec.structs.replace(made, **changes)

    return make


@pytest.fixture(scope="session")
def cost() -> Callable[..., CostRecord]:
    """Make the counts of a model on an emulated processor; keywords change the record."""
    key = CostKey(
        cpu="cortex-a76",
        engine="mnn",
        engine_version="3.6.1",
        runner_sha256="1" * 64,
        library_sha256="2" * 64,
        libc="3" * 64,
        emulator="7.2.22",
        plugin_sha256="4" * 64,
    )

    def make(model: str = "asymmnet_large_100", **changes: object) -> CostRecord:
        counts = Counts(
            insn=93_000_000,
            fma=60_000_000,
            vector=10_000_000,
            load=12_000_000,
            store=4_000_000,
            branch=3_000_000,
            integer=4_000_000,
            load_bytes=190_000_000,
            store_bytes=60_000_000,
        )
        made = CostRecord(
            model=model,
            artifact_sha256="0" * 64,
            inputs_sha256=None,
            precision="fp32",
            key=key,
            counts=counts,
            operators=(),
            output_sha256=None,
            relative_error=None,
            flags=(),
            valid=True,
        )
        return msgspec.structs.replace(made, **changes)

    return make


Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Write a results folder with these records."""

    def write(
        launches: Sequence[LaunchRecord] = (),
        explained: Sequence[Explanation] = (),
        costs: Sequence[CostRecord] = (),
        name: str = "results",
    ) -> Path:
        made = tmp_path / name
        made.mkdir(exist_ok=True)
        for file, records in (
            ("runs.jsonl", launches),
            (EXPLAINED_NAME, explained),
            (COSTS_NAME, costs),
        ):
            if records:
                (made / file).write_bytes(lines_of(records))
        return made

    return write


@pytest.fixture(scope="session")
def library() -> str:
    """What draws; it takes two seconds to make."""
    from asymm_deploy.report.page.vega_library import vega_library

    return vega_library()


@pytest.fixture(scope="session")
def asked() -> PageRequest:
    """A page of everything, written at a fixed time."""
    return PageRequest("results", None, RowFilter(), "2026-02-01T10:00:00+00:00")


NASTY = (
    "</script><script>window.hurt=1</script>",
    '<img src=x onerror="window.hurt=1">',
    "line\u2028separator",
    "\u202egnitirw desrever",
    "שלום",
    "n" * 200,
    "`${window.hurt=1}` && {{7*7}} <!-- &amp;",
)
"""Names that an artifact's folder, or a device, may have."""


@pytest.fixture(scope="session")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
    launch: Launch,
    explanation: Callable[..., Explanation],
    cost: Callable[..., CostRecord],
    library: str,
    asked: PageRequest,
) -> Path:
    """A page of two devices, counts, explanations, a flagged row, a failed one and nasty names."""
    models = ("asymmnet_large_100", "mbv3_large_100", "asymmnet_small_035", *NASTY)
    launches = [
        launch(
            model,
            3.0 + place + number / 50,
            launch=number,
            device=device,
            madds=(place + 1) * 10**8,
            scale="large",
            network="asymmnet",
            flags=("hot",) if place == 1 else (),
            calibration=Calibration(4e10, 4e10),
        )
        for device in ("pixel", NASTY[0])
        for place, model in enumerate(models)
        for number in range(2)
    ]
    launches.append(
        launch("broken", launch=0, samples_ns=(), error="it <b>fell</b> over", flags=("failed",))
    )
    contents = {
        "runs.jsonl": lines_of(launches),
        EXPLAINED_NAME: lines_of([explanation(), explanation(NASTY[1])]),
        COSTS_NAME: lines_of([cost(), cost(NASTY[0])]),
    }
    page = tmp_path_factory.mktemp("whole") / "page.html"
    page.write_text(made_page(sources_of(contents, Path("results")), asked, library))
    return page


def lines_of(records: Sequence[msgspec.Struct]) -> bytes:
    """A file of one record a line."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


@pytest.fixture(scope="session")
def verdict() -> bytes:
    """What `check --json` writes of one model that regressed."""
    change = {
        "model": "asymmnet_large_100",
        "metric": "latency",
        "unit": "ms",
        "baseline": 9.0,
        "candidate": 10.0,
        "change_percent": 11.1,
        "low_percent": 10.0,
        "high_percent": 12.2,
        "threshold_percent": 3.0,
        "verdict": "regressed",
        "why": "It is slower & <b>more</b>.",
    }
    return json.dumps(
        {
            "schema_version": 1,
            "verdict": "regressed",
            "mode": "live",
            "device": "pixel",
            "baseline": "old",
            "candidate": "new",
            "changes": [change],
            "started_at": "2026-02-01T10:00:00+00:00",
        }
    ).encode()
