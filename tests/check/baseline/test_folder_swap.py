"""A baseline's folder appears whole, or stays as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.check.baseline import baseline_file
from asymm_deploy.check.baseline.accept_change import (
    accept_candidate,
)
from asymm_deploy.check.baseline.baseline_file import is_baseline, load_baseline
from asymm_deploy.check.baseline.folder_swap import recover, swapped
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.errors import HarnessError, UsageError

Export = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]


def test_a_save_that_fails_leaves_what_was_there(
    tree: Tree, saved: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = export("small", b"newer weights", into="newer")
    before = tree(saved)

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(baseline_file, "write_whole", full)
    with pytest.raises(HarnessError, match="No space left on device"):
        save_baseline(newer, saved, force=True)
    assert tree(saved) == before
    assert [path.name for path in saved.parent.iterdir() if "baseline" in path.name] == ["baseline"]


def test_a_swap_that_fails_puts_the_former_back(
    tree: Tree, saved: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = export("small", b"newer weights", into="newer")
    before = tree(saved)
    rename = Path.rename

    def refuse_the_new(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(UsageError, match="Permission denied"):
        save_baseline(newer, saved, force=True)
    assert tree(saved) == before


def test_only_what_was_renamed_is_removed(saved: Path, export: Export) -> None:
    newer = export("small", b"newer weights", into="newer")
    theirs = saved.with_name("baseline.former")
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("years of work")
    save_baseline(newer, saved, force=True)
    save_baseline(export("other", into="fresh"), saved.parent / "another")
    assert (theirs / "thesis.tex").exists()
    found = {path.name for path in saved.parent.iterdir() if "baseline" in path.name}
    assert found == {"baseline", "baseline.former"}


KILLED = """
import os, signal, sys
from pathlib import Path
from asymm_deploy.check.baseline.save_baseline import save_baseline

seen = 0

def kill(event, arguments):
    global seen
    if event == "os.rename" and "baseline" in Path(str(arguments[1])).name:
        seen += ".json" not in str(arguments[1])
        if seen == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
save_baseline(Path(sys.argv[2]), Path(sys.argv[3]), force=True)
"""


@pytest.mark.parametrize("killed_before", ["its first rename", "its second", "its third"])
def test_what_a_killed_save_has_left_goes_with_the_next(
    killed_before: str, saved: Path, export: Export, tree: Tree
) -> None:
    newer = export("small", b"newer weights", into="newer")
    nth = ["its first rename", "its second", "its third"].index(killed_before) + 1
    done = subprocess.run([sys.executable, "-c", KILLED, str(nth), newer, saved], check=False)
    assert done.returncode == -signal.SIGKILL
    beside = [path.name for path in saved.parent.iterdir() if "baseline." in path.name]
    assert beside  # it has left something
    before = (b"newer weights") if nth == 3 else b"weights"
    if not saved.exists():
        with pytest.raises(UsageError, match="holds a baseline"):  # it is there again
            save_baseline(newer, saved)
    assert (saved / "small" / "model.mnn").read_bytes().endswith(before)
    load_baseline(saved)
    save_baseline(newer, saved, force=True)
    assert not [path.name for path in saved.parent.iterdir() if "baseline." in path.name]
    assert (saved / "small" / "model.mnn").read_bytes() == b"newer weights"


def test_what_another_save_writes_at_this_moment_is_left_alone(saved: Path, export: Export) -> None:
    newer = export("small", b"newer weights", into="newer")
    with swapped(saved, keeping=[]) as aside:
        (aside / "half").touch()
        recover(saved, is_baseline)
        assert (aside / "half").exists()
        with pytest.raises(UsageError, match="holds a baseline"):
            save_baseline(newer, saved)
        assert (aside / "half").exists()


def test_a_link_to_a_baseline_stays_one(saved: Path, export: Export) -> None:
    newer = export("small", b"newer weights", into="newer")
    link = saved.parent / "link"
    link.symlink_to("baseline")
    for _ in range(2):
        save_baseline(newer, link, force=True)
        assert link.is_symlink()
        assert load_baseline(saved).models == ("small",)
    accept_candidate(link, "small", export("small", b"3", into="newest"), reason="x", by="Ada")
    assert link.is_symlink()
    assert (saved / "small" / "model.mnn").read_bytes() == b"3"


def test_a_baseline_is_saved_where_one_is(
    saved: Path, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = export("small", b"newer weights", into="newer")
    (tmp_path / "new").mkdir()
    for folder in (tmp_path / "new", saved):
        monkeypatch.chdir(folder)
        save_baseline(newer, Path(), force=True)
        assert load_baseline(folder).models == ("small",)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="loop: "):
        save_baseline(newer, tmp_path / "loop")
