"""Table 5: Caltech-256, by features of the pretrained network and by the same network trained on Caltech alone."""

from functools import partial

from zfpipe import paths
from zfpipe.report.engine import transfer
from zfpipe.report.engine.artefact import Artefact
from zfpipe.report.engine.tables import Row, Table

ARTEFACT = Artefact(
    name="Table 5",
    section="5.2",
    title="Transfer to Caltech-256",
    caption="The same as Table 4 for a second, larger set.",
    paper="The pretrained network beats the best published accuracy by 19 points (74.2% against 55.2% with 60 images).",
    folder=paths.TRANSFER / "caltech256",
    made_by=("table@5", "transfer@caltech256", "scratch@caltech256", "harvest@caltech256, train@zfnet"),
    parameters=("runs.zfnet", "targets.caltech256", "transfer", "scratch", "crops.size"),
    results={"accuracy.csv": "every fold", "scratch.csv": "every fold from scratch"},
)
ROWS = (
    Row("(Sohn et al., 2011)", (35.1, 42.1, 45.7, 47.9), others=True),
    Row("(Bo et al., 2013)", ((40.5, 0.4), (48.0, 0.2), (51.9, 0.2), (55.2, 0.3)), others=True),
    Row(transfer.SCRATCH, ((9.0, 1.4), (22.5, 0.7), (31.2, 0.5), (38.8, 1.4))),
    Row(transfer.PRETRAINED, ((65.7, 0.2), (70.6, 0.2), (72.7, 0.4), (74.2, 0.3))),
)
TABLE = Table("Accuracy %", 1, ("15 per class", "30 per class", "45 per class", "60 per class"), ROWS)
METHODS = transfer.METHODS.replace("SET", "caltech256")

table = partial(transfer.fill, TABLE, "Caltech-256")
differences = partial(transfer.differences, TABLE, "Caltech-256")
CLAIMS = (transfer.claim(TABLE, "caltech256", "On Caltech-256 too."),)
