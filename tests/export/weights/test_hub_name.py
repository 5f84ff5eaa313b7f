"""Names of files on the hub: what they mean, and which mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.export.manifest import DamagedManifestError
from asymm_deploy.export.weights.hub_name import HubFile, parsed_weights, recorded_weights

COMMIT = "0123456789abcdef" * 2 + "01234567"


def hub_file(text: str) -> HubFile:
    found = parsed_weights(text)
    assert isinstance(found, HubFile)
    return found


@pytest.mark.parametrize(
    ("text", "repository", "name", "revision"),
    [
        ("hf://org/net/w.bin", "org/net", "w.bin", None),
        ("hf://models/org/net/w.bin", "org/net", "w.bin", None),
        ("hf://org/net/a/b/w.safetensors@v1.0", "org/net", "a/b/w.safetensors", "v1.0"),
        ("hf://org/net@v1.0/a/W.PTH", "org/net", "a/W.PTH", "v1.0"),
        ("hf://org/net/w.pt@refs/pr/3", "org/net", "w.pt", "refs/pr/3"),
        ("hf://org/net@refs/pr/3/a/w.pt", "org/net", "a/w.pt", "refs/pr/3"),
        ("hf://org/net@refs%2Fpr%2F3/w.pt", "org/net", "w.pt", "refs/pr/3"),
        ("hf://org/net/a%402x.pt", "org/net", "a@2x.pt", None),
        ("hf://o.r-g/n_e.t/epoch=3 b.pth.tar", "o.r-g/n_e.t", "epoch=3 b.pth.tar", None),
    ],
)
def test_a_name_is_a_repository_a_file_and_perhaps_a_revision(
    text: str, repository: str, name: str, revision: str | None
) -> None:
    found = hub_file(text)
    assert (found.repository, found.name, found.revision) == (repository, name, revision)
    assert str(found) == text
    assert found.commit is None


def test_a_commit_is_one_for_ever_and_a_branch_is_not() -> None:
    assert hub_file(f"hf://org/net/w.bin@{COMMIT}").commit == COMMIT
    assert not hub_file(f"hf://org/net/w.bin@{COMMIT[:8]}").names_commit
    pinned = hub_file("hf://org/net@main/a%40.bin").at(COMMIT).pinned
    assert pinned == f"hf://org/net/a%40.bin@{COMMIT}"
    assert hub_file(pinned).name == "a@.bin"


def test_any_other_text_is_a_path() -> None:
    assert parsed_weights("hf.pt") == Path("hf.pt")
    assert parsed_weights("./hf:/org/net/w.bin") == Path("hf:/org/net/w.bin")


@pytest.mark.parametrize(
    "text",
    [
        *("hf://", "hf://org", "hf://org/net", "hf://org/net/", "hf://org//w.bin"),
        *("hf:/org/net/w.bin", "HF://org/net/w.bin", "hf://org/net/../w.bin"),
        *("hf://org/net/a//w.bin", "hf://org/net/%2e%2e/w.bin", "hf://org/net/a%00.bin"),
        *("hf://-org/net/w.bin", "hf://org/ne t/w.bin", "hf://org/net.git/w.bin"),
        *("hf://org/a--b/w.bin", f"hf://org/{'n' * 97}/w.bin", "hf://org/net/w\n.bin"),
        *("hf://org/net@/w.bin", "hf://org/net/w.bin@", "hf://org/net@a/w.bin@b"),
        *("hf://org/net/w.bin@a@b", "hf://org/net/w.bin@../a", "hf://org/net/w.bin@a b"),
        *("hf://datasets/org/net/w.bin", "hf://spaces/org/net/w.bin"),
    ],
)
def test_what_can_be_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed_weights(text)
    assert "hf://ORG/REPO/FILE" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net.onnx", "as the model itself"),
        ("model.safetensors.index.json", "as one .safetensors file"),
        ("model-00001-of-00003.safetensors", "as one .safetensors file"),
        ("net.gguf", "quantized"),
        ("README.md", ".safetensors"),
        ("weights", ".safetensors"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_refused_by_its_name(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed_weights(f"hf://org/net/{name}@main")
    assert hint in caught.value.hint


def test_a_copied_address_is_answered_with_the_name_to_give() -> None:
    for address in (
        "https://huggingface.co/org/net/blob/v1/a/w.bin?download=true",
        "https://x/w.pt",
    ):
        with pytest.raises(UsageError, match="web address") as caught:
            parsed_weights(address)
        assert ("hf://org/net/a/w.bin@v1" in caught.value.hint) == ("blob" in address)


def test_a_manifest_tells_a_file_of_the_hub_by_its_revision() -> None:
    assert recorded_weights(None, None) is None
    assert recorded_weights("w.pt", None) == Path("w.pt")
    told = recorded_weights("hf://org/net/w.bin", COMMIT)
    assert told == hub_file("hf://org/net/w.bin").at(COMMIT)
    with pytest.raises(DamagedManifestError):
        recorded_weights("w.pt", COMMIT)
