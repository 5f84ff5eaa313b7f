"""The action and the example workflows are valid, and their steps do what they say.

Their shell steps run here in a repository of two commits, with a stand-in for asymm-deploy that
takes down what it is given, and leaves behind what the real one would.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from asymm_deploy.check.live import alpha_spending
from asymm_deploy.check.policy import ALPHA, LEAST_BLOCKS, USUAL_BLOCKS

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
EXAMPLES = ROOT / "docs" / "examples"
CI = ROOT / ".github" / "workflows" / "ci.yml"
HOSTED, COUNTED, PHONE, GITLAB = (
    EXAMPLES / name
    for name in ("github-hosted.yml", "github-counted.yml", "github-phone.yml", "gitlab.yml")
)

STAND_IN = """\
#!{python} -IS
import json, os, pathlib, sys
arguments = sys.argv[1:]
with open(os.environ["TAKEN_DOWN"], "a") as file:
    file.write(json.dumps([os.getcwd(), *arguments]) + "\\n")
def value(option):
    return arguments[arguments.index(option) + 1] if option in arguments else None
if arguments[0] == "export":
    assert pathlib.Path("my_models.py").exists()
    folder = pathlib.Path(value("--out"), "my_models.small")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.mnn").write_text(pathlib.Path("my_models.py").read_text())
if arguments[0] == "check":
    for option in ("--baseline", "--candidate"):
        if not pathlib.Path(value(option)).is_dir():
            sys.exit(2)
    for option in ("--junit", "--markdown", "--benchmark-json"):
        if value(option):
            pathlib.Path(value(option)).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(value(option)).write_text("report")
    verdict = os.environ.get("VERDICT", "pass")
    if verdict != "crashed":
        pathlib.Path(value("--json")).write_text(json.dumps(dict(verdict=verdict)))
    sys.exit(dict(regressed=1, inconclusive=4, crashed=3).get(verdict, 0))
"""
PYTHON = """\
#!/bin/sh
if [ "$1 $2" = "-m pip" ]; then exit 0; fi
exec {python} "$@"
"""
SUDO = """\
#!/bin/sh
[ "$1" = apt-get ]  # and nothing is installed
"""


def loaded(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def job(path: Path) -> dict[str, Any]:
    (only,) = loaded(path)["jobs"].values()
    assert isinstance(only, dict)
    return only


@dataclass
class Workplace:
    """A repository of two commits, and a PATH with the stand-ins first."""

    folder: Path
    first: str
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, cwd: Path, env: Mapping[str, str]) -> int:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=cwd,
            env={**self.environ, **env},
            timeout=60,
            check=False,
        )
        return done.returncode

    @property
    def commands(self) -> list[list[str]]:
        """What asymm-deploy was given, without the folder it ran in."""
        taken = Path(self.environ["TAKEN_DOWN"]).read_text().splitlines()
        return [json.loads(line)[1:] for line in taken]

    @property
    def outputs(self) -> dict[str, str]:
        text = Path(self.environ["GITHUB_OUTPUT"]).read_text()
        return dict(line.split("=", 1) for line in text.splitlines())


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    for tool in ("bash", "git"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the steps are scripts for it")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, content in (
        ("asymm-deploy", STAND_IN),
        ("python", PYTHON),
        ("python3", PYTHON),
        ("sudo", SUDO),
    ):
        program = bin_folder / name
        program.write_text(content.format(python=sys.executable))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    repository = tmp_path / "repository"
    repository.mkdir()
    environ = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "TAKEN_DOWN": str(tmp_path / "taken-down"),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    shas = []
    subprocess.run(["git", "init", "-q"], cwd=repository, check=True)
    for content in ("old", "new"):
        (repository / "my_models.py").write_text(content)
        subprocess.run(["git", "add", "."], cwd=repository, check=True)
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(
            ["git", *identity, "commit", "-q", "-m", content], cwd=repository, check=True
        )
        head = ["git", "rev-parse", "HEAD"]
        shas.append(subprocess.check_output(head, cwd=repository, text=True).strip())
    (tmp_path / "outputs").touch()
    (tmp_path / "taken-down").touch()
    return Workplace(repository, shas[0], environ)


def resolved(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of ``${{ name }}``; an unknown name is a mistake in the file."""
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values[found[1]], str(text))


