"""Write the methods: every choice behind the numbers, with the values used and the values that the paper states.

The words are in `methods.md.jinja` and in each artefact's `METHODS`, and nowhere else. From them come the report's
Methods and docs/methods.md, which `python -m zfpipe.report.methods` writes from params.yaml.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from zfpipe import paper, params, paths
from zfpipe.params import Params
from zfpipe.report import provenance
from zfpipe.report.engine.artefact import modules
from zfpipe.report.engine.tables import TEMPLATES

HERE = Path(__file__).parent

AS, OTHERWISE, SILENT = "follows the paper", "differs from the paper", "the paper is silent"
"""Relation of a choice to the paper; it follows the paper if every value that the paper states is used."""
SAME, DIFFERS = "\x03", "\x04"
"""Marks of a choice that follows or differs, if its parameters alone don't tell."""
PLACE = re.compile(r"[\x01\x02]([^\x01\x02]+)[\x01\x02]")
"""A parameter in the words of a choice: replaced by its value, or only recorded by name."""


@dataclass(frozen=True)
class Choice:
    """A choice with its values, as HTML and as Markdown, its `standing` to the paper, and its parameters."""

    html: Markup
    markdown: str
    standing: str
    parameters: list[str]


@dataclass(frozen=True)
class Part:
    """The choices about one artefact or one part of the paper."""

    title: str
    where: str
    choices: list[Choice]


def parts(settings: Params) -> list[Part]:
    """Return all choices, in the paper's order, with the values that were used."""
    used, stated = values(settings), paper.values()
    general = (HERE / "methods.md.jinja").read_text(encoding="utf-8")
    own = [
        f"## {one.ARTEFACT.name}: {one.ARTEFACT.title} | section {one.ARTEFACT.section}\n{one.METHODS}"
        for one in modules()
    ]
    text = general.replace("<!-- the artefacts -->", "\n".join(own))
    found = []
    for chapter in re.split(r"(?m)^## ", text)[1:]:
        head, _, body = chapter.partition("\n")
        title, _, where = head.partition(" | ")
        found.append(Part(title, where, choices(body, used, stated)))
    return [part for part in found if part.choices]


def choices(text: str, used: dict[str, Any], stated: dict[str, Any]) -> list[Choice]:
    """Return the choices of a text: each is a Markdown bullet that names parameters by Jinja's `p` and `about`."""

    def known(name: str, mark: str) -> str:
        assert name in used, f"no such parameter: {name}"
        return f"{mark}{name}{mark}"

    rendered = TEMPLATES.from_string(text).render(
        p=lambda name: known(name, "\x01"),
        about=lambda *names: "".join(known(name, "\x02") for name in names),
        value=used.get,
        theirs=stated.get,
        smaller=lambda name: name in stated and used[name] < stated[name],
        same=SAME,
        differs=DIFFERS,
    )
    return [told(" ".join(one.split()), used, stated) for one in re.split(r"(?m)^- ", rendered)[1:]]


def told(words: str, used: dict[str, Any], stated: dict[str, Any]) -> Choice:
    """Return a choice with its values in it, and with the values `stated` by the paper."""
    names = list(dict.fromkeys(PLACE.findall(words)))
    theirs = [name for name in names if name in stated]
    if DIFFERS in words or any(stated[name] != used[name] for name in theirs):
        standing = OTHERWISE
    else:
        standing = AS if theirs or SAME in words else SILENT

    def filled(text: str, ours: str, brackets: str) -> str:
        def beside(found: re.Match[str]) -> str:
            name = found[1]
            shown = ours.format(written(used[name]))
            same = name not in stated or stated[name] == used[name]
            return shown if same else shown + brackets.format(written(stated[name]))

        return re.sub(r"\x01([^\x01]+)\x01", beside, re.sub(r"\s*\x02[^\x02]+\x02|\s*[\x03\x04]", "", text))

    escaped = re.sub(r"`([^`]*)`", r"<code>\1</code>", str(Markup.escape(words)))
    html = filled(escaped, Markup("<b>{}</b>"), Markup(' <span class="theirs">(paper: {})</span>'))
    return Choice(Markup(html), filled(words, "{}", " (paper: {})"), standing, names)


def values(settings: Params) -> dict[str, Any]:
    """Return every parameter and section by its full name; `model` and `alexnet` have the values used in training."""
    tree = provenance.parameters(settings)
    for base in ("model", "alexnet"):
        built = [run for run in tree["runs"].values() if run["base"] == base]
        if built:
            tree[base] = min(built, key=lambda run: len(run["edit"]))["network"]
    drawn = {f"targets.{name}.drawn": target.embedded for name, target in settings.targets}
    return drawn | {name: value for one, section in tree.items() for name, value in provenance.named(one, section)}


def written(value: Any) -> str:
    """Return a value as text: numbers in digits, several values as a list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        *most, last = [written(item) for item in value] or ["none"]
        return f"{', '.join(most)} and {last}" if most else last
    if value is None or isinstance(value, bool):
        return {None: "null", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def markdown(settings: Params) -> str:
    """Return docs/methods.md with the values of `settings`."""
    templates = TEMPLATES.overlay(loader=jinja2.FileSystemLoader(HERE))
    return templates.get_template("methods-page.md.jinja").render(parts=parts(settings)) + "\n"


if __name__ == "__main__":
    print(markdown(params.load(paths.PARAMS)), end="")
