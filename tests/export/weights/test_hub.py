"""Files come from the hub whole, proven and said, or not at all; a made hub really serves them."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from asymm_deploy import cli
from asymm_deploy.errors import DeployError, ExitCode, HarnessError, UsageError
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.reading.recorded_request import as_recorded
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.weights.hub import fetched, place_of
from asymm_deploy.export.weights.hub_name import HubFile, parsed_hub_name
from asymm_deploy.export.weights.hub_request import with_weights_here
from asymm_deploy.files import sha256_of
from asymm_deploy.models.source import resolve
from tests.made_hub import FIRST, SECOND, Fault, Hub, fill_cache, served

OLD, NEW = b"old weights " * 1000, b"new weights " * 1000
NAME = "sub/w.safetensors"
FILE = parsed_hub_name(f"hf://org/net/{NAME}")
NET = resolve("asymmnet_small_035")
SaveExport = Callable[..., Manifest]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with two commits, in place of the real one; the cache is empty."""
    with served(Hub({FIRST: {NAME: OLD, "w.bin": OLD}, SECOND: {NAME: NEW}})) as made:
        monkeypatch.setattr(constants, "ENDPOINT", made.address)
        template = made.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _s: None)
        yield made


@pytest.fixture
def said() -> list[str]:
    return []


def files_in(cache: Path) -> set[str]:
    """What is in the cache but for locks and the mark that it is one."""
    found = {path for path in cache.rglob("*") if not path.is_dir() and ".locks" not in path.parts}
    return {str(path.relative_to(cache)) for path in found} - {"CACHEDIR.TAG"}


def test_a_file_is_fetched_and_what_is_fetched_is_said(
    hub: Hub, said: list[str], tmp_path: Path
) -> None:
    found = fetched(FILE, said.append)
    assert found.commit == FIRST
    assert found.local is not None
    assert found.local.read_bytes() == OLD
    cache = tmp_path / "cache"
    assert said == [
        f"fetching hf://org/net/{NAME} (12.0 kB) from {hub.address} to {cache}, revision {FIRST}"
    ]
    assert all("torch" not in agent and "agent/" not in agent for agent in hub.agents)


@pytest.mark.parametrize("is_large", [True, False])
def test_what_is_in_the_cache_is_not_fetched_again(
    hub: Hub, said: list[str], is_large: bool
) -> None:
    hub.is_large = is_large
    first = fetched(FILE, said.append)
    hub.asked.clear()
    assert fetched(FILE, said.append) == first
    assert [ask.split()[0] for ask in hub.asked] == ["HEAD"]
    hub.asked.clear()
    by_commit = parsed_hub_name(f"{FILE.text}@{FIRST}")
    assert fetched(by_commit, said.append).local == first.local
    assert hub.asked == []


