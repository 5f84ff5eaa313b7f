"""Records of the zoo -> docs/zoo.md."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from benchmarks.zoo_nets import files
from benchmarks.zoo_nets.direct import RIGHT, RIGHT_SHARE
from benchmarks.zoo_nets.trial import LIMIT_S

GOAL = 0.95
"""Least share of what MNN alone runs correctly that is to be exported."""
_TOOLS = ("torch", "onnx", "onnxruntime", "onnxsim", "MNN")
_LIBRARIES = ("timm", "torchvision", "transformers", "ultralytics")
_LONGEST = 260

_OPERATORS = (
    re.compile(r"first operator that differs is (\w+)"),
    re.compile(r"These Op Not Support: ([\w:| ]+\w)"),
    re.compile(r"[Oo]perator '?([\w:]+)"),
)

Record = dict[str, Any]


def kind(record: Record) -> str:
    """Return the heading that a record belongs under."""
    right = record["alone"]["verdict"] == "right"
    if record["result"] == "passed":
        made = record.get("made", {}).get("verdict")
        return "wrong" if made in ("differs", "can't") else "exported"
    if record["result"] == "refused":
        return "refused wrongly" if right else "refused"
    return "failed"


def share(records: Sequence[Record]) -> tuple[int, int]:
    """Return how many that MNN alone runs correctly were exported, and how many there are."""
    right = [record for record in records if record["alone"]["verdict"] == "right"]
    return sum(kind(record) == "exported" for record in right), len(right)


def summary(records: Sequence[Record]) -> str:
    """Return the counts by source as a table."""
    lines = [
        "| from | models | exported | refused, MNN fails too | refused, MNN is right | failed "
        "| of what MNN runs correctly |",
        "|---|---|---|---|---|---|---|",
    ]
    sources: dict[str, list[Record]] = {}
    for record in records:
        source = "`.onnx` files" if record["callable"] is None else _source(record)
        sources.setdefault(source, []).append(record)
    for name, group in (*sources.items(), ("**all**", list(records))):
        count = Counter(map(kind, group))
        done, right = share(group)
        cells = (
            name,
            len(group),
            count["exported"],
            count["refused"],
            count["refused wrongly"],
            count["failed"] + count["wrong"],
            f"{done} of {right}" + (f", {done / right:.1%}" if right else ""),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def page(records: Sequence[Record]) -> str:
    """Return the whole page; ``records`` in the order of the rows."""
    done, right = share(records)
    parts = [
        "# Other people's models\n",
        "<!-- Written by benchmarks/zoo.py from what it measured; edits are lost. -->\n",
        _intro(records),
        summary(records),
        f"\nOf the {right} models that MNN itself runs correctly, {done} are exported: "
        f"{done / right if right else 0:.1%} (goal: {GOAL:.0%}). {_beyond(records)} more are "
        "exported and proven, though MNN alone can't take the graph as it was, or is wrong on it.",
        _METHOD,
        _left_out(records),
        _versions(),
    ]
    for heading, wanted in (
        ("Exported", "exported"),
        ("Refused, and MNN alone fails too", "refused"),
        ("Refused, though MNN alone is right", "refused wrongly"),
        ("Exported, and MNN's file is wrong", "wrong"),
        ("Failed", "failed"),
    ):
        group = [record for record in records if kind(record) == wanted]
        if group:
            rows = _exported(group) if wanted == "exported" else _refused(group)
            parts.append(f"\n## {heading}\n\n{rows}")
    return "\n".join(parts) + "\n"


def _beyond(records: Sequence[Record]) -> int:
    return sum(kind(r) == "exported" and r["alone"]["verdict"] != "right" for r in records)


def _operator(record: Record) -> str:
    """Return the operator that a refusal, or else MNN, names; empty if neither does."""
    texts = (record["error"], record["alone"].get("reason", ""))
    found = [match for text in texts for pattern in _OPERATORS if (match := pattern.search(text))]
    return (
        ", ".join(
            re.sub(r"^(ONNX::|aten::)", "", name) for name in re.split(r" ?[|,] ?", found[0][1])
        )
        if found
        else ""
    )


def _intro(records: Sequence[Record]) -> str:
    modules = sum(record["callable"] is not None for record in records)
    packages = {record["package"] for record in records if record["callable"] is None}
    return _INTRO.format(modules=modules, files=len(records) - modules, packages=len(packages))


_INTRO = """\
{modules} architectures with random weights and {files} `.onnx` files that {packages} packages ship,
each exported by `asymm-deploy export` in a process of its own. Beside each stands what MNN makes of
the same model alone, which shows whether a refusal is ours or MNN's.
"""

_METHOD = f"""
## How it is measured

