"""The steps of ``check --history``: what is given, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from asymm_deploy.commands import console
from asymm_deploy.errors import UsageError
from asymm_deploy.history.history_store import is_store, opened_store

if TYPE_CHECKING:
    from asymm_deploy.check.findings import GateReport
    from asymm_deploy.check.policy import GatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenHistory:
    """Where the launches of many commits are, and which of them are meant."""

    files: tuple[Path, ...]
    """A runs.jsonl, or its folder, for each commit."""
    store: Path | None
    device: str | None
    branch: str | None
    since: str | None

    @classmethod
    def of(
        cls,
        files: Sequence[Path] | None,
        store: Path | None,
        device: str | None,
        branch: str | None,
        since: str | None,
    ) -> Self:
        """Return what the command line gives; a store may stand among the files.

        Raises UsageError for several stores, and for what chooses in a store where there is none.
        """
        given = files or ()
        stores = [*([] if store is None else [store]), *filter(is_store, given)]
        if len(stores) > 1:
            raise UsageError(
                f"there are two histories: {stores[0]} and {stores[1]}",
                "put them together with `asymm-deploy history add`, and give one",
            )
        for name, value in (("--branch", branch), ("--since", since)):
            if value is not None and not stores:
                raise UsageError(
                    f"{name} chooses in a store, and none is given",
                    f"give --store FOLDER, or leave {name} out and choose among the FILEs",
                )
        return cls(
            files=tuple(path for path in given if path not in stores),
            store=stores[0] if stores else None,
            device=device,
            branch=branch,
            since=since,
        )


def checked_history(
    given: GivenHistory,
    policy: GatePolicy,
    *,
    models: Sequence[str],
    allow: Sequence[str],
    inconclusive_fails: bool,
) -> GateReport:
    """Return what the launches of many commits say. Raises as ``check_history`` does."""
    from asymm_deploy.check.history.creep import check_history
    from asymm_deploy.check.history.stored_points import StoredChoice

    store = None if given.store is None else opened_store(given.store)
    choice = StoredChoice(device=given.device, branch=given.branch, since=given.since)
    with console.waiting("looking for new levels"):
        return check_history(
            given.files,
            policy,
            store=store,
            choice=choice,
            models=models,
            allow=allow,
            inconclusive_fails=inconclusive_fails,
        )
