"""The report: one page that opens from disk, with every artefact, the numbers beside it, and how it was made."""

import json
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from zfpipe import paths
from zfpipe.report import agreement, curves, measured, provenance, published
from zfpipe.report.artefacts import ARTEFACTS, Artefact
from zfpipe.report.measured import Metrics
from zfpipe.report.panels import PANELS
from zfpipe.report.provenance import Settings
from zfpipe.report.tables import errors, formats

HERE = Path(__file__).parent
PROJECTIONS = paths.PROJECTIONS / "projections.parquet"
STATISTICS = paths.FILTERS / "filters.json"


def render(settings: Settings) -> str:
    """The page, from the files of the pipeline in the current folder."""
    tree = settings.tree()
    splits = {name: measured.read_split(name) for name in ("train", "val")}
    metrics = {run: measured.read_metrics(paths.METRICS, run) for run in settings.runs}
    pictures: Any = settings.sections["pictures"]
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(HERE),
    )
    return environment.get_template("page.html.jinja").render(
        style=(HERE / "page.css").read_text(),
        banner=provenance.banner(pictures, tree["crops"]["size"], splits["train"], splits["val"]),
        glance=glance(metrics),
        artefacts=ARTEFACTS,
        built=[card(artefact, settings, metrics) for artefact in ARTEFACTS if artefact.built],
        missing=[(artefact, published_table(artefact)) for artefact in ARTEFACTS if not artefact.built],
        runs=[run_line(run, settings, metrics[run]) for run in settings.runs],
        charts=curves.charts({run: measured.read_history(run) for run in settings.runs}),
        histories={run: link(paths.history(run)) for run in settings.runs},
        splits=[(name, split, link(paths.sidecar(name)), link(paths.rejected(name))) for name, split in splits.items()],
        yaml=settings.yaml(),
    )


def link(path: Path) -> str:
    """A file's address from the page, which stands in a folder of the project's root."""
    inside = path.is_relative_to(paths.REPORTS)
    return (path.relative_to(paths.REPORTS) if inside else Path("..") / path).as_posix()


def glance(metrics: dict[str, Metrics]) -> list[tuple[str, str, str]]:
    """The single networks of Table 2 that ran: title, our top-1 error, the published one."""
    titles = {"zfnet": "The network of Fig. 3", "alexnet": "Replication of AlexNet"}
    return [
        (titles[row.run], f"{metrics[row.run]['val_top1']:.1%}", f"{row.values[0]}%")
        for row in reversed(published.TABLE2.rows)
        if row.run in titles and row.run in metrics
    ]


def card(artefact: Artefact, settings: Settings, metrics: dict[str, Metrics]) -> dict[str, Any]:
    """Everything the page shows of one artefact."""
    number = str(artefact.number)
    is_figure = artefact.kind == "Figure"
    source = artefact.made_by[1 if is_figure else 0]  # a figure's data come from the stage before it
    return {
        "artefact": artefact,
        "caption": artefact.caption.format(percentile=settings.tree()["figures"]["percentile"]),
        "parameters": settings.chosen(artefact.parameters),
        "files": [(link(measured.present(Path(path), source)), what) for path, what in artefact.data.items()],
        "picture": picture(number, artefact.made_by[0]) if is_figure else None,
        "table": None if is_figure else error_table(artefact.number, metrics),
        "details": details(artefact.number) if is_figure else None,
    }


def picture(number: str, target: str) -> dict[str, Any]:
    """A figure's address, size and alternative text."""
    path = measured.present(paths.figure(number), target)
    with Image.open(path) as image:
        width, height = image.size
    words = {"2": alternative2, "6": alternative6}[number]()
    return {"src": link(path), "width": width, "height": height, "alt": words}


def alternative2() -> str:
    """Fig. 2 in words."""
    return agreement.summary(pd.read_parquet(measured.present(PROJECTIONS, "projections")))


def alternative6() -> str:
    """Fig. 6 in words."""
    rows = "; ".join(" ".join((row[0], "has a largest RMS", row[4], "times the median")) for row in filter_rows())
    return f"Layer-1 filters of three networks as small colour patterns. {rows}."


def details(number: int) -> dict[str, Any]:
    """A figure's content as a table: what its pictures can't tell everyone."""
    if number == 2:
        table = pd.read_parquet(measured.present(PROJECTIONS, "projections"))
        return {
            "title": "Figure 2 in words",
            "open": False,
            "columns": ("Layer", "Map", "Most frequent class"),
            "rows": agreement.maps(table),
        }
    return {
        "title": "The numbers of Figure 6",
        "open": True,
        "columns": ("Network", "Filters", "RMS clipped at", "Largest RMS", "Times the median", "Dead"),
        "rows": filter_rows(),
    }


def filter_rows() -> list[tuple[str, ...]]:
    """Statistics of layer 1's filters, a row per network; the paper prints none beside sizes and strides."""
    statistics = json.loads(measured.present(STATISTICS, "filters").read_text())
    rows: list[tuple[str, ...]] = []
    for run, title in PANELS:
        if run not in statistics:
            rows.append((title, "not run", "–", "–", "–", "–"))
            continue
        found = statistics[run]
        radius = found["renorm_radius"]
        size = f"{found['filter_size']} × {found['filter_size']}, stride {found['stride']}"
        clipped = "not clipped" if radius is None else f"{radius:g}"
        numbers = (f"{found['rms_max']:.3g}", f"{found['dominance']:.1f}", f"{found['dead']:.0%}")
        rows.append((title, size, clipped, *numbers))
    return rows


def error_table(number: int, metrics: dict[str, Metrics]) -> dict[str, Any]:
    """Table 2 or 3 as its stage wrote it, ready for the page."""
    table = published.TABLES[number]
    path = measured.present(paths.table(str(number)), f"table@{number}")
    cells = errors.ErrorTable(table, formats.read(path), errors.notes(table, metrics))
    heads = [(column, formats.parts(column, cells.cells[0])) for column in table.columns]
    ours = [part == "ours" for _, split in heads for part in split]
    statuses = iter(row["status"] for row in cells.cells)
    rows = [(name, values, next(statuses) if values else "group") for name, values in formats.body(cells)]
    return {"unit": table.unit, "heads": heads, "ours": ours, "rows": rows, "notes": cells.notes, "status": errors}


def published_table(artefact: Artefact) -> dict[str, Any] | None:
    """What the paper prints in a table that is not built yet."""
    if artefact.kind != "Table":
        return None
    table = published.TABLES[artefact.number]
    rows = [(row.name, [published.text(value, table.decimals) for value in row.values]) for row in table.rows]
    return {"unit": table.unit, "columns": table.columns, "rows": rows}


def run_line(run: str, settings: Settings, metrics: Metrics) -> dict[str, Any]:
    """One run: what sets it apart, its size and its errors."""
    entry = settings.tree()["runs"][run]
    edit = ", ".join(f"{name}: {provenance.written(value)}" for name, value in entry["edit"].items())
    return {
        "run": run,
        "what": f"{entry['base']}, {edit}" if edit else entry["base"],
        "seed": entry["seed"],
        "parameters": f"{metrics['parameters']:,}",
        "errors": [f"{metrics[name]:.1%}" for name in ("train_top1", "val_top1", "val_top5")],
        "metrics": link(paths.metrics(run)),
    }
