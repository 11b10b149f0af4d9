"""Test that every command, stage, parameter, profile, file and link in the documentation exists."""

import ast
import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import shtab
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from ruamel.yaml import YAML

from tests.imports import ROOT
from zfpipe import __main__, params
from zfpipe.errors import UserError
from zfpipe.network.architecture import variants
from zfpipe.tools import fetch, profiles

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
NEW = {"firing", "fig10", "zfnet-dropout50", "tabled"}
"""Names that the reader of CONTRIBUTING adds."""
PLACEHOLDERS = {"N": "2", "SET": "caltech101", "NAME": "smoke", "FOLDER": ".", "SPLIT": "val"}
"""Placeholders that a reader replaces, and a valid replacement."""
SHELL = {".", "git", "export", "srun", "uv"}
"""Commands of other programs in the documentation, which can't be checked here."""
PARAMS = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
DAG = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


@cache
def stages() -> set[str]:
    """Return every target that `dvc repro` takes."""
    found = {"firing", "figure@10"}
    for name, entry in DAG.items():
        items = entry.get("foreach", [])
        items = {"${runs}": [*PARAMS["runs"], *NEW], "${targets}": PARAMS["targets"]}.get(str(items), items)
        found |= {name, *(f"{name}@{item}" for item in items)}
    return found


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of each fenced block."""
    for match in re.finditer(r"^ *(?:\d\. )?```(\w*)\n(.*?)^ *```", text, re.M | re.S):
        yield match[1], match[2]


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^ *(?:\d\. )?```\w*\n.*?^ *```", "", text, flags=re.M | re.S)


def commands(text: str) -> Iterator[str]:
    """Yield every command of a page: the lines of fenced blocks, and text in backticks that begins like a command."""
    for language, block in fenced(text):
        if language not in ("python", "yaml"):
            yield from (part for line in block.replace("\\\n", " ").splitlines() for part in line.split(" && "))
    for words in re.findall(r"`([^`]+)`", prose(text)):
        if re.match(r"(python3? -|zfpipe \w|make \w|dvc (?!(exp|metrics|params|plots)$)\w|ZFPIPE_\w+=\S+ )", words):
            yield " ".join(words.split())


def problem(command: str) -> str | None:
    """Return what is wrong with a command, or None."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command, comments=True)]
    while words and re.match(r"\w+=", words[0]):
        name = words.pop(0).partition("=")[0]
        if name.startswith("ZFPIPE_") and not any(name in path.read_text() for path in ROOT.glob("zfpipe/**/*.py")):
            return f"nothing reads {name}"
    if not words or words[0] in SHELL or "$(" in command:
        return None
    try:
        if words[0] == "make":
            made = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
            return next((f"no target {word}" for word in words[1:] if "=" not in word and word not in made), None)
        if words[0] == "dvc":
            return dvc_problem(words[1], vars(dvc_parser().parse_args(words[1:])))
        if words[0] == "zfpipe":
            return module_problem(*words)
        if words[:2] == ["python", "-m"]:
            return module_problem(*words[2:])
        if words[:2] == ["python", "-c"]:
            ast.parse(words[2])
            return None
    except (SystemExit, DvcParserError, SyntaxError, UserError) as error:
        return f"not a command: {error}"
    return f"no such command: {words[0]}"


@cache
def dvc_parser() -> Any:
    return get_main_parser()


def dvc_problem(name: str, given: dict[str, Any]) -> str | None:
    """Return what is wrong with the targets and parameters of a DVC command, or None."""
    targets = given.get("targets") or []
    if name in ("metrics", "plots"):
        files = [Path(target).stem for target in targets]
        return next((f"no metrics of {run}" for run in files if run not in {*PARAMS["runs"], *NEW}), None)
    changes = [change.partition("=") for change in given.get("set_param") or []]
    unknown = [target for target in targets if target not in stages()]
    unknown += [name for name, _, _ in changes if not is_parameter(name)]
    if unknown:
        return f"no stage or parameter {unknown[0]}"
    tree = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for name, _, value in changes:
        *sections, last = name.split(".")
        place = tree
        for section in sections:
            place = place[section]
        place[last] = YAML(typ="safe").load(value)
    text = io.StringIO()
    YAML().dump(tree, text)
    variants(params.parse(text.getvalue(), "params.yaml"))
    return None


def is_parameter(name: str) -> bool:
    """Return whether params.yaml has a field of this name."""
    place: Any = PARAMS
    for key in name.split("."):
        if not isinstance(place, dict) or key not in place:
            return False
        place = place[key]
    return True


def there(name: str) -> bool:
    """Return whether a file exists, or the reader of CONTRIBUTING adds it."""
    return (ROOT / name).exists() or Path(name).stem.removeprefix("test_") in NEW


