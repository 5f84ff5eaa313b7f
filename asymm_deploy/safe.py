"""Untrusted text made safe to show: on a terminal, in CI's log, in Markdown and in CSV.

Names of models, files and devices may hold anything: line ends, escape sequences, half of a
surrogate pair, signs that reverse the direction of writing. Pure functions of text.
"""

from __future__ import annotations

import html
import re

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_FORMULA_STARTS = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MARKDOWN_STRUCTURE = re.compile(
    r"[\\`*\[\]|~!{}$]|(?<!\w)_|_(?!\w)"
    r"|:(?=//)|(?<=mailto):|(?<=xmpp):|(?<=www)\."  # GFM makes links of bare addresses
    r"|(?<!\w):(?=[\w+-]+:)",  # and GitHub an emoji of :name:
    re.IGNORECASE,
)
"""What could begin a table's cell, emphasis, code, a link, an image, a formula or an address."""


class GitHubCommand(str):
    """A line that GitHub's runner is to obey; no other text that we print may be one."""

    __slots__ = ()


def one_line(text: str) -> str:
    """Return ``text`` on one line, with spaces for what controls a terminal or a parser."""
    return " ".join(_replaced(text, " ").split())


def excerpt(text: str | bytes, limit: int = 200) -> str:
    """Return ``text`` on one line of at most ``limit`` characters, with signs for what it hides."""
    if isinstance(text, bytes):
        text = text[: 4 * limit + 4].decode("utf-8", "replace")
    line = _replaced(" ".join(text[: 4 * limit].split()), _UNKNOWN)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def first_words(error: object, limit: int = 300) -> str:
    """Return the first line that an error says which is not empty, at most ``limit`` characters.

    Nothing if there is none, or where even asking raises, as errors of users' own kinds may.
    """
    try:
        lines = str(error).splitlines()
    except BaseException:
        return ""
    return next((line.strip() for line in lines if line.strip()), "")[:limit]


def printable(text: str) -> str:
    """Return ``text`` without control characters; its lines stay lines."""
    return "\n".join(_replaced(line, _UNKNOWN) for line in text.split("\n"))


def no_command(line: str) -> str:
    """Return a line that GitHub's runner can't take for a command; ``std::vector`` stays.

    The runner reads ``::name::`` at the start of a line, spaces before it or not, and ``##[name]``
    anywhere (actions/runner, ActionCommand.cs).
    """
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if printable(line).lstrip().startswith("::") else line


def no_command_in_json(text: str) -> str:
    """Return JSON without ``##[name]``, which ``no_command`` has; its values stay what they are."""
    return text.replace("##[", "#\\u0023[")


def log_line(text: str) -> str:
    """Return ``text`` on one line that holds no command to GitHub's runner, wherever it is put."""
    return re.sub(":(?=:)", ": ", one_line(text)).replace("##[", "## [")


def markdown(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is, on one line.

    Entities stand for themselves and never for structure (CommonMark 6.2); an empty comment keeps
    ``@name`` and ``#1`` from becoming a mention and a reference. Within a word, ``model@w8``, there
    is no mention, and without a dot no address.
    """
    whole = html.escape(one_line(text), quote=False)  # quotes mean nothing in Markdown's text
    safe = _MARKDOWN_STRUCTURE.sub(lambda found: f"&#{ord(found[0])};", whole)
    return re.sub(r"(?<!\w)@|@(?![\w-]+(?![\w.-]))|^#|(?<!&)#(?=\d)", r"\g<0><!-- -->", safe)


def csv_cell(cell: str | int) -> str | int:
    """Return a cell of CSV that no spreadsheet runs as a formula: such text gets a ``'`` before.

    Nor does it reach a terminal as an escape sequence, or GitHub's runner as a command. A number
    stays one, whatever its sign.
    """
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    safe = "\n".join(no_command(line) for line in printable(cell).split("\n"))
    return f"'{safe}" if safe.startswith(_FORMULA_STARTS) else safe


def _replaced(text: str, by: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else by for character in text)
