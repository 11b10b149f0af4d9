"""Methods: every choice behind the numbers, with the values that were used and the paper's own where it states them.

The one source of the report's Methods and of docs/methods.md, which `python -m zfpipe.report.methods` writes from
params.yaml.
"""

import re
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from zfpipe import paper, params, paths
from zfpipe.network.architecture import variants
from zfpipe.params import Params
from zfpipe.report.choices import SECTIONS, Choice
from zfpipe.report.provenance import Settings

PLACE = re.compile(r"\{([\w.-]+)(!?)\}")
"""A parameter in the words of a choice."""
NAMES_ALONE = re.compile(r" \((?:\{[\w.-]+!\})+\)")
"""A bracket with nothing in it but names."""

AS, OTHERWISE, SILENT = "follows the paper", "differs from the paper", "the paper is silent"
"""How a choice stands to the paper; it follows it where every value that the paper states is used."""


@dataclass(frozen=True)
class Told:
    """A choice with its values, as HTML and as Markdown, its `standing` to the paper, and its parameters."""

    html: Markup
    markdown: str
    standing: str
    parameters: list[str]


@dataclass(frozen=True)
class Part:
    """The choices of one part of the paper."""

    title: str
    where: str
    choices: list[Told]


def parts(settings: Settings) -> list[Part]:
    """All choices, in the paper's order, with the values that were used."""
    used, stated = values(settings), paper.values()
    return [
        Part(title, where, [tell(choice, used, stated) for choice in choices(used.get)])
        for title, where, choices in SECTIONS
    ]


def values(settings: Settings) -> dict[str, Any]:
    """Every parameter and section by its whole name; `model` and `alexnet` as zfnet and alexnet were trained."""
    tree = settings.tree()
    for base in ("model", "alexnet"):
        built = [run for run, entry in settings.runs.items() if entry.base == base]
        if built:
            tree[base] = settings.network(min(built, key=lambda run: len(settings.runs[run].edit)))
    found: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        found[name] = value
        if isinstance(value, dict):
            for field, inside in value.items():
                add(f"{name}.{field}", inside)

    for name, section in tree.items():
        add(name, section)
    for name, target in settings.sections["targets"]:
        found[f"targets.{name}.drawn"] = target.embedded
    return found


def tell(choice: Choice, used: dict[str, Any], stated: dict[str, Any]) -> Told:
    """A choice with its values in it, and with the values `stated` by the paper."""
    names = list(dict.fromkeys(name for name, _ in PLACE.findall(choice.words)))
    unknown = [name for name in names if name not in used]
    assert not unknown, f"no such parameter: {unknown}"
    words = NAMES_ALONE.sub("", choice.words)
    plain = PLACE.sub(lambda found: beside(found, used, stated, "{}", " ({})"), words)
    escaped = re.sub(r"`([^`]*)`", r"<code>\1</code>", str(Markup.escape(words)))
    rich = PLACE.sub(
        lambda found: beside(found, used, stated, Markup("<b>{}</b>"), Markup(' <span class="theirs">({})</span>')),
        escaped,
    )
    return Told(Markup(rich), plain, standing(choice, names, used, stated), names)


def beside(found: re.Match[str], used: dict[str, Any], stated: dict[str, Any], ours: str, theirs: str) -> str:
    """A value, and the paper's where that is another; nothing for a parameter that is only named."""
    name, only_named = found.groups()
    if only_named:
        return ""
    shown = ours.format(written(used[name]))
    if name not in stated or stated[name] == used[name]:
        return shown
    return shown + theirs.format(f"paper: {written(stated[name])}")


def standing(choice: Choice, names: list[str], used: dict[str, Any], stated: dict[str, Any]) -> str:
    """Whether it was done as in the paper, otherwise, or the paper does not say."""
    known = [name for name in names if name in stated]
    if choice.paper == "otherwise" or any(stated[name] != used[name] for name in known):
        return OTHERWISE
    return AS if known or choice.paper == "as there" else SILENT


def written(value: Any) -> str:
    """A value in words: numbers in digits, several in a row."""
    if isinstance(value, list | tuple):
        *most, last = [written(item) for item in value] or ["none"]
        return f"{', '.join(most)} and {last}" if most else last
    if value is None or isinstance(value, bool):
        return {None: "null", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


HEAD = """# Methods: every choice behind the numbers

Written by `python -m zfpipe.report.methods > docs/methods.md` from `params.yaml`: the values are those of the default
run, the embedded, quarter-width one; `profiles/imagenet.yaml` holds the paper's own. Each report has the same sentences
with the values that it was made with. A choice *follows the paper* where every value that the paper states is used, and
*differs* where one is not; then the paper's stands in brackets.
"""

DETERMINISM = (
    "float32 on the CPU is deterministic; the bytes depend on the kind of CPU and the number of threads torch computes "
    "with, not on the number of loader workers. On a GPU results vary in the last digits."
)


def markdown(settings: Params) -> str:
    """docs/methods.md, with the values of some parameters."""
    lines = [HEAD]
    for part in parts(of(settings)):
        lines.append(f"## {part.title} ({part.where})")
        for told in part.choices:
            names = ", ".join(f"`{name}`" for name in told.parameters)
            lines.append(f"- {told.markdown} *{told.standing.capitalize()}.*" + f" ({names})" * bool(names))
        lines.append("")
    return "\n".join([*lines, "## Determinism", DETERMINISM, ""])


def of(settings: Params) -> Settings:
    """What the page knows of params.yaml, from the whole of it."""
    sections = {name: getattr(settings, name) for name in type(settings).model_fields if name not in APART}
    return Settings(sections | (settings.model_extra or {}), settings.runs, variants(settings), settings.ensembles)


APART = ("model", "alexnet", "runs", "ensembles")
"""Not sections of the page's own: a run's network is spelled out instead."""


if __name__ == "__main__":
    print(markdown(params.load(paths.PARAMS)), end="")
