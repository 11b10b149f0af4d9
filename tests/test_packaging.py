"""Test what is installed, and what an installation holds."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import ruamel.yaml
from flit_core import buildapi
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.imports import ROOT
from zfpipe.__main__ import EXAMPLES, parser
from zfpipe.report import provenance
from zfpipe.tools import check

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = (
    ["profile", "smoke"],
    ["profile", "--list"],
    ["check"],
    ["fetch", "voc2012"],
    ["repro", "--jobs", "1"],
    ["verify"],
)
ENTRY = re.compile(r"console_scripts\]\n(\w+)=([\w.]+):(\w+)")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that `pip install .` puts beside the other packages."""
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as here:
        here.chdir(ROOT)
        wheel = buildapi.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, command: Sequence[str], folder: Path) -> tuple[int, str, str]:
    """Run a command elsewhere, with the installed package before all others on the path."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "broken", ["", "ruff format", "ruff check", "pyright", "no:cacheprovider", "pytest tests --ignore"]
)
def test_make_test_runs_every_part_and_fails_if_one_fails(broken: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "constraints.txt").touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("python", "ruff", "pyright"):
        script = tmp_path / ".venv/bin" / name
        fails = f"[[ '{broken}' && \"$said\" == *'{broken}'* ]] && exit 1"
        script.write_text(f'#!/bin/bash\nsaid="{name} $*"\necho "$said" >> ran\n{fails}\nexit 0\n')
        script.chmod(0o755)
    (tmp_path / ".venv/complete").touch()
    done = subprocess.run(["make", "test"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    ran = (tmp_path / "ran").read_text()
    assert (done.returncode == 0) is (broken == "")
    beside, rest = (
        next(line.split() for line in ran.splitlines() if mark in line) for mark in ("no:", "tests --ignore")
    )
    several = {word for word in beside if word.startswith("tests/")}
    assert several >= {"tests/test_end_to_end.py", "tests/test_null.py"}
    assert several == {word for word in rest if word.startswith("tests/")}, "a test runs twice or never"
    assert broken or ("ruff format --check ." in ran and "ruff check ." in ran and "pyright" in ran)


def test_the_citation_and_the_changelog_have_the_version() -> None:
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text()
    assert (ROOT / "CHANGELOG.md").read_text().startswith(f"# Changelog\n\n## {PROJECT['version']} (")


@pytest.mark.parametrize("command", ["", "look", "check", "profile", "fetch", "repro", "verify"])
def test_the_help_of_every_command_ends_with_its_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args([*command.split(), "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.endswith(f"\nexamples:\n{EXAMPLES[command]}\n")


def test_yaml_is_parsed_in_c() -> None:
    """DVC parses dvc.yaml and dvc.lock again for every stage.

    Without the C parser a run with nothing to do takes twice as long.
    """
    assert ruamel.yaml.__with_libyaml__


def test_an_installation_holds_every_file_of_the_package(installed: Path) -> None:
    def files(root: Path) -> set[str]:
        found = (path for path in (root / "zfpipe").rglob("*") if path.is_file())
        return {str(path.relative_to(root)) for path in found if "__pycache__" not in path.parts}

    assert files(installed) == files(ROOT)
    assert {Path(name).suffix for name in files(installed)} >= {".py", ".css", ".html", ".jinja"}


def test_the_console_command_starts_anywhere(installed: Path, tmp_path: Path) -> None:
    entry = ENTRY.search(next(installed.glob("*.dist-info/entry_points.txt")).read_text())
    assert entry is not None
    name, module, function = entry.groups()
    script = f"import sys, {module}; sys.argv = ['{name}', '--help']; print({module}.__file__); {module}.{function}()"
    status, out, err = run(installed, [sys.executable, "-c", script], tmp_path)
    assert (status, err) == (0, "")
    assert out.startswith(f"{installed / 'zfpipe/__main__.py'}\nusage: zfpipe ")


def test_the_environment_has_the_console_command(tmp_path: Path) -> None:
    status, out, _ = run(tmp_path, [str(Path(sys.executable).with_name("zfpipe")), "--help"], tmp_path)
    assert status == 0
    assert out.startswith("usage: zfpipe ")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_outside_a_project_says_so_in_one_line(command: list[str], installed: Path, tmp_path: Path) -> None:
    status, out, err = run(installed, [sys.executable, "-m", "zfpipe", *command], tmp_path)
    expected = f"zfpipe: no params.yaml or dvc.yaml in {tmp_path}; run zfpipe in a project's folder, such as a clone\n"
    assert (status, out, err) == (1, "", expected)


def test_constraints_satisfy_the_requirements_of_the_project() -> None:
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    pins = provenance.pins((ROOT / "constraints.txt").read_text())
    for one in map(Requirement, asked):
        assert Version(pins[canonicalize_name(one.name)]) in one.specifier, one


def test_check_requires_the_lowest_versions_of_the_project() -> None:
    asked = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}
    assert {name: str(asked[name]) for name in check.LIBRARIES} == {
        name: f">={oldest}" for name, oldest in check.LIBRARIES.items()
    }


def test_every_import_of_the_package_is_a_dependency() -> None:
    """zfpipe and the stages must ask by name for what they import, since another package may stop requiring it."""
    from importlib.metadata import packages_distributions

    asked = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]}
    brings = packages_distributions()
    files = [*ROOT.glob("zfpipe/**/*.py"), *ROOT.glob("stages/*.py")]
    found = {name for path in files for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.M)}
    missing = {name for name in found if name in brings and not asked & set(map(canonicalize_name, brings[name]))}
    assert missing - {"zfpipe"} == set()
