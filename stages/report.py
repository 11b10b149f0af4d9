"""report: one page with every figure and table, the published numbers beside ours, and how each was made.

Reads reports/figures/, reports/tables/, metrics/, models/RUN/history.csv, the betons' descriptions and lists of
rejected images, projections/, principle/, shapes/, evolution/, features/, filters/, invariance/, occlusion/,
attribution/, correspondence/, transfer/ and comparisons/; writes reports/index.html. Costs a second.
"""

from zfpipe import params, paths, stage
from zfpipe.report import page
from zfpipe.report.provenance import Settings


def main() -> None:
    settings = params.load()
    sections = {
        "pictures": settings.pictures,
        "overlap": settings.overlap,
        "betons": settings.betons,
        "crops": settings.crops,
        "training": settings.training,
        "evaluation": settings.evaluation,
        "deconvnet": settings.deconvnet,
        "projections": settings.projections,
        "evolution": settings.evolution,
        "invariance": settings.invariance,
        "occlusion": settings.occlusion,
        "correspondence": settings.correspondence,
        "attribution": settings.attribution,
        "targets": settings.targets,
        "transfer": settings.transfer,
        "figures": settings.figures,
    }
    networks = {run: settings.network(run) for run in settings.runs}
    with stage.whole(paths.PAGE) as temporary:
        temporary.write_text(
            page.render(Settings(sections, settings.runs, networks, settings.ensembles)), encoding="utf-8"
        )


if __name__ == "__main__":
    stage.run(main)
