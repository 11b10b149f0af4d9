"""Render the report: one page that opens from disk, with every artefact, its numbers, and how it was made."""

from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
from PIL import Image

from zfpipe import paths, store, unavailable
from zfpipe.params import Params
from zfpipe.report import ledger, methods, provenance
from zfpipe.report.engine.artefact import Artefact, Folder, modules, present
from zfpipe.report.engine.measure import Measure, percent
from zfpipe.report.engine.style import Drawing
from zfpipe.report.engine.tables import TEMPLATES, fill

HERE = Path(__file__).parent
GLANCE = {"zfnet": "The network of Fig. 3", "alexnet": "Replication of AlexNet"}
"""The runs whose errors are shown at the top of the page."""


def render(settings: Params) -> str:
    """Return the page, from the files of the pipeline in the current folder."""
    shown, tree = modules(), provenance.parameters(settings)
    train, val = (provenance.split(name) for name in ("train", "val"))
    metrics = Folder(paths.METRICS, "evaluate@RUN")
    histories = {run: store.load(present(paths.history(run), f"train@{run}")) for run in settings.runs}
    entries = store.load(present(paths.CLAIMS, "claims"))
    environment = TEMPLATES.overlay(autoescape=True, loader=jinja2.FileSystemLoader([HERE, HERE / "engine"]))
    return environment.get_template("page.html.jinja").render(
        style=(HERE / "page.css").read_text(),
        link=link,
        paths=paths,
        no_atlas=unavailable.reason(paths.ATLAS),
        pictures=tree["pictures"],
        crop=settings.crops.size,
        splits={"train": train, "val": val},
        imagenet=provenance.is_imagenet(train, val),
        glance=glance(shown, settings, metrics),
        model=settings.model,
        cards=[card(module, settings, tree) for module in shown],
        verdicts=ledger.VERDICTS,
        tally=ledger.tally(entries),
        summary=ledger.summary(entries),
        by_chance=ledger.by_chance(entries),
        claims=[(entry, ledger.measure(entry)) for entry in entries],
        differences=differences(),
        histories={run: history.to_dict("list") for run, history in histories.items() if len(history)},
        runs=[(run, entry, metrics[f"{run}.json"]) for run, entry in tree["runs"].items()],
        methods=methods.parts(settings),
        made_with=provenance.made_with(),
        weights=provenance.checksums(settings.runs),
        yaml=provenance.yaml(tree),
    )


def link(path: Path | str) -> str:
    """Return a file's address relative to the page, which is in a folder of the project's root."""
    path = Path(path)
    inside = path.is_relative_to(paths.REPORTS)
    return (path.relative_to(paths.REPORTS) if inside else Path("..") / path).as_posix()


def card(module: ModuleType, settings: Params, tree: dict[str, Any]) -> dict[str, Any]:
    """Return the page's values for one artefact."""
    artefact: Artefact = module.ARTEFACT
    data, kind = artefact.data(), artefact.kind
    files = dict(artefact.files) if data.absent is None else {}
    if kind == "Table":
        own = paths.table(artefact.number)
        files = {own: "CSV", own.with_suffix(".md"): "Markdown", own.with_suffix(".tex"): "LaTeX"} | files
    return {
        "artefact": artefact,
        "caption": artefact.caption.format(percentile=settings.figures.percentile),
        "parameters": provenance.chosen(tree, artefact.parameters),
        "files": {present(Path(path), data.stage): words for path, words in files.items()},
        "picture": picture(module, data, settings) if kind == "Figure" else None,
        "filled": fill(module, settings.own_runs) if kind == "Table" else None,
        "details": module.details(data) if data.absent is None and hasattr(module, "details") else None,
    }


def picture(module: ModuleType, data: Folder, settings: Params) -> dict[str, Any]:
    """Return a figure's address, size, words, and the strips that the page shows one by one."""
    path = present(paths.figure(module.ARTEFACT.number), module.ARTEFACT.made_by[0])
    with Image.open(path) as image:
        width, height = image.size
    words = f"Not available: {data.absent}." if data.absent else module.alternative(data)
    drawing = Drawing(settings.figures.percentile, settings.crops.size)
    strips = module.strips(data, drawing) if hasattr(module, "strips") and not data.absent else ()
    return {"src": link(path), "width": width, "height": height, "alt": words, "strips": strips}


def glance(shown: list[ModuleType], settings: Params, metrics: Folder) -> list[tuple[str, str, str | None]]:
    """Return a network that was trained elsewhere and the single networks of Table 2 that ran.

    Each has a title, our top-1 error, and the published error, or None if the paper has no such network.
    """
    filled = fill(next(module for module in shown if module.ARTEFACT.name == "Table 2"), settings.own_runs)
    lines = {line.row.run: line for line in filled.lines if line.ours}

    def cell(run: str, part: str) -> str:
        return f"{filled.cell(lines[run], filled.table.columns[0], part)}%"

    source = settings.model.origin
    other = [] if source is None else [(source, percent(metrics["zfnet.json"]["val_top1"], 1), None)]
    own = [(title, cell(run, "ours"), cell(run, "published")) for run, title in GLANCE.items() if run in lines]
    return [*other, *own]


def differences() -> list[tuple[str, Measure]]:
    """Return the differences between rows of the tables, each with its table."""
    rows = store.load(present(paths.MEASURES, "claims")).astype({"n": "Int64"})
    rows = rows[rows["claim"].isna()].astype(object).where(lambda found: found.notna(), None).to_dict("records")
    return [(row["artefact"], Measure(**{name: row[name] for name in ledger.NUMBER})) for row in rows]