def test_a_token_of_the_user_is_sent_to_the_hub(
    hub: Hub, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    fetched(FILE, said.append)
    assert set(hub.tokens) == {"Bearer hf_abc"}


@pytest.mark.parametrize(
    ("fault", "code", "what"),
    [
        ("401", 2, "has no repository org/net"),
        ("token", 2, "refuses the token"),
        ("403", 2, "refuses to give"),
        ("404", 2, f"has no file {NAME}"),
        ("gated", 2, "is gated"),
        ("no hub", 2, "not as a hub does"),
        ("429", 3, "too many requests"),
        ("500", 3, "with 500"),
        ("cut", 3, "broke off"),
        ("other size", 3, "longer than announced"),
        ("other bytes", 3, "its hash is another"),
    ],
)
def test_a_failure_is_told_and_leaves_nothing(
    hub: Hub, said: list[str], tmp_path: Path, fault: Fault, code: int, what: str
) -> None:
    hub.fault = fault
    with pytest.raises(DeployError) as caught:
        fetched(FILE, said.append)
    assert what in caught.value.what
    assert caught.value.exit_code == ExitCode(code)
    assert files_in(tmp_path / "cache") == set()


def test_what_arrives_is_proven_in_a_cache_without_links_too(
    hub: Hub, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    hub.fault = "other bytes"
    with pytest.raises(HarnessError, match="its hash is another"):
        fetched(FILE, said.append)
    assert files_in(tmp_path / "cache") == set()
    hub.fault = ""
    found = fetched(FILE, said.append).local
    assert found is not None
    assert not found.is_symlink()
    assert found.read_bytes() == OLD


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hf://org/other/w.bin", "no repository org/other"),
        ("hf://org/net/other.bin", "no file other.bin"),
        ("hf://org/net/w.bin@other", "no revision other"),
        (f"hf://org/net/w.bin@{'3' * 40}", "no revision 333"),
    ],
)
def test_what_the_hub_does_not_have_is_said(
    hub: Hub, said: list[str], text: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        fetched(parsed_hub_name(text), said.append)


def test_the_command_ends_with_the_code_and_the_words_of_the_failure(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "artifacts"
    command = ["export", "asymmnet_small_035", "--out", str(out), "--weights"]
    assert cli.run([*command, "hf://org/net/other.bin"]) == ExitCode.USAGE
    hub.fault = "500"
    assert cli.run([*command, FILE.text]) == ExitCode.HARNESS
    hub.asked.clear()
    assert cli.run([*command, "hf://org/net/net.onnx"]) == ExitCode.USAGE
    assert hub.asked == []
    told = capsys.readouterr().err
    assert told.count("error: ") == told.count("hint: ") == 3
    assert not out.exists()


def test_without_network_the_cache_serves_and_the_revision_is_said(
    hub: Hub, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"HF_HUB_OFFLINE is set, and .* has no copy"):
        fetched(FILE, said.append)
    fill_cache(tmp_path / "cache", FIRST, NAME, OLD)
    assert fetched(FILE, said.append).commit == FIRST
    assert said[-1].endswith(f"is as the cache has it, at revision {FIRST}")
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.fault = "500"
    assert fetched(FILE, said.append).commit == FIRST
    assert "with 500" in said[-1]


def test_nobody_there_is_the_networks_failure(
    hub: Hub, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    template = nobody + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(HarnessError, match="can't reach"):
        fetched(FILE, said.append)
    monkeypatch.setattr(constants, "ENDPOINT", "hub.example.com")
    with pytest.raises(UsageError, match="is no web address"):
        fetched(FILE, said.append)


def test_a_damaged_copy_in_the_cache_is_told(hub: Hub, said: list[str], tmp_path: Path) -> None:
    place = fill_cache(tmp_path / "cache", FIRST, NAME, OLD)
    place.resolve().write_bytes(NEW)
    with pytest.raises(HarnessError, match="damaged") as caught:
        fetched(FILE, said.append)
    assert f"remove {place.resolve()}" in caught.value.hint


def test_a_disk_without_room_is_told_before_the_download(
    hub: Hub, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"total": 100, "free": 10})
    monkeypatch.setattr("asymm_deploy.export.weights.hub.shutil.disk_usage", lambda _path: full)
    with pytest.raises(HarnessError, match=r"no room .* nothing was fetched"):
        fetched(FILE, said.append)
    assert [ask.split()[0] for ask in hub.asked] == ["HEAD"]


def test_a_cache_that_cannot_be_written_is_told(hub: Hub, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(UsageError, match=r"can't keep .* Not a directory"):
        fetched(FILE, said.append)


def test_ctrl_c_in_a_download_leaves_nothing(hub: Hub, said: list[str], tmp_path: Path) -> None:
    hub.fault = "slow"

    def press() -> None:
        assert hub.sending.wait(30)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            fetched(FILE, said.append)
    finally:
        signal.signal(signal.SIGINT, before)
    assert files_in(tmp_path / "cache") == set()


def test_without_the_extra_its_name_is_told(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        fetched(FILE, said.append)
    assert caught.value.hint == "pip install 'asymm-deploy[hub]'"


# which revision an export means


def exported(save: SaveExport, request: ExportRequest) -> Manifest:
    """Save what an export of ``request`` would, without one."""
    assert isinstance(request.weights, HubFile)
    request = request.as_files_are_now()
    return save(
        request.folder,
        source=request.text,
        seed=None,
        weights_path=str(request.weights),
        weights_revision=request.weights.commit if isinstance(request.weights, HubFile) else None,
        weights_sha256=request.weights_sha256,
        fingerprint=request.fingerprint(),
    )


@pytest.fixture
def known(hub: Hub, said: list[str], tmp_path: Path, save_export: SaveExport) -> ExportRequest:
    """A request of a branch that was exported before; the branch has moved since."""
    request = ExportRequest(NET, tmp_path / "artifacts", FILE)
    exported(save_export, with_weights_here(request, said.append, force=False))
    hub.branches["main"] = SECOND
    hub.asked.clear()
    said.clear()
    return request


def test_a_branch_means_what_was_exported_until_it_is_asked_for_anew(
    hub: Hub, said: list[str], known: ExportRequest
) -> None:
    again = with_weights_here(known, said.append, force=False)
    assert again.fresh_manifest() is not None
    assert said == [
        f"{FILE.text} is taken at revision {FIRST}, as it was exported before; "
        "--force asks the hub for a newer one"
    ]
    assert hub.asked == []
    newer = with_weights_here(known, said.append, force=True)
    assert isinstance(newer.weights, HubFile)
    assert newer.weights.commit == SECOND
    assert newer.fresh_manifest() is None


def test_another_revision_of_the_same_bytes_is_recorded_as_such(
    hub: Hub, said: list[str], known: ExportRequest
) -> None:
    hub.content[SECOND] = hub.content[FIRST]
    newer = with_weights_here(known, said.append, force=True)
    assert newer.fresh_manifest() is None


def test_a_stale_export_is_made_again_of_the_same_commit(
    hub: Hub, said: list[str], known: ExportRequest
) -> None:
    stale = replace(known, tolerance=1e-3)
    again = with_weights_here(stale, said.append, force=False)
    assert isinstance(again.weights, HubFile)
    assert again.weights.commit == FIRST
    assert hub.asked == []


def test_an_export_stays_as_it_is_without_the_cache_and_says_how_to_fetch_it_again(
    hub: Hub, said: list[str], known: ExportRequest, tmp_path: Path
) -> None:
    (tmp_path / "cache").rename(tmp_path / "away")
    recorded = as_recorded(NET, known.out)
    assert recorded.fresh_manifest() is not None
    assert isinstance(recorded.weights, HubFile)
    with pytest.raises(UsageError, match="no more") as caught:
        place_of(recorded.weights)
    assert f"--weights hf://org/net/{NAME}@{FIRST}" in caught.value.hint
    assert hub.asked == []
    again = with_weights_here(replace(known, tolerance=1e-3), said.append, force=False)
    assert again.hash_of_weights() == recorded.weights_sha256  # of the old commit, fetched anew
    assert isinstance(again.weights, HubFile)
    assert again.weights.local is not None
    assert sha256_of(again.weights.local) == recorded.weights_sha256


def test_it_is_said_that_no_code_of_a_pickle_is_run(
    hub: Hub, said: list[str], tmp_path: Path
) -> None:
    request = ExportRequest(NET, tmp_path / "artifacts", parsed_hub_name("hf://org/net/w.bin"))
    with_weights_here(request, said.append, force=False)
    assert said[-1] == "hf://org/net/w.bin may be a pickle: no code in it is run"
