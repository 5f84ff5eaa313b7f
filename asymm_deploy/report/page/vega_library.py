"""What draws: Vega's library for the page, and pictures as files. Both need the extra [page]."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.report.page.pictures.picture import Spec

if TYPE_CHECKING:
    from collections.abc import Callable

_NEEDED = {"altair": "altair", "vl_convert": "vl-convert-python"}
"""The modules, and the packages that have them."""
_VEGA_LITE = "6.4"
"""The version that altair 6 writes for; vl-convert brings several."""
_SCALE = 2
"""Pixels of a PNG for each of the picture's own: sharp on today's screens."""


def require_page_extra() -> None:
    """Raise UsageError if what the extra ``[page]`` installs is not there."""
    missing = [
        package for name, package in _NEEDED.items() if importlib.util.find_spec(name) is None
    ]
    if missing:
        is_not = "is not" if len(missing) == 1 else "are not"
        raise UsageError(
            f"pages and pictures need {' and '.join(missing)}, which {is_not} installed",
            "pip install 'asymm-deploy[page]'",
        )


def vega_library() -> str:
    """Return the JavaScript that sets ``window.vegaEmbed``; it takes about two seconds."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;", vl_version=_VEGA_LITE)
    return f"(()=>{{{bundle}\n}})();"


def picture_files(spec: Spec) -> dict[str, Callable[[], bytes]]:
    """Return what makes a picture's files, by their ending: SVG and PNG, on white ground."""
    import vl_convert

    printed = {**spec, "background": "white", "padding": 12}
    return {
        "svg": lambda: vl_convert.vegalite_to_svg(printed, vl_version=_VEGA_LITE).encode(),
        "png": lambda: vl_convert.vegalite_to_png(printed, vl_version=_VEGA_LITE, scale=_SCALE),
    }
