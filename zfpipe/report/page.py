"""The report: one page that opens from disk, with every artefact, the numbers beside it, and how it was made."""

from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
from PIL import Image

from zfpipe import paths, store
from zfpipe.report import curves, ledger, methods, provenance
from zfpipe.report.engine.artefact import Artefact, Folder, modules, present
from zfpipe.report.engine.measure import Measure
from zfpipe.report.engine.style import Drawing
from zfpipe.report.engine.tables import TEMPLATES, fill
from zfpipe.report.provenance import Settings

HERE = Path(__file__).parent
GLANCE = {"zfnet": "The network of Fig. 3", "alexnet": "Replication of AlexNet"}
"""The runs whose errors stand at the head of the page."""


def render(settings: Settings) -> str:
    """Return the page, from the files of the pipeline in the current folder."""
    shown = modules()
    splits = {name: provenance.split(name) for name in ("train", "val")}
    metrics = Folder(paths.METRICS, "evaluate@RUN")
    histories = {run: present(paths.history(run), f"train@{run}") for run in settings.runs}
    entries = store.load(present(paths.CLAIMS, "claims"))
    environment = TEMPLATES.overlay(autoescape=True, loader=jinja2.FileSystemLoader(HERE))
    return environment.get_template("page.html.jinja").render(
        style=(HERE / "page.css").read_text(),
        link=link,
        crop=settings.tree()["crops"]["size"],
        pictures=settings.tree()["pictures"],
        imagenet=provenance.is_imagenet(splits),
        cards=[card(module, settings) for module in shown],
        glance=glance(shown, settings),
        verdicts=ledger.VERDICTS,
        tally=ledger.tally(entries),
        summary=ledger.summary(entries),
        rule=ledger.RULE,
        claims=[(entry, ledger.measure(entry)) for entry in entries],
        differences=differences(),
        charts=curves.charts({run: history for run, path in histories.items() if len(history := store.load(path))}),
        runs=[(run, settings.tree()["runs"][run], metrics[f"{run}.json"]) for run in settings.runs],
        splits=splits,
        paths=paths,
        methods=methods.parts(settings),
        determinism=methods.DETERMINISM,
        made_with=provenance.made_with(),
        weights=provenance.checksums(settings.runs),
        yaml=settings.yaml(),
    )


def link(path: Path | str) -> str:
    """Return a file's address from the page, which stands in a folder of the project's root."""
    path = Path(path)
    inside = path.is_relative_to(paths.REPORTS)
    return (path.relative_to(paths.REPORTS) if inside else Path("..") / path).as_posix()


def card(module: ModuleType, settings: Settings) -> dict[str, Any]:
    """Return what the page shows of one artefact."""
    artefact: Artefact = module.ARTEFACT
    data = artefact.data()
    figures: Any = settings.sections["figures"]
    crops: Any = settings.sections["crops"]
    drawing = Drawing(figures.percentile, crops.size)
    files = dict(artefact.files) if data.absent is None else {}
    if artefact.kind == "Table":
        stem = paths.table(artefact.number)
        files = {str(stem.with_suffix(f".{kind}")): words for kind, words in TABLES.items()} | files
    return {
        "artefact": artefact,
        "absent": data.absent,
        "caption": artefact.caption.format(percentile=figures.percentile),
        "parameters": settings.chosen(artefact.parameters),
        "files": {present(Path(path), data.stage): words for path, words in files.items()},
        "picture": picture(module, data, drawing) if artefact.kind == "Figure" else None,
        "filled": fill(module, settings.runs) if artefact.kind == "Table" else None,
        "details": module.details(data) if data.absent is None and hasattr(module, "details") else None,
    }


TABLES = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX"}


def picture(module: ModuleType, data: Folder, drawing: Drawing) -> dict[str, Any]:
    """Return a figure's address, size, words, and the strips of it that the page shows one by one."""
    path = present(paths.figure(module.ARTEFACT.number), module.ARTEFACT.made_by[0])
    with Image.open(path) as image:
        width, height = image.size
    words = f"Not available: {data.absent}." if data.absent else module.alternative(data)
    strips = module.strips(data, drawing) if hasattr(module, "strips") and not data.absent else ()
    return {"src": link(path), "width": width, "height": height, "alt": words, "strips": strips}


def glance(shown: list[ModuleType], settings: Settings) -> list[tuple[str, str, str]]:
    """Return the single networks of Table 2 that ran: title, our top-1 error, the published one."""
    table2 = next(module for module in shown if module.ARTEFACT.name == "Table 2")
    filled = fill(table2, settings.runs)
    column = filled.table.columns[0]
    lines = {line.row.run: line for line in filled.lines if line.ours}
    return [
        (title, *(f"{filled.cell(lines[run], column, part)}%" for part in ("ours", "published")))
        for run, title in GLANCE.items()
        if run in lines
    ]


def differences() -> list[tuple[str, Measure]]:
    """Return the differences between rows of the tables, each with its table."""
    rows = store.load(present(paths.MEASURES, "claims"))
    rows = rows[rows["claim"].isna()].astype(object).where(lambda found: found.notna(), None)
    return [
        (row["artefact"], Measure(**{name: row[name] for name in ledger.NUMBER})) for row in rows.to_dict("records")
    ]
