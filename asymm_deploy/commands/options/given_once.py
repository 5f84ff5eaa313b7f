"""Options that take one of something: given twice, the last would silently stand for all."""

from __future__ import annotations

from collections import Counter

import typer
from typer.core import TyperCommand

from asymm_deploy.errors import UsageError

_OF_ONE = {
    *("--device", "--cpu", "--engine", "--precision", "--backend", "--lab"),
    *("--model", "--table", "--figure", "--weights", "--task", "--split"),
    *("--images", "--annotations", "--detections", "--frames", "--pairs", "--artifacts"),
    *("--baseline", "--candidate", "--results", "--history", "--store", "--commit", "--branch"),
    *("--against", "--reference", "--sentinel", "--metric"),
    *("--calibrate", "--page", "--picture", "--pictures"),
    *("--junit", "--markdown", "--json", "--benchmark-json", "--trace", "--graph"),
}
"""What people may want several of: of other options, as ``--runs`` and ``--out``, the last one
counts, so that a script's can be overridden."""


class OneOfEach(TyperCommand):
    """A command that refuses two of what it takes one of."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse as ever; raise UsageError for an option that would be lost."""
        if not ctx.resilient_parsing:  # completion by the shell
            _values, _rest, order = self.make_parser(ctx).parse_args(args=list(args))
            for param, times in Counter(order).items():
                option = param.opts[0]
                if times > 1 and option in _OF_ONE and not getattr(param, "multiple", False):
                    raise UsageError(
                        f"{option} was given {times} times, and {ctx.info_name} takes one",
                        "give it once, and repeat the command for the others",
                    )
        return super().parse_args(ctx, args)
