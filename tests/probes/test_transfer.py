"""Test classifiers in the span of few images against those on all features, and scores against counts by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from tests.conftest import SETTINGS
from tests.pictures.layouts import image, settings, xml
from zfpipe.errors import UserError
from zfpipe.index.images import read_index, write_index
from zfpipe.pictures import voc
from zfpipe.probes import transfer
from zfpipe.probes.folds import accuracy, fold, thirds
from zfpipe.probes.transfer import GRID, Kind, Span, average_precision

KINDS: tuple[Kind, ...] = ("softmax", "svm")
LABELS = np.repeat([0, 1, 2], [9, 7, 20])


def features(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return 500 features of each image: noise around the centre of the image's class."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (3, 500))[labels] * 0.4 + rng.normal(3, 2, (len(labels), 500))


def test_folds_nest_and_share_their_test_images() -> None:
    one = fold(LABELS, [2, 4, 6], 5, seed=0, number=0)
    for count, rows in one.train.items():
        assert np.bincount(LABELS[rows]).tolist() == [count] * 3
        assert not set(rows) & set(one.test)
    assert set(one.train[2]) < set(one.train[4]) < set(one.train[6])
    assert np.bincount(LABELS[one.test]).tolist() == [3, 1, 5], (
        "test images are five of a class, or the rest if fewer are left"
    )
    assert len(set(one.test)) == len(one.test)
    assert not np.array_equal(fold(LABELS, [6], 5, seed=0, number=1).train[6], one.train[6])
    assert np.array_equal(fold(LABELS, [6], 5, seed=0, number=0).train[6], one.train[6])


def test_a_class_without_images_left_to_test_is_refused() -> None:
    with pytest.raises(UserError, match=r"a class has 7 images; targets\.\*\.per_class asks for 7 to train on"):
        fold(LABELS, [7], 5, seed=0, number=0)


def test_each_class_is_split_into_thirds() -> None:
    labels = np.repeat([4, 0, 2, 1], [7, 3, 2, 1])
    found = thirds(labels, 0)
    assert {label: sorted(found[labels == label].tolist()) for label in set(labels.tolist())} == {
        4: [0, 0, 0, 1, 1, 2, 2], 0: [0, 1, 2], 2: [0, 1], 1: [-1]
    }  # fmt: skip
    assert not np.array_equal(found, thirds(labels, 1)) and np.array_equal(found, thirds(labels, 0))


@pytest.mark.parametrize("kind", ["softmax", "svm"])
def test_the_span_of_the_images_loses_nothing(kind: Kind) -> None:
    """Compare with scikit-learn on all 500 features, centred and scaled in the same way."""
    one = fold(LABELS, [6], 20, seed=0, number=0)
    train, every = one.train[6], features(LABELS)
    span = Span(every @ every.T, train)
    coordinates, _ = span.factor
    assert coordinates.shape == (18, 17), "centring takes one axis"
    np.testing.assert_allclose(span.coordinates(span.of(train)), coordinates, atol=1e-9)
    np.testing.assert_allclose(coordinates @ coordinates.T, span.products, atol=1e-9)
    scores = transfer.classifier(kind, span, LABELS[train], 1.0)(span.of(one.test))
    centred = every - every[train].mean(0)
    plain = centred / np.sqrt((centred[train] ** 2).sum(1).mean())
    if kind == "softmax":
        twin: Any = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000).fit(plain[train], LABELS[train])
        np.testing.assert_allclose(scores, twin.predict_proba(plain[one.test]), atol=1e-4)
    else:
        twin = SVC(C=1.0, kernel="linear", tol=1e-8).fit(plain[train], LABELS[train])
        np.testing.assert_allclose(scores, twin.decision_function(plain[one.test]), atol=2e-2)
        assert (scores.argmax(1) == twin.predict(plain[one.test])).all()


def test_dependent_images_have_no_axis() -> None:
    """40 images of 6 features, two of which are equal, in a span of 25 images that repeats an image."""
    every = np.random.default_rng(1).normal(2, 1, (40, 6))
    every[:, 5] = every[:, 4]
    train = np.array([*range(24), 3])
    span = Span(every @ every.T, train)
    centred = every - every[train].mean(0)
    expected = centred @ centred[train].T / (centred[train] ** 2).sum(1).mean()
    coordinates, axes = span.factor
    assert coordinates.shape == (25, 5) and len(set(axes.tolist())) == 5
    np.testing.assert_allclose(span.coordinates(span.of(np.arange(40))) @ coordinates.T, expected, atol=1e-9)


def test_several_threads_choose_what_one_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    one, every = fold(LABELS, [6], 20, seed=0, number=0), features(LABELS)
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv("ZFPIPE_WORKERS", workers)
        span = Span(every @ every.T, one.train[6])
        found.append([transfer.tried(kind, span, LABELS[one.train[6]], span.of(one.test)) for kind in KINDS])
    np.testing.assert_array_equal(found[0], found[1])


def test_votes_are_those_of_scikit_learn() -> None:
    """Of seven classes that overlap, some of one image; more images than are counted together."""
    rng = np.random.default_rng(2)
    labels = rng.permutation(np.repeat([0, 1, 3, 4, 5, 8, 9], [1, 6, 9, 1, 12, 5, 7]))
    every = rng.normal(0, 1, (10, 60))[labels] * 0.3 + rng.normal(0, 1, (len(labels), 60))
    others = np.concatenate([np.zeros((1, 60)), rng.normal(0, 1, (2 * transfer.TOGETHER, 60))])
    for penalty in GRID:
        twin = SVC(C=penalty, kernel="precomputed", decision_function_shape="ovr").fit(every @ every.T, labels)
        expected = twin.decision_function(others @ every.T)
        np.testing.assert_allclose(transfer.votes(twin, others @ every.T), expected, rtol=1e-9, atol=1e-9)


def test_an_svm_of_two_classes_has_a_score_for_each() -> None:
    labels = np.repeat([0, 1], 5)
    every = features(labels)
    span = Span(every @ every.T, np.arange(10))
    scores = transfer.classifier("svm", span, labels, 10.0)(span.products)
    assert scores.shape == (10, 2) and (scores.argmax(1) == labels).all()


def test_the_penalty_is_chosen_without_the_test_images() -> None:
    one = fold(LABELS, [6], 20, seed=0, number=0)
    every = features(LABELS)
    found = transfer.transferred(["softmax"], every @ every.T, LABELS, one.train[6], one.test, 0)["softmax"]
    other = every.copy()
    other[one.test] = features(LABELS, seed=1)[one.test]
    again = transfer.transferred(["softmax"], other @ other.T, LABELS, one.train[6], one.test, 0)["softmax"]
    assert again[1] == found[1]


def test_classifiers_that_share_spans_equal_those_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one, every = fold(LABELS, [6], 20, seed=0, number=0), features(LABELS)
    given = (every @ every.T, LABELS, one.train[6], one.test, 0)
    alone = {kind: transfer.transferred([kind], *given)[kind] for kind in ("svm", "softmax")}
    made = []
    monkeypatch.setattr(transfer, "Span", lambda *spanned: made.append(spanned) or Span(*spanned))
    assert transfer.transferred(["svm", "softmax"], *given) == alone
    assert len(made) == 4, "both classifiers share a span for each third held out, and one for all images"


def test_classes_without_images_or_with_one_do_not_mislead_the_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 2, 5, 7], [12, 12, 12, 1])
    features = np.eye(8)[labels] + 0.3 * rng.normal(size=(len(labels), 8))
    gram, rows = features @ features.T, np.arange(len(labels))
    seen: list[tuple[float, set[int]]] = []

    def kept(scores: np.ndarray, labels: np.ndarray) -> float:
        assert scores.shape[1] == 4, "there must be a score for each trained class"
        seen.append((accuracy(scores, labels), set(labels.tolist())))
        return seen[-1][0]

    monkeypatch.setattr(transfer, "accuracy", kept)
    transfer.penalties(["softmax"], gram, rows, labels, 0)
    assert [labels for _, labels in seen] == [{0, 1, 2}] * len(GRID), (
        "labels are places of classes, and a lone image is never held out"
    )
    assert max(right for right, _ in seen) > 0.9
    nothing_held = transfer.penalties(["softmax"], gram[-2:, -2:], rows[:2], np.array([5, 7]), 0)
    assert nothing_held == {"softmax": 1.0}


def right(kind: Kind, found: dict[float, int], monkeypatch: pytest.MonkeyPatch, most: int) -> tuple[float, list[Any]]:
    """Return the chosen penalty and all trials.

    Of 18 images, held out six at a time, `found` says how many are right.
    """
    every, train = features(LABELS), fold(LABELS, [6], 20, seed=0, number=0).train[6]
    seen: list[Any] = []

    def pretend(kind: Kind, span: Span, labels: np.ndarray, penalty: float) -> Any:
        held = train[~np.isin(train, span.train)]
        before = len({tuple(one) for one, _ in seen} - {tuple(held)}) * 6
        seen.append((held, penalty))

        def scores(products: np.ndarray) -> np.ndarray:
            np.testing.assert_array_equal(products, span.of(held))
            good = np.arange(before, before + 6) < found[penalty]
            return np.eye(3)[np.where(good, 0, 1)]

        return scores

    monkeypatch.setattr(transfer, "classifier", pretend)
    monkeypatch.setattr(transfer, "accuracy", lambda scores, labels: float((scores.argmax(1) == 0).mean()))
    monkeypatch.setattr(transfer, "FEW", most)
    monkeypatch.setenv("ZFPIPE_WORKERS", "1")  # one penalty after another
    return transfer.penalties([kind], every @ every.T, train, LABELS[train], 0)[kind], seen


def test_the_penalty_is_the_best_on_what_was_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found, seen = right("svm", {0.01: 0, 0.1: 9, 1.0: 16, 10.0: 13, 100.0: 2}, monkeypatch, 18)
    assert found == pytest.approx(1.0), "all thirds decide; in the first third alone, three penalties are equal"
    assert [penalty for _, penalty in seen] == list(GRID) * 3
    for held, _ in seen:
        assert np.bincount(LABELS[held]).tolist() == [2, 2, 2], "each third must have images of every class"
    assert len({one for held, _ in seen for one in held.tolist()}) == 18, "every image must be held out once"
    found, seen = right("svm", {0.01: 0, 0.1: 9, 1.0: 16, 10.0: 13, 100.0: 2}, monkeypatch, 17)
    assert [penalty for _, penalty in seen] == list(GRID), "with many images, one third is enough"


@pytest.mark.parametrize(
    ("equals", "middle"),
    [((0.01, 0.1, 1.0), 0.1), ((10.0, 100.0), 10.0), ((1.0,), 1.0), (GRID, 1.0), ((0.01, 1.0, 10.0, 100.0), 10.0)],
)
def test_among_equal_penalties_the_middle_one_is_chosen(
    equals: tuple[float, ...], middle: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = right("softmax", {one: 12 if one in equals else 7 for one in GRID}, monkeypatch, 18)
    assert found == pytest.approx(middle)


@pytest.mark.parametrize("penalty", GRID)
def test_a_softmax_has_converged(penalty: float) -> None:
    """In overlapping classes a loose tolerance changes the probabilities."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(12), 15)
    every = rng.normal(0, 1, (12, 300))[labels] * 0.1 + rng.gamma(1, 1, (180, 300))
    span = Span(every @ every.T, np.arange(180))
    tight: Any = LogisticRegression(C=penalty, tol=1e-10, max_iter=1_000_000).fit(span.factor[0], labels)
    beside = span.products[::-1] * 0.7 + 0.3 * span.products
    found = transfer.classifier("softmax", span, labels, penalty)(beside)
    np.testing.assert_allclose(found, tight.predict_proba(span.coordinates(beside)), atol=2e-3)