def module_problem(module: str, *words: str) -> str | None:
    """Return what is wrong with a command `python -m MODULE WORDS`, or None."""
    if module == "zfpipe":
        given = __main__.parser().parse_args(words)
        named = given.name if given.command == "profile" else getattr(given, "profile", None)
        known = profiles.summaries(ROOT / "profiles")
        unknown = [] if named is None or named in known else [named]
        unknown += [target for target in getattr(given, "targets", []) if target not in stages()]
        unknown += [given.set] if given.command == "fetch" and given.set not in (*fetch.SETS, "imagenet") else []
        return f"no profile, stage or set {unknown[0]}" if unknown else None
    if module == "pytest":
        files = [word for word in words if not word.startswith("-")]
        return next((f"no file {word}" for word in files if not there(word)), None)
    if not (ROOT / f"{module.replace('.', '/')}.py").exists() and module.rpartition(".")[2] not in NEW:
        return f"no module {module}"
    if module.startswith("stages.") and words and f"{module.partition('.')[2]}@{words[0]}" not in stages():
        return f"no {words[0]} in {module}"
    return None


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("ZFPIPE_DEVICE=cuda python -m zfpipe repro --jobs 4  # as many as GPUs", None),
        ("dvc exp run -S model.stride=4 figure@2", None),
        ("dvc exp run -S model.stride=4 -S model.conv2.stride=4", "maps shrink"),
        ("dvc repro figure@99", "figure@99"),
        ("dvc reproduce", "not a command"),
        ("dvc repro --forces", "not a command"),
        ("dvc exp run -S model.strides=4", "model.strides"),
        ("dvc metrics show metrics/zfnets.json", "zfnets"),
        ("python -m zfpipe verify --twice", "not a command"),
        ("python -m zfpipe profile imagenett", "imagenett"),
        ("python -m stages.harvests caltech101", "stages.harvests"),
        ("python -m stages.harvest caltech", "caltech"),
        ("python -m benchmarks.nothing", "benchmarks.nothing"),
        ("python -m pytest tests/test_nothing.py", "tests/test_nothing.py"),
        ("python -c 'import nets;;'", "not a command"),
        ("make everything", "everything"),
        ("ZFPIPE_SURELY_NOT=2 dvc repro", "ZFPIPE_SURELY_NOT"),
        ("zfpipe check", None),
        ("zfpipe verifies", "not a command"),
        ("zfpipe fetch caltech", "caltech"),
        ("zfnet check", "zfnet"),
    ],
)
def test_a_wrong_command_is_seen(command: str, wrong: str | None) -> None:
    found = problem(command)
    assert found is None if wrong is None else wrong in str(found)


@pytest.mark.parametrize("name", __main__.EXAMPLES)
def test_the_examples_of_the_help_are_commands(name: str) -> None:
    lines = [line.strip() for line in __main__.EXAMPLES[name].splitlines()]
    wrong = [f"{line}: {found}" for line in lines if (found := problem(re.split(r" {3,}", line)[0]))]
    assert lines and not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    wrong = [f"{command}: {found}" for command in commands(text) if (found := problem(command))]
    wrong += [
        f"{block.splitlines()[0]}: not Python"
        for language, block in fenced(text)
        if language == "python" and not parses(block)
    ]
    for name in re.findall(r"`(?:-S )?([a-z_]+(?:\.[\w-]+)+)(?:[:=][^`]*)?`", prose(text)):
        parts = name.split(".")
        if (
            parts[0] in PARAMS
            and parts[-1] not in ("jpg", "parquet", "csv")
            and not any(part.isupper() for part in parts)
        ):
            wrong += [] if is_parameter(name) else [f"no parameter {name}"]
    for name in re.findall(r"`((?:tests|zfpipe|stages|profiles|benchmarks|docs)/[\w./-]*)", prose(text)):
        wrong += [] if there(name) else [f"no file {name}"]
    wrong += [f"no page {target}" for target in re.findall(r"\]\(([^)]+)\)", text) if not leads(page, target)]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_have_at_most_100_characters(page: Path) -> None:
    assert not too_long(page.read_text())


def test_a_long_line_is_seen_but_not_a_row_or_a_link() -> None:
    word, link = "x" * 101, f"[{'x' * 101}](guide.md)"
    assert too_long(f"| {word} |\n{link}\n!{link}\n- {link}.\n{'±' * 100}\n") == []
    assert too_long(f"{word}\na {link}\n```\n{word}\n```\n") == [1, 2, 4]


def too_long(text: str) -> list[int]:
    """Return the numbers of lines with more than 100 characters, except rows of tables and lines with only a link."""
    alone = re.compile(r"\||\s*(- )?!?\[[^\]]*\]\([^)]*\)\W?$")
    lines = enumerate(text.splitlines(), start=1)
    return [number for number, line in lines if len(line) > 100 and not alone.match(line)]


def parses(block: str) -> bool:
    """Return whether a block, perhaps within a list, is Python."""
    try:
        ast.parse("\n".join(line.removeprefix("   ") for line in block.splitlines()) if block[0] == " " else block)
    except SyntaxError:
        return False
    return True


def leads(page: Path, target: str) -> bool:
    """Return whether a link within the repository leads to a file, and to a heading of this file."""
    if target.startswith("https://"):
        return True
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    if not file.exists():
        return False
    headings = re.findall(r"^#+ (.+)$", prose(file.read_text()), re.M) if anchor else []
    return not anchor or anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_shell_completes_commands_and_options(tmp_path: Path) -> None:
    (tmp_path / "zfpipe.sh").write_text(shtab.complete(__main__.parser(), "bash"))
    for line, expected in (("zfpipe rep", "repro"), ("zfpipe look --weig", "--weights")):
        words = line.split()
        asked = f"source zfpipe.sh; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_zfpipe {line}"
        command = ["bash", "-c", f'{asked}; echo "${{COMPREPLY[*]}}"']
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert found.stdout.split() == [expected]


def test_each_folder_of_code_is_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = set(re.findall(r"^\| (.*?) \|", text.partition("## What each folder is for")[2].partition("\n## ")[0], re.M))
    named = {name for row in rows for name in re.findall(r"`(.*?)/`", row)}
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    top = {name.partition("/")[0] for name in tracked if "/" in name and not name.startswith(".")}
    packages = {"/".join(name.split("/")[:2]) for name in tracked if re.match("zfpipe/.*/", name)}
    assert named == top - {"zfpipe"} | packages
