"""What ``explain --against OTHER`` names: a model, an export's folder, or earlier results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.records import Precision
from asymm_deploy.errors import UsageError
from asymm_deploy.explain.explained_store import read_explained
from asymm_deploy.explain.explanation import EXPLAINED_NAME, Explanation
from asymm_deploy.export.manifest import MANIFEST_NAME
from asymm_deploy.models.source import NamedNetwork, Source, resolve, with_given_classes


@dataclass(frozen=True, slots=True)
class OtherSide:
    """One of the three."""

    text: str
    """As the user named it."""
    source: Source | None = None
    """To be exported, if it is missing or stale."""
    artifact: Artifact | None = None
    """Taken as it is."""
    records: Sequence[Explanation] = ()

    def record_for(self, model: str, device: str, precision: Precision) -> Explanation:
        """Return the latest record of a model on a device, of that precision if there is one.

        Raises UsageError if there is none.
        """
        good = [each for each in self.records if each.error is None]
        same = [each for each in good if (each.model, each.device) == (model, device)]
        alike = [each for each in same if each.precision == precision]
        if not same:
            there = list(dict.fromkeys(f"{each.model} on {each.device}" for each in good))
            raise UsageError(
                f"{self.text} has no explanation of {model} on {device}; it has "
                f"{', '.join(there[:10]) or 'none that did not fail'}",
                "name a results folder in which the same model was explained on the same device",
            )
        return (alike or same)[-1]


def find_other(text: str, classes: int | None = None) -> OtherSide:
    """Return what ``--against`` names; raise UsageError if there is no such thing.

    A network of ours gets ``classes``, if they are given.
    """
    path = Path(text)
    if path.name == EXPLAINED_NAME or (path / EXPLAINED_NAME).is_file():
        file = path if path.name == EXPLAINED_NAME else path / EXPLAINED_NAME
        records = read_explained(file).records
        if not records:
            raise UsageError(
                f"{file} has no explanations", "name a results folder of an earlier explain"
            )
        return OtherSide(text, records=records)
    if (path / MANIFEST_NAME).is_file():
        return OtherSide(text, artifact=artifacts.exported(path, "mnn"))
    if text.endswith(".mnn"):
        return OtherSide(text, artifact=artifacts.bare(path))
    if path.is_dir():
        raise UsageError(
            f"--against {text}: that folder has no {EXPLAINED_NAME} and no {MANIFEST_NAME}",
            "name a results folder of an earlier explain, or the folder of one exported model",
        )
    source = resolve(text)
    own = with_given_classes(source, classes) if isinstance(source, NamedNetwork) else source
    return OtherSide(text, source=own)
