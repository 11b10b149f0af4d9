"""The report: one page that opens from disk, with every artefact, the numbers beside it, and how it was made."""

from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from zfpipe import paths, unavailable
from zfpipe.report import curves, methods, provenance
from zfpipe.report.artefacts import ARTEFACTS, FIG7, FIG7B, Artefact
from zfpipe.report.claims import written
from zfpipe.report.figures import fig1, fig2, fig3, fig4, fig5, fig6, fig7, fig7b, fig8, fig9
from zfpipe.report.numbers import errors, formats, measured, published
from zfpipe.report.numbers.measured import Metrics
from zfpipe.report.provenance import Settings
from zfpipe.report.tables import comparisons, features, table1, table2, table3, table4, table5, table6, table7

HERE = Path(__file__).parent
FIGURES: dict[str, Any] = {
    "1": fig1, "2": fig2, "3": fig3, "4": fig4, "5": fig5, "6": fig6, "7": fig7, "7b": fig7b, "8": fig8,
    "9": fig9,
}  # fmt: skip
TABLES: dict[int, Any] = {1: table1, 2: table2, 3: table3, 4: table4, 5: table5, 6: table6, 7: table7}

CLAIM_FILES = {paths.CLAIMS: "claims.json", paths.CLAIMS.with_suffix(".md"): "claims.md"}


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
        glance=glance(),
        claims=written.view(written.read(paths.CLAIMS)),
        claim_files=[(link(path), what) for path, what in CLAIM_FILES.items()],
        artefacts=ARTEFACTS,
        cards=[card(artefact, settings) for artefact in shown()],
        atlas=link(measured.present(paths.ATLAS / "index.html", "atlas")),
        features=features.table(paths.FEATURES),
        comparisons=comparisons.table(paths.COMPARISONS),
        comparison_files=[(link(path), what) for path, what in comparisons.DATA.items()],
        feature_files=[(link(path), what) for path, what in features.DATA.items()],
        runs=[run_line(run, settings, metrics[run]) for run in settings.runs],
        charts=curves.charts({run: history for run in settings.runs if len(history := measured.read_history(run))}),
        histories={run: link(paths.history(run)) for run in settings.runs},
        splits=[(name, split, link(paths.sidecar(name)), link(paths.rejected(name))) for name, split in splits.items()],
        methods=methods.parts(settings),
        determinism=methods.DETERMINISM,
        made_with=made_with(splits),
        weights=provenance.checksums(settings.runs),
        yaml=settings.yaml(),
    )


def made_with(splits: dict[str, measured.Split]) -> dict[str, Any]:
    """Versions now and when the betons were written, and where they are not those that constraints.txt asks for."""
    installed, pinned = provenance.versions(), provenance.pins(provenance.CONSTRAINTS.read_text())
    return {
        "versions": installed,
        "off": {name: pinned[name] for name in provenance.LIBRARIES if installed[name] != pinned[name]},
        "betons": {paths.beton(name): split for name, split in splits.items()},
    }


def shown() -> list[Artefact]:
    """What has a place of its own on the page: the paper's artefacts, ours among them."""
    after = ARTEFACTS.index(FIG7) + 1
    return [*ARTEFACTS[:after], FIG7B, *ARTEFACTS[after:]]


def link(path: Path) -> str:
    """A file's address from the page, which stands in a folder of the project's root."""
    inside = path.is_relative_to(paths.REPORTS)
    return (path.relative_to(paths.REPORTS) if inside else Path("..") / path).as_posix()


def glance() -> list[tuple[str, str, str]]:
    """The single networks of Table 2 that ran: title, our top-1 error as that table has it, the published one."""
    titles = {"zfnet": "The network of Fig. 3", "alexnet": "Replication of AlexNet"}
    ours = {row["run"]: row["ours_val_top1"] for row in formats.read(measured.present(paths.table("2"), "table@2"))}
    return [
        (titles[row.run], f"{ours[row.run]}%", f"{row.values[0]}%")
        for row in reversed(published.TABLE2.rows)
        if row.run in titles and row.run in ours
    ]


def card(artefact: Artefact, settings: Settings) -> dict[str, Any]:
    """Everything the page shows of one artefact."""
    number = str(artefact.number)
    is_figure = artefact.kind == "Figure"
    absent = unavailable.reason(FIGURES[number].FOLDER) if is_figure else None
    source = artefact.made_by[1 if is_figure else 0]  # a figure's data come from the stage before it
    return {
        "artefact": artefact,
        "caption": artefact.caption.format(percentile=settings.tree()["figures"]["percentile"]),
        "parameters": settings.chosen(artefact.parameters),
        "files": [
            (link(measured.present(Path(path), source)), what) for path, what in artefact.data.items() if not absent
        ],
        "picture": picture(number, artefact.made_by[0]) if is_figure else None,
        "table": None if is_figure else table(int(artefact.number), settings),
        "details": FIGURES[number].details(FIGURES[number].FOLDER) if is_figure and not absent else None,
    }


def picture(number: str, target: str) -> dict[str, Any]:
    """A figure's address, size and alternative text."""
    path = measured.present(paths.figure(number), target)
    with Image.open(path) as image:
        width, height = image.size
    module = FIGURES[number]
    absent = unavailable.reason(module.FOLDER)
    words = f"Not available: {absent}." if absent else module.alternative(module.FOLDER)
    return {"src": link(path), "width": width, "height": height, "alt": words}


def table(number: int, settings: Settings) -> dict[str, Any]:
    """A table as its stage wrote it, ready for the page."""
    table = published.TABLES[number]
    path = measured.present(paths.table(str(number)), f"table@{number}")
    notes = TABLES[number].build(TABLES[number].FOLDER, settings.runs).notes
    cells = errors.PaperTable(table, formats.read(path), notes)
    heads = [(column, formats.parts(column, cells.cells[0])) for column in table.columns]
    ours = [part == "ours" for _, split in heads for part in split]
    statuses = iter(row["status"] for row in cells.cells)
    rows = [(name, values, next(statuses) if values else "group") for name, values in formats.body(cells)]
    return {"unit": table.unit, "heads": heads, "ours": ours, "rows": rows, "notes": cells.notes, "status": errors}


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