def test_accuracy_is_the_mean_over_classes() -> None:
    labels = np.array([0, 0, 0, 0, 1])
    scores = np.array([[2, 1], [2, 1], [2, 1], [1, 2], [2, 1.0]])
    assert accuracy(scores, labels) == pytest.approx((3 / 4 + 0) / 2)


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        ([1, 0, 1, 0], (1 + 2 / 3) / 2),
        ([0, 1, 1, 0], 2 / 3),  # 1/2 at the first hit is raised to 2/3, the precision at the next
        ([1, 1, 0, 0], 1.0),
        ([0, 0, 0, 1], 1 / 4),
        ([1, 0, 0, 1], (1 + 1 / 2) / 2),
    ],
)
def test_average_precision_by_hand(positive: list[int], expected: float) -> None:
    scores = np.array([0.9, 0.7, 0.2, 0.1])
    assert average_precision(scores, np.array(positive, bool)) == pytest.approx(expected)
    assert average_precision(scores[::-1], np.array(positive[::-1], bool)) == pytest.approx(expected)


def devkit_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the area under the curve as VOC's own code since 2010 does; `truth` is 1, 0 (difficult) or -1."""
    hits, misses, recall, precision = 0, 0, [0.0], [0.0]
    for one in truth[np.argsort(-scores, kind="stable")]:
        hits, misses = hits + int(one > 0), misses + int(one < 0)
        recall.append(hits / (truth > 0).sum())
        precision.append(hits / max(hits + misses, 1))
    recall, precision = [*recall, 1.0], [*precision, 0.0]
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum((recall[place + 1] - recall[place]) * precision[place + 1] for place in range(len(recall) - 1))


