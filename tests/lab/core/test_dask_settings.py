"""Dask is loaded where it is needed, and with the lab's settings alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from asymm_deploy.lab.joining.dask_settings import SETTINGS


def python(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_no_command_loads_it_before_it_runs() -> None:
    loaded = python(
        "import sys; from asymm_deploy import cli; cli.run(['lab', 'worker', '--help']); "
        "from asymm_deploy.lab import this_phone, roster; "
        "print(sorted({'dask', 'distributed', 'tornado', 'msgpack'} & set(sys.modules)))"
    )
    assert loaded.splitlines()[-1] == "[]"


def test_what_is_set_up_for_dask_elsewhere_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "dask.yaml").write_text("temporary-directory: [unclosed")
    (tmp_path / "etc/dask").mkdir(parents=True)
    (tmp_path / "etc/dask/site.yaml").write_text(
        "distributed: {worker: {lifetime: {duration: 2s}}}"
    )
    said = python(
        "import os, site; site.PREFIXES = [os.environ['DASK_CONFIG']]; "
        "from asymm_deploy.lab.joining.dask_settings import SETTINGS, settle_dask; "
        "settle_dask(); settle_dask(); import dask.config as config; import logging; "
        "print({name: config.get(name) for name in SETTINGS} == SETTINGS, "
        "config.get('temporary-directory'), config.get('distributed.worker.lifetime.duration'), "
        "os.environ['DASK_CONFIG'] != '', os.environ['HOME'] != ''); "
        "logging.getLogger('distributed.worker').critical('not shown')",
        DASK_CONFIG=str(tmp_path),
        DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION="1s",
        DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING="True",
    )
    assert said.split() == ["True", "None", "None", "True", "True"]
    assert SETTINGS["distributed.scheduler.work-stealing"] is False
