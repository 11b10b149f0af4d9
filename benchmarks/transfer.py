"""Time the two steps of transfer that differ from scikit-learn's: the votes of SVMs, and the images' coordinates.

The features are made up: 1,024 of each image, of 64 classes with 30 images, or with `--full` of 257 classes with 60, as
in Caltech-256. Before the timing, the votes must equal scikit-learn's `decision_function`, and both kinds of
coordinates must give the images' inner products.
"""

import numpy as np
from sklearn.svm import SVC

from benchmarks import harness
from zfpipe.probes.transfer import Span, votes

CLASSES, IMAGES, FULL, FEATURES, TESTED = 64, 30, (257, 60), 1024, 1000


def decomposed(span: Span) -> np.ndarray:
    """Return the training images' coordinates by an eigendecomposition."""
    values, axes = np.linalg.eigh(span.products)
    kept = values > 1e-10 * values[-1]
    return axes[:, kept] * np.sqrt(values[kept])


def main() -> None:
    given = harness.arguments(__doc__)
    classes, images = FULL if given.full else (CLASSES, IMAGES)
    rng = np.random.default_rng(0)
    labels = np.arange(classes * images + TESTED) % classes
    features = 0.3 * rng.normal(size=(classes, FEATURES))[labels] + rng.normal(size=(len(labels), FEATURES))
    span = Span(features @ features.T, np.arange(classes * images))
    beside = span.of(np.arange(classes * images, len(labels)))
    svm = SVC(kernel="precomputed", decision_function_shape="ovr").fit(span.products, labels[: classes * images])
    harness.agree("votes", votes(svm, beside), svm.decision_function(beside), 1e-9)
    ways: dict[str, harness.Way] = {
        "ours": lambda: float(len(votes(svm, beside))),
        "scikit-learn's decision_function": lambda: float(len(svm.decision_function(beside))),
    }
    harness.compare(f"votes of {classes} classes", "images", ways, rounds=3)

    def factored() -> np.ndarray:
        return Span(span.gram, span.train).factor[0]

    for found in (factored(), decomposed(span)):
        harness.agree("coordinates", found @ found.T, span.products, 1e-8)
    ways = {
        "ours, a Cholesky factor": lambda: float(len(factored())),
        "numpy's eigendecomposition": lambda: float(len(decomposed(span))),
    }
    harness.compare(f"coordinates of {len(span.train):,} images", "images", ways, rounds=3)


if __name__ == "__main__":
    main()