def run_action(place: Workplace, cwd: Path, given: Mapping[str, str], **env: str) -> int:
    """Do what GitHub does with a composite action; return the exit code of its last step."""
    action = loaded(ACTION)
    unknown = set(given) - set(action["inputs"])
    assert not unknown, f"the action has no {unknown}"
    inputs = {}
    for name, spec in action["inputs"].items():
        assert not (spec.get("required") and name not in given), f"{name} is not given"
        inputs[f"inputs.{name}"] = given.get(name, spec.get("default", ""))
    for step in action["runs"]["steps"]:
        condition = step.get("if")
        if condition is not None:
            assert condition == "inputs.install == 'true'"
            if inputs["inputs.install"] != "true":
                continue
        assert "${{" not in step["run"], "an input within a script can be any script"
        variables = {name: resolved(text, inputs) for name, text in step.get("env", {}).items()}
        code = place.run(step["run"], cwd, variables | env)
        if code:
            return code
    return 0


# valid


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", ACTION),
        ("vendor.github-workflows", HOSTED),
        ("vendor.github-workflows", COUNTED),
        ("vendor.github-workflows", PHONE),
        ("vendor.github-workflows", CI),
        ("custom.github-workflows-require-timeout", CI),
        ("vendor.gitlab-ci", GITLAB),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_each_file_fits_the_schema_of_its_kind(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_workflow_that_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(HOSTED.read_text().replace("runs-on:", "run-on:"))
    schema = ["--builtin-schema", "vendor.github-workflows"]
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(broken)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("path", [HOSTED, COUNTED, PHONE, CI], ids=lambda path: path.name)
def test_actionlint_finds_nothing(path: Path, tmp_path: Path) -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("actionlint is not installed; its package fetches a program while it installs")
    labels = tmp_path / "actionlint.yaml"
    labels.write_text("self-hosted-runner:\n  labels: [phone]\n")
    command = [actionlint, "-config-file", str(labels), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_outputs_of_the_action_are_outputs_of_its_steps() -> None:
    action = loaded(ACTION)
    steps = {step["id"]: step["run"] for step in action["runs"]["steps"] if "id" in step}
    for output in action["outputs"].values():
        found = re.fullmatch(r"\$\{\{ (\w+)\.([\w.-]+) \}\}", output["value"])
        assert found
        if found[1] == "inputs":
            assert found[2] in action["inputs"]
        else:
            step, _, name = found[2].split(".")
            assert f'"{name}=' in steps[step]


# the project's own workflow


def test_the_projects_own_workflow_runs_what_a_developer_runs_and_may_only_read() -> None:
    assert loaded(CI)["permissions"] == {"contents": "read"}
    runs = [step["run"] for step in job(CI)["steps"] if "run" in step]
    assert runs == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "secrets" not in CI.read_text(encoding="utf-8")


# the action


@pytest.fixture
def exported(workplace: Workplace) -> Workplace:
    for name in ("a", "b"):
        (workplace.folder / name).mkdir()
    return workplace


@pytest.mark.parametrize(
    ("verdict", "code"), [("pass", 0), ("improved", 0), ("regressed", 1), ("inconclusive", 4)]
)
def test_the_action_ends_as_check_does_and_says_the_verdict(
    exported: Workplace, verdict: str, code: int
) -> None:
    given = {"baseline": "a", "candidate": "b"}
    assert run_action(exported, exported.folder, given, VERDICT=verdict) == code
    assert exported.outputs == {"verdict": verdict, "exit-code": str(code)}
    reports = {path.name for path in (exported.folder / "check-reports").iterdir()}
    assert reports == {"check.xml", "check.md", "check.json", "benchmark.json"}


def test_a_check_that_ends_without_a_report_failed_whatever_an_earlier_one_said(
    exported: Workplace,
) -> None:
    given = {"baseline": "a", "candidate": "b"}
    assert run_action(exported, exported.folder, given, VERDICT="pass") == 0
    Path(exported.environ["GITHUB_OUTPUT"]).write_text("")
    assert run_action(exported, exported.folder, given, VERDICT="crashed") == 3
    assert exported.outputs == {"verdict": "failed", "exit-code": "3"}


def test_a_module_in_the_repository_is_not_taken_for_pythons_own(exported: Workplace) -> None:
    (exported.folder / "json.py").write_text("raise SystemExit('hacked')")
    assert run_action(exported, exported.folder, {"baseline": "a", "candidate": "b"}) == 0
    assert exported.outputs == {"verdict": "pass", "exit-code": "0"}


def test_the_emulated_processor_is_given_no_options_of_timing(exported: Workplace) -> None:
    given = {
        "baseline": "a",
        "candidate": "b",
        "device": "a76",
        "arguments": "--insn-threshold\n2%",
    }
    assert run_action(exported, exported.folder, given) == 0
    (command,) = exported.commands
    assert command[command.index("--device") + 1] == "a76"
    assert not {"--threshold", "--max-blocks"} & set(command)
    assert command[-2:] == ["--insn-threshold", "2%"]


def test_inputs_are_arguments_and_no_part_of_the_script(exported: Workplace) -> None:
    evil = '$(touch hacked) "; touch hacked; `touch hacked`'
    (exported.folder / evil).mkdir()
    given = {
        "baseline": evil,
        "candidate": "b",
        "threshold": evil,
        "arguments": f"--allow\nhot\n\n--sentinel\n{evil}\n",
    }
    assert run_action(exported, exported.folder, given) == 0
    assert not (exported.folder / "hacked").exists()
    (command,) = exported.commands
    assert command[command.index("--baseline") + 1] == evil
    assert command[-4:] == ["--allow", "hot", "--sentinel", evil]


@pytest.mark.parametrize("given", [{}, {"max-blocks": "9"}])
def test_a_number_of_launches_is_only_given_where_one_is_asked_for(
    exported: Workplace, given: dict[str, str]
) -> None:
    folders = {"baseline": "a", "candidate": "b"}
    assert run_action(exported, exported.folder, folders | given) == 0
    (command,) = exported.commands
    assert ("--max-blocks" in command) == bool(given)
    assert not given or command[command.index("--max-blocks") + 1] == "9"


# the examples


@pytest.mark.parametrize("path", [HOSTED, COUNTED], ids=lambda path: path.name)
def test_a_hosted_workflow_compares_both_versions_in_one_job(
    workplace: Workplace, path: Path
) -> None:
    parts = job(path)
    here = workplace.folder.parent / "hosted"
    here.mkdir()
    values = {"github.event.pull_request.base.sha": workplace.first}
    codes = []
    for step in parts["steps"]:
        arguments = {name: resolved(text, values) for name, text in step.get("with", {}).items()}
        if "run" in step:
            cwd = here / step.get("working-directory", ".")
            codes.append(workplace.run(step["run"], cwd, parts["env"]))
        elif step["uses"].startswith("actions/checkout@"):
            checkout(workplace, here / arguments["path"], arguments.get("ref", "HEAD"))
        elif "/asymm-deploy@" in step["uses"]:
            codes.append(run_action(workplace, here, arguments))
        elif step["uses"].startswith("actions/upload-artifact@"):
            assert (here / arguments["path"] / "check.xml").exists()
    assert set(codes) == {0}
    old, new = (
        (here / "artifacts" / side / "my_models.small" / "model.mnn").read_text()
        for side in ("baseline", "candidate")
    )
    assert (old, new) == ("old", "new")
    counted = ["emulator"] * (path == COUNTED)
    expected = [*counted, "export", "export", "check"]
    assert [command[0] for command in workplace.commands] == expected
    assert ("a76" in workplace.commands[-1]) == (path == COUNTED)


def test_the_phones_workflow_compares_with_the_baseline_in_the_repository(
    workplace: Workplace,
) -> None:
    parts = job(PHONE)
    (workplace.folder / "ci" / "baseline").mkdir(parents=True)
    for step in parts["steps"]:
        if "run" in step:
            assert workplace.run(step["run"], workplace.folder, parts["env"]) == 0
    assert [command[0] for command in workplace.commands] == ["devices", "export", "check"]
    check = workplace.commands[-1]
    assert check[check.index("--device") + 1] == "auto"
    assert (workplace.folder / "check-reports" / "check.xml").exists()


def test_a_fork_runs_nothing_on_the_machine_with_the_phone() -> None:
    assert "head.repo.full_name == github.repository" in job(PHONE)["if"]
    assert "pull_request_target" not in PHONE.read_text() + HOSTED.read_text()


def test_gitlabs_job_compares_both_versions_and_leaves_the_junit_file(
    workplace: Workplace,
) -> None:
    parts = loaded(GITLAB)["latency"]
    variables = {name: str(value) for name, value in parts["variables"].items()} | {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": workplace.first,
        "CI_PROJECT_DIR": str(workplace.folder),
    }
    script = "\n".join([*parts["before_script"], *parts["script"]])
    assert workplace.run(script, workplace.folder, variables) == 0
    assert workplace.run(script, workplace.folder, variables) == 0, "in a folder that was kept"
    assert (workplace.folder / parts["artifacts"]["reports"]["junit"]).exists()
    baseline = workplace.folder / "artifacts" / "baseline" / "my_models.small" / "model.mnn"
    assert baseline.read_text() == "old"


def test_a_regression_ends_every_example(workplace: Workplace) -> None:
    (workplace.folder / "ci" / "baseline").mkdir(parents=True)
    (workplace.folder / "artifacts").mkdir()
    workplace.environ["VERDICT"] = "regressed"
    compare = next(step for step in job(PHONE)["steps"] if step.get("name") == "Compare")
    assert workplace.run(compare["run"], workplace.folder, {}) == 1


def test_every_command_in_the_files_is_one_that_the_program_takes(workplace: Workplace) -> None:
    from asymm_deploy.cli import app

    program: Any = typer.main.get_command(app)
    (workplace.folder / "a").mkdir()
    run_action(workplace, workplace.folder, {"baseline": "a", "candidate": "a"})
    seen = set()
    for name, *arguments in [*workplace.commands, *commands_in_the_guide()]:
        command = program
        given = [name, *arguments]
        while hasattr(command, "commands"):
            command = command.commands[given.pop(0)]
        command.make_context(name, given)  # raises for an option or a value that it doesn't take
        seen.add(name)
    assert {"check", "export", "baseline"} <= seen


def test_the_guide_states_the_level_of_the_intervals() -> None:
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    looks = alpha_spending.planned_looks(LEAST_BLOCKS["paired"], USUAL_BLOCKS["paired"])
    for look in looks:
        level = 1 - 2 * alpha_spending.risk_of_look(look, looks, ALPHA)
        assert f"of {100 * level:.3g} %" in guide
    assert f"a chance of at most {100 * ALPHA:g} %" in guide
    assert f"at most {USUAL_BLOCKS['paired']} paired launches" in guide


def commands_in_the_guide() -> Iterator[Sequence[str]]:
    """Yield the commands of docs/ci.md and of the examples, as the shell would split them."""
    import shlex

    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", guide, flags=re.DOTALL)
    scripts = [
        step["run"] for path in (HOSTED, PHONE) for step in job(path)["steps"] if "run" in step
    ]
    scripts += loaded(GITLAB)["latency"]["script"]
    for script in [*map(textwrap.dedent, blocks), *scripts]:
        for line in script.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;", line.strip(" ()")):
                words = shlex.split(part, comments=True)
                if words[:1] == ["asymm-deploy"]:
                    yield [
                        name
                        for word in words[1:]
                        # as the shell would where there are two files
                        for name in (["1.jsonl", "2.jsonl"] if "*" in word else [word])
                    ]


def checkout(place: Workplace, path: Path, ref: str) -> None:
    subprocess.run(["git", "clone", "-q", str(place.folder), str(path)], check=True)
    subprocess.run(["git", "checkout", "-q", ref], cwd=path, check=True)
