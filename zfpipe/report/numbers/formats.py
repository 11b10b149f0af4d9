"""Tables written out: CSV for programs, Markdown and LaTeX for people."""

import csv
import io
from pathlib import Path

from zfpipe import store
from zfpipe.report.numbers.errors import NOT_RUN, Cells, PaperTable, key

TEX = {
    "&": r"\&",
    "%": r"\%",
    "∗": r"$^{*}$",
    "–": "--",
    "−": "$-$",
    "#": r"\#",
    "_": r"\_",
    "×": r"$\times$",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
}


def write(table: PaperTable, path: Path) -> None:
    """Writes the table as `path`, a .csv, and beside it .md and .tex."""
    for suffix, words in ((".csv", values(table)), (".md", markdown(table)), (".tex", latex(table))):
        with store.whole(path.with_suffix(suffix)) as temporary:
            temporary.write_text(words, encoding="utf-8")


def read(path: Path) -> list[Cells]:
    """The cells of a table that `write` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values(table: PaperTable) -> str:
    """Every cell, as comma-separated values; empty where there is no number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, table.cells[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.cells)
    return text.getvalue()


def parts(column: str, cells: Cells) -> list[str]:
    """What the paper's column splits into: `published`, `ours` and, where there is one, `difference` and others."""
    return [part for part in ("published", "ours", "difference", "all", "changed") if f"{part}_{key(column)}" in cells]


def shown(cells: Cells, part: str, column: str) -> str:
    """A cell as people read it: a dash for nothing, a true minus, `not run` where we have no run."""
    words = cells[f"{part}_{key(column)}"]
    if part == "ours" and not words and cells["status"] == NOT_RUN:
        return NOT_RUN
    return words.replace("-", "−") or "–"


def body(table: PaperTable) -> list[tuple[str, list[str]]]:
    """Rows: a name and the cells in order; the title of a group of rows comes with no cells."""
    rows: list[tuple[str, list[str]]] = []
    group = ""
    for cells in table.cells:
        if cells.get("group", "") != group:
            group = cells["group"]
            rows.append((group, []))
        split = [(part, column) for column in table.published.columns for part in parts(column, cells)]
        rows.append((cells["row"], [shown(cells, part, column) for part, column in split]))
    return rows


def markdown(table: PaperTable) -> str:
    """A table for GitHub and the like."""
    columns = [f"{column} {part}" for column in table.published.columns for part in parts(column, table.cells[0])]
    lines = [f"**Table {table.published.number}. {table.published.title}** (section {table.published.section})", ""]
    lines += [f"| {table.published.unit} | " + " | ".join(columns) + " |", "|---" + "|---:" * len(columns) + "|"]
    for name, values in body(table):
        lines.append(f"| {name} | {' | '.join(values)} |" if values else f"| **{name}** |" + " |" * len(columns))
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes), ""])


def latex(table: PaperTable) -> str:
    """A tabular for LaTeX with booktabs."""
    splits = [(column, parts(column, table.cells[0])) for column in table.published.columns]
    width = sum(len(split) for _, split in splits)
    start, heads, rules = 2, [], []
    for column, split in splits:
        heads.append(rf"\multicolumn{{{len(split)}}}{{c}}{{{column}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(split) - 1}}}")
        start += len(split)
    lines = [
        rf"% Table {table.published.number}: {table.published.title}. Needs the package booktabs",
        rf"\begin{{tabular}}{{p{{0.3\textwidth}}{'r' * width}}}",
        r"\toprule",
        rf"{escaped(table.published.unit)} & " + " & ".join(heads) + r" \\",
        "".join(rules),
        " & " + " & ".join(part for _, split in splits for part in split) + r" \\",
        r"\midrule",
    ]
    for name, cells in body(table):
        title = rf"\multicolumn{{{width + 1}}}{{l}}{{\emph{{{escaped(name)}}}}}"
        lines.append((" & ".join(escaped(cell) for cell in [name, *cells]) if cells else title) + r" \\")
    lines += [r"\bottomrule"]
    lines += [
        rf"\multicolumn{{{width + 1}}}{{p{{\textwidth}}}}{{\footnotesize {escaped(note)}}} \\" for note in table.notes
    ]
    return "\n".join([*lines, r"\end{tabular}", ""])


def escaped(words: str) -> str:
    """Words as LaTeX takes them."""
    return "".join(TEX.get(letter, letter) for letter in words)
