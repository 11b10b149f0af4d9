"""Table 4: Caltech-101, by features of the pretrained network and by the same network trained on Caltech alone."""

from functools import partial

from zfpipe import paths
from zfpipe.report.engine import transfer
from zfpipe.report.engine.artefact import Artefact
from zfpipe.report.engine.tables import Row, Table

ARTEFACT = Artefact(
    name="Table 4",
    section="5.2",
    title="Transfer to Caltech-101",
    caption="A new softmax on the features of the pretrained network, beside the same network trained on the new set "
    "alone.",
    paper="The pretrained network beats the best published accuracy by 2.2 points; from scratch it does terribly.",
    folder=paths.TRANSFER / "caltech101",
    made_by=("table@4", "transfer@caltech101", "scratch@caltech101", "harvest@caltech101, train@zfnet"),
    parameters=("runs.zfnet", "targets.caltech101", "transfer", "scratch", "crops.size"),
    results={"accuracy.csv": "every fold", "scratch.csv": "every fold from scratch"},
)
ROWS = (
    Row("(Bo et al., 2013)", (None, (81.4, 0.33)), others=True),
    Row("(Jianchao et al., 2009)", (73.2, 84.3), others=True),
    Row(transfer.SCRATCH, ((22.8, 1.5), (46.5, 1.7))),
    Row(transfer.PRETRAINED, ((83.8, 0.5), (86.5, 0.5))),
)
TABLE = Table("Accuracy %", 1, ("15 per class", "30 per class"), ROWS)
METHODS = transfer.METHODS.replace("SET", "caltech101")
METHODS += """
- {{ p("transfer.folds") }} random choices of training images (folds), from seed {{ p("transfer.seed") }}; fewer images
  are a part of more, and all numbers of a fold are tested on the same images, at most {{ p("transfer.test") }} of each
  class. Accuracy is the mean over classes; ± is the standard deviation over folds.
- Features are of the centre crop, as the next layer sees them: convolution layers after pooling and normalisation, all
  places; of the fully connected ones the last hidden one, rectified. They are centred on the training images and scaled
  to a mean square length of 1.
- Classifiers are L2-regularised: scikit-learn's LogisticRegression (softmax, L-BFGS until no weight would change the
  loss by more than 1e-6) and SVC (linear, hinge loss, one class against another, by votes and margins), on inner
  products of the images, which lose nothing. The penalty is chosen among 0.01 to 100 on a third of each class's
  training images, then all of them are trained on. With up to 1,000 training images every third is held out in turn.
  Where penalties do equally well, it is the middle of them, on a logarithmic scale.
- From scratch: the same network from random weights, in batches of {{ p("scratch.batch") }}, on
  {{ p("scratch.folds") }} of the folds and up to {{ p("scratch.per_class") }} images per class.{{ differs }}
- How long and how fast is chosen in each fold on a third of each class's training images, after training on the rest:
  {{ p("scratch.epochs") }} epochs or half of them, at training's learning rate or half of it. Both rates are tried on
  half of the epochs, and the better one goes on to all; of equals the larger rate and the longer training. Then
  all training images are trained on, from new random weights. A quarter as many epochs follow, in trial and in earnest,
  at the learning rate divided by {{ p("training.anneal") }}. Test images choose nothing. The network is tested on the
  centre crop, as the features are.
"""

table = partial(transfer.fill, TABLE, "Caltech-101")
differences = partial(transfer.differences, TABLE, "Caltech-101")
CLAIMS = (transfer.claim(TABLE, "caltech101", "On Caltech-101 pretrained features beat training from scratch by far."),)