def test_average_precision_is_the_devkits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores, truth = rng.integers(0, 20, 30) / 20, rng.choice([-1, 0, 1], 30, p=[0.5, 0.2, 0.3])
        if (truth > 0).any():
            found = transfer.class_precision(scores, truth > 0, truth == 0)
            assert found == pytest.approx(devkit_precision(scores, truth))


def test_a_perfect_detector_finds_difficult_objects_too(tmp_path: Path) -> None:
    """The toy VOC has a dog, a difficult dog and a dog, in the order of a dog detector's scores."""
    root = tmp_path / voc.LAYOUT
    everyone = (1, 1, 20, 20)
    images = {
        "a": xml(("dog", 0, everyone)),
        "b": xml(("dog", 1, everyone)),
        "c": xml(("dog", 0, everyone), ("dog", 1, everyone)),
        "d": xml(("cat", 0, everyone), ("person", 1, everyone)),
        "e": xml(("cat", 1, everyone)),
    }
    for folder in ("ImageSets/Main", "Annotations"):
        (root / folder).mkdir(parents=True)
    for name, text in images.items():
        image(root / f"JPEGImages/{name}.jpg", 50, 40)
        (root / f"Annotations/{name}.xml").write_text(text)
    for split in ("train", "val"):
        (root / f"ImageSets/Main/{split}.txt").write_text("\n".join(images))
    write_index(voc.entries(tmp_path, settings()), tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet", also=("labels", "difficult")).query("split == 'val'")
    present, difficult = (transfer.shown(index[name].tolist(), len(voc.CLASSES)) for name in ("labels", "difficult"))
    dog, cat = voc.CLASSES.index("dog"), voc.CLASSES.index("cat")
    assert present[:, dog].tolist() == [1, 0, 1, 0, 0] and difficult[:, dog].tolist() == [0, 1, 0, 0, 0]
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    assert transfer.class_precision(scores, present[:, dog], difficult[:, dog]) == 1.0
    assert average_precision(scores, present[:, dog]) == pytest.approx(5 / 6), (
        "counted as a miss, a difficult dog would cost a sixth"
    )
    assert transfer.class_precision(scores[::-1], present[:, cat], difficult[:, cat]) == 1.0
    wrong = np.array([0, 0.5, 0, 0.4, 0.9])
    assert transfer.class_precision(wrong, present[:, cat], difficult[:, cat]) == 0.5, (
        "a difficult dog must count as a miss for cats"
    )


def kept(path: Path, layers: dict[int, np.ndarray], labels: np.ndarray) -> Path:
    """Write a file as `harvest` does, in pieces of 200 features."""
    columns: dict[str, Any] = {"id": np.arange(len(labels)), "label": labels}
    for layer, values in layers.items():
        for place in range(0, values.shape[1], 200):
            piece = values[:, place : place + 200].astype(np.float32)
            columns[f"layer{layer}_{place // 200:03d}"] = pa.FixedSizeListArray.from_arrays(
                pa.array(piece.ravel()), piece.shape[1]
            )
    pq.write_table(pa.table(columns), path)
    return path


def test_every_classifier_of_table_7_and_the_counts_of_fig_9(tmp_path: Path) -> None:
    every = features(LABELS)
    layers = {1: np.random.default_rng(2).normal(size=every.shape), 5: every, 7: np.eye(3)[LABELS]}
    target = SETTINGS.targets.caltech256.model_copy(update={"per_class": (3, 6), "fewer": (2,)})
    settings = SETTINGS.transfer.model_copy(update={"folds": 2, "test": 20})
    table = transfer.accuracies(kept(tmp_path / "set.parquet", layers, LABELS), target, settings)
    rows = set(table[["classifier", "layer", "per_class"]].itertuples(index=False, name=None))
    assert rows == {
        *(("svm", layer, 6) for layer in (1, 5, 7)),
        ("softmax", 5, 6),
        *(("softmax", 7, count) for count in (2, 3, 6)),
    }
    assert len(table) == 2 * len(rows)
    assert set(table["classes"]) == {3} and set(table["drawn"]) == {True}
    noise, hidden, plain = (table.query(f"layer == {layer}")["accuracy"].to_numpy().mean() for layer in (1, 5, 7))
    assert noise < 0.6 < hidden and plain == 1.0, "the layers hold noise, classes in noise, and the class itself"


def test_scenes_are_scored_class_by_class(tmp_path: Path) -> None:
    """Features that name the classes in an image give every class the whole area, whatever else the image shows."""
    rng = np.random.default_rng(0)
    found = [sorted(rng.choice(3, rng.integers(1, 3), replace=False).tolist()) for _ in range(80)]
    every = np.stack([np.isin(range(3), classes) for classes in found]).astype(float)
    labels = np.array([classes[0] for classes in found])
    path = kept(tmp_path / "voc2012.parquet", {5: 1 - every, 7: every}, labels)
    index = pd.DataFrame({"id": range(80), "split": ["train", "val"] * 40, "label": labels, "labels": found})
    index["difficult"] = None
    table = transfer.precisions(path, index.set_index("id"), ["a", "b", "c", "never there"], 0)
    assert table["class"].tolist() == ["a", "b", "c"], "a class without images must be left out"
    assert table["images"].tolist() == every[1::2].sum(0).tolist()
    assert min(table["average_precision"]) > 0.97
    assert set(table["test_images"]) == {40}
    shifted = [[label + (label > 0) for label in classes] for classes in found]  # no image shows class 1
    index = index.assign(label=[classes[0] for classes in shifted], labels=shifted)
    other = transfer.precisions(path, index.set_index("id"), ["a", "never there", "b", "c"], 0)
    pd.testing.assert_frame_equal(table, other)
