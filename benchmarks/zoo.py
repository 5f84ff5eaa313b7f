"""How many of other people's models export, and whether MNN runs those that don't.

Every architecture of ``zoo_nets`` and every .onnx file of some published packages is exported by
the command line, each in a process of its own with a limit; beside it MNN is called without us. A
line of results.jsonl is kept as each ends, so that a run that was stopped goes on. docs/zoo.md is
made of them, and says what has to be installed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from asymm_deploy.errors import ExitCode
from asymm_deploy.files import write_whole
from asymm_deploy.signals import ending_like_ctrl_c
from benchmarks.zoo_nets import files, table
from benchmarks.zoo_nets.trial import ROOT, Task, end_all, try_one

_MODULES = "benchmarks.zoo_nets.modules"


def main(argv: Sequence[str] | None = None) -> int:
    """Try what was not tried yet, write the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", help="only names that this expression finds")
    parser.add_argument("--jobs", type=int, default=1, help="models at the same time (1)")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "zoo", help="scratch folder")
    parser.add_argument("--results", type=Path, help="results file (WORK/results.jsonl)")
    parser.add_argument("--wheels", type=Path, help="where wheels are kept (WORK/wheels)")
    parser.add_argument("--fresh", action="store_true", help="try again what was tried before")
    parser.add_argument("--report-only", action="store_true", help="only write the table")
    parser.add_argument("--table", type=Path, default=ROOT / "docs" / "zoo.md", help="the table")
    options = parser.parse_args(argv)
    try:
        with ending_like_ctrl_c():
            records = _measured(options)
    except KeyboardInterrupt:
        print("interrupted; what ended is kept", file=sys.stderr)
        return ExitCode.INTERRUPTED
    if options.report_only or not options.only:
        write_whole(options.table, table.page(records).encode())
    print(table.summary(records))
    done, right = table.share(records)
    failed = [record["name"] for record in records if table.kind(record) in ("failed", "wrong")]
    print(f"of {right} that MNN runs correctly, {done} are exported")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed or done < table.GOAL * right else 0


def _measured(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a record of each model that was asked for, old or new."""
    work: Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    results: Path = options.results or work / "results.jsonl"
    wheels: Path = options.wheels or work / "wheels"
    wanted = [
        task for task in tasks(wheels, work / "files") if re.search(options.only or "", task.name)
    ]
    if not options.report_only:
        known = {} if options.fresh else read(results)
        left = [task for task in wanted if task.name not in known]
        _try_all(left, work, results, options.jobs)
    known = read(results)
    return [known[task.name] for task in wanted if task.name in known]


def tasks(wheels: Path, folder: Path) -> list[Task]:
    """Return every model, the small ones first."""
    from benchmarks.zoo_nets.modules import ENTRIES

    modules = [
        Task(name, e.package, f"{_MODULES}:{name}", name, None, e.inputs, e.remark)
        for name, e in ENTRIES.items()
    ]
    where = files.fetch(wheels, folder)
    published = []
    for f in files.FILES:
        path, samples = str(where[f.name]), None
        if f.pages is not None:
            samples = str(folder / f"{f.name}.npz")
            files.draw_pages(f.pages, "x", Path(samples))
        remark = "pages of text as --inputs" if samples else ""
        published.append(Task(f.name, f.package, path, None, path, f.inputs, remark, samples))
    plain = [task for task in modules if task.package == "torch"]
    return plain + published + [task for task in modules if task.package != "torch"]


def read(results: Path) -> dict[str, dict[str, Any]]:
    """Return the last record of each model; a line that was cut short is left out."""
    known: dict[str, dict[str, Any]] = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        known[record["name"]] = record
    return known


def _try_all(wanted: Sequence[Task], work: Path, results: Path, jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[dict[str, Any]], Task] = {
            pool.submit(try_one, task, work): task for task in wanted
        }
        try:
            for number, future in enumerate(as_completed(running), 1):
                record = future.result()
                with results.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(f"{number}/{len(wanted)} {told(record)}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise


def told(record: dict[str, Any]) -> str:
    """Return a record in one line."""
    line = f"{record['name']}: {record['result']} in {record['wall_s']} s"
    if record["result"] != "passed":
        line += f", code {record['code']}: {record['error'][:160]}"
    found = record["alone"]
    off = f" {found['error']:.1e}" if "error" in found else f" {found.get('reason', '')[:100]}"
    line += f" | MNN alone: {found['verdict']}{off}"
    if "made" in record:
        line += f" | made: {record['made']['verdict']} {record['made'].get('error', '')}"
    return line


if __name__ == "__main__":
    sys.exit(main())