In a virtual environment of its own, from the project's folder:

```sh
python -m venv zoo-venv
zoo-venv/bin/pip install -c constraints.txt -e .
zoo-venv/bin/pip install --no-deps -r benchmarks/zoo-requirements.txt
zoo-venv/bin/python benchmarks/zoo.py
```

`--only PATTERN` takes some of the models, `--fresh` tries again what was tried before,
`--report-only` writes this page from what is there. A run that was stopped goes on where it was.

- Each export has {LIMIT_S:.0f} s. Seconds are those of the whole command, from nothing, on a
  machine that did other work at the time; CPU seconds are of that command and its processes.
- Inputs are given as a user would: shapes, and ranges where not every value means something, as
  for token ids.
- MNN alone is torch's exporter (for `.onnx` the file itself), MNN's converter and MNN's Module API,
  on three inputs of the given ranges, against ONNX Runtime. It counts as right up to {RIGHT:g}
  deviations of an output and {RIGHT_SHARE:.0%} of integers and booleans; each row has the error.
  What is further off is run again without MNN's fast convolutions (large tiles of Winograd's),
  which cost untrained nets up to 3 % of a deviation: they are no fault of the file.
  The files that an export made are compared on the same inputs.
"""

_LEFT_OUT = """\
## What was left out

- Trained weights: nothing is downloaded from a hub. Weights are as each package initialises them.
- torchvision's detectors and video nets: PyPI's build of torchvision can't load its compiled
  operators (NMS, RoIAlign) beside a torch without CUDA. Its other nets are Python and run.
- ultralytics is under the AGPL. It is a dependency of whoever runs this, not of the product.
- Full sizes of transformers' models: they are made from small configurations ({reduced}).
  Which operators they have is what counts here.
- ONNX's own test data: its files are operators, not nets.
"""


def _left_out(records: Sequence[Record]) -> str:
    reduced = sorted({record["remark"] for record in records if record["remark"]})
    return _LEFT_OUT.format(reduced="; ".join(reduced))


def _versions() -> str:
    found = []
    for name in (*_TOOLS, *_LIBRARIES):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    packages = ", ".join(f"{name} {version}" for name, version in files.VERSIONS.items())
    return (
        f"## With what\n\n{platform.machine()}, Python {platform.python_version()}; "
        f"{', '.join(found)}.\nFiles of {packages}."
    )


def _exported(records: Sequence[Record]) -> str:
    lines = [
        "| model | from | MNN's interface | error of the export | file on other inputs | MNN alone "
        "| s | CPU s | remark |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        stage = (record.get("stages") or {}).get("mnn") or {}
        cells = (
            record["name"],
            _source(record),
            record.get("api") or "session",
            _number(stage.get("relative_error")),
            _number(record.get("made", {}).get("error")),
            _alone(record["alone"]),
            record["wall_s"],
            record["cpu_s"],
            record["remark"],
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _refused(records: Sequence[Record]) -> str:
    lines = [
        "| model | from | exit | said | MNN alone | s | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in records:
        made = record.get("made")
        said = record["error"] if made is None else f"the file: {_alone(made)}"
        cells = (
            record["name"],
            _source(record),
            "none" if record["code"] is None else record["code"],
            _operator(record),
            _plain(said, record),
            _alone(record["alone"]),
            record["wall_s"],
            record["cpu_s"],
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _alone(found: Record) -> str:
    if found["verdict"] in ("can't", "unknown"):
        step = {"graph": "torch.onnx or ONNX Runtime", "convert": "converter", "run": "running"}
        where = step.get(found.get("step", ""), "")
        return _plain(f"can't ({where}): {found.get('reason', '')}", {})
    share = f", {found['share']:.1%} of integers" if found["share"] else ""
    plain = "" if found.get("fast", True) else ", fast convolutions off"
    return f"{found['verdict']}, {_number(found['error'])}{share}{plain}"


def _plain(text: str, record: Record) -> str:
    """Return ``text`` fit for a cell: one line, without paths of this machine, not too long."""
    for known in (record.get("model"), record.get("file")):
        if known:
            text = text.replace(f"{known}: ", "").replace(str(known), record["name"])
    text = re.sub(r"(?<![\w:/])/[\w./+-]+/([\w.+-]+)", r"\1", text)
    text = re.sub(r"Start to Optimize the MNN Net...; |\[\d\d:\d\d:\d\d\] :\d+: ", "", text)
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _source(record: Record) -> str:
    if record["callable"] is None:
        return str(record["package"])
    return "torch.nn" if record["package"] == "torch" else str(record["package"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"
