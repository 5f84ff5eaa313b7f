"""What explaining says on stderr while it runs, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.commands import console
from asymm_deploy.errors import DeployError, ExitCode
from asymm_deploy.explain.explain_models import ExplainWatcher
from asymm_deploy.explain.explained_store import Explained
from asymm_deploy.explain.explained_subject import ExplainSubject
from asymm_deploy.explain.explanation import Explanation


class ExplainProgress(ExplainWatcher):
    """Moves the bar on, and adds each explanation to the folder as it is made."""

    def __init__(
        self, advance: Callable[[str], None], folder: Explained, keep: Sequence[ExplainSubject]
    ) -> None:
        """Take what moves the bar, and the subjects whose explanations are kept."""
        self._advance = advance
        self._folder = folder
        self._keep = {id(each) for each in keep}
        self.problems: dict[str, ExitCode] = {}
        """Of models whose errors could not be found out; that was said."""

    def step(self, model: str, what: str) -> None:
        """Move the bar on."""
        self._advance(f"{model} {what}")

    def failed(self, model: str, error: DeployError) -> None:
        """Tell why there are no errors."""
        console.complain(error.about(model))
        self.problems[model] = error.exit_code
        self._advance(model)

    def explained(self, subject: ExplainSubject, explanation: Explanation) -> None:
        """Keep an explanation: it is on disk before the next model begins."""
        if id(subject) in self._keep:
            self._folder.add(explanation)
