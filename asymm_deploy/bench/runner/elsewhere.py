"""Where operators ran that were asked to run on another back end than the CPU."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.engines.mnn_session import MnnSession

if TYPE_CHECKING:
    from asymm_deploy.engines.session import Session

_MOST_LISTED = 100  # the limit of backends_message.py


def backends_fields(options: Namespace, timed: Session) -> dict[str, object]:
    """Return the fields of the message ``backends`` for the session whose runs were timed.

    Its operators are counted in a session of their own, asked for the same: one for release tells
    of none. A session on the CPU runs all of them there. Of others MNN's Python package doesn't
    tell which operators fell back: RefusedError then.
    """
    assert isinstance(timed, MnnSession)
    if timed.backend != "cpu":
        raise RefusedError(
            f"MNN runs it on {timed.backend}, and its Python package doesn't tell which operators "
            "fell back to the CPU; the native runner does (`asymm-deploy runner build`, then "
            "--runner)"
        )
    types: list[str] = []
    names: list[str] = []

    def noted(_inputs: Any, info: Any) -> bool:
        types.append(info.getType())
        names.append(info.getName())
        return True

    watched = MnnSession(
        options.model, precision=options.precision, watchable=True, backend=options.backend
    )
    watched.run_by_operator(noted, lambda _outputs, _info: True)
    return {
        "asked": options.backend,
        "session": timed.backend,
        "operators": {"cpu": len(types)},
        "elsewhere_types": [each[:200] for each in types[:_MOST_LISTED]],
        "elsewhere_names": [each[:200] for each in names[:_MOST_LISTED]],
    }
