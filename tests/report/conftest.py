"""A project folder with made-up measurements, and the report's stages run in it."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from tests.imports import ROOT
from zfpipe import params
from zfpipe.network import weights
from zfpipe.probes import correspondence, invariance, occlusion, shapes

CLASSES = ["daisy", "fox & hound", "stop sign"]
FIELDS = {1: (7, 2, -1), 2: (27, 8, -1), 5: (139, 16, -49)}
"""Side, step and start of the receptive fields of the layers that are there."""
MAPS, STRONGEST = [0, 3, 17, 20, 21], 9
EPOCHS = [1, 2, 4, 64]
DEAD = {(1, 17), (5, 3)}
FIGURES = ("1", "2", "3", "4", "5", "6", "7", "7b", "8", "9")
STAGES = (
    *(f"figure {number}" for number in FIGURES),
    "features",
    "comparisons",
    *(f"table {number}" for number in range(1, 8)),
    "claims",
    "report",
)


def write_projections(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for layer, (side, step, start) in FIELDS.items():
        projections = np.zeros((len(MAPS), STRONGEST, side, side, 3), np.float32)
        patches = np.zeros(projections.shape, np.uint8)
        for place, number in enumerate(MAPS):
            for rank in range(STRONGEST):
                dead = (layer, number) in DEAD
                y, x = (0, 0) if dead else rng.integers(0, (crop - side // 2) // step, 2).tolist()
                x0, y0 = start + step * x, start + step * y
                inside = (slice(max(-y0, 0), crop - y0), slice(max(-x0, 0), crop - x0))
                shape = patches[place, rank][inside].shape
                patches[place, rank][inside] = rng.integers(0, 256, shape)
                if not dead:
                    projections[place, rank][inside] = rng.normal(0, 10.0**rank, shape)
                label = 0 if rank < 5 else int(rng.integers(3))
                rows.append(
                    {"layer": layer, "map": number, "rank": rank, "id": rank, "label": label, "class": CLASSES[label],
                     "activation": 0.0 if dead else 10.0 - rank, "y": y, "x": x,
                     "x0": x0, "x1": x0 + side, "y0": y0, "y1": y0 + side}
                )  # fmt: skip
        np.save(folder / f"layer{layer}.npy", projections)
        np.save(folder / f"layer{layer}_patches.npy", patches)
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(folder / "projections.parquet", index=False)


def write_filters(folder: Path, runs: tuple[str, ...] = ("zfnet", "zfnet-unclipped", "alexnet")) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    filters = {run: rng.normal(0, 0.02, (24, 3, 7, 7)).astype(np.float32) for run in runs}
    filters[runs[-1]][5] *= 20
    for run in runs:
        filters[f"{run} layer 2"] = rng.normal(0, 1, (30, 27, 27, 3)).astype(np.float32)
        filters[f"{run} layer 2"][7] = 0
        filters[f"{run} correlation"] = np.asarray(np.corrcoef(rng.normal(0, 1, (24, 40))), np.float32)
    save_file(filters, folder / "filters.safetensors")
    numbers = {
        run: {"rms_max": 0.4123, "rms_median": 0.02, "dominance": 20.6, "dead": 0.125 * (run == runs[0]),
              "low": 0.2, "middle": 0.3, "high": 0.5, "aliasing": 1.25,
              "filter_size": 7, "stride": 2, "renorm_radius": None if run == "zfnet-unclipped" else 0.1}
        for run in runs
    }  # fmt: skip
    (folder / "filters.json").write_text(json.dumps(numbers))


def write_principle(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(2)
    map1 = rng.gamma(0.5, 10, (62, 62)).clip(0, 80)
    switches = np.array([[(2 * y + 1) * 62 + 2 * x + 2 * (x < 30) for x in range(31)] for y in range(31)])
    filtered = np.zeros((31, 31))
    filtered[10:15, 20:25] = rng.normal(0, 10, (5, 5))
    unpooled = np.zeros(62 * 62)
    np.add.at(unpooled, switches.ravel(), filtered.ravel())
    unpooled = unpooled.reshape(62, 62)
    kept = np.zeros((14, 14))
    kept[5, 10] = 68.6
    steps = {
        "image": rng.integers(0, 256, (crop, crop, 3), np.uint8), "map1": map1, "switches": switches,
        "pooled1": map1.ravel()[switches], "map2": kept, "kept": kept, "filtered": filtered, "unpooled": unpooled,
        "rectified": unpooled.clip(0), "reconstruction": rng.normal(0, 1, (crop, crop, 3)), "layer1_map": np.array(2),
    }  # fmt: skip
    save_file(steps, folder / "steps.safetensors")
    facts = {"id": 6, "class": CLASSES[1], "layer1_map": 2, "layer2_map": 45, "y": 5, "x": 10, "activation": 68.6,
             "rows": [39, 66], "columns": [79, 106], "pool": {"size": 3, "stride": 2}, "unpooling": "sum"}  # fmt: skip
    (folder / "steps.json").write_text(json.dumps(facts))


def write_evolution(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    rows = []
    for layer, (side, step, start) in FIELDS.items():
        projections = np.zeros((len(MAPS), len(EPOCHS), side, side, 3), np.float32)
        for place, number in enumerate(MAPS):
            for column, epoch in enumerate(EPOCHS):
                dead = (layer, number) in DEAD
                x0, y0 = start + step, start + 2 * step
                inside = (slice(max(-y0, 0), crop - y0), slice(max(-x0, 0), crop - x0))
                projections[place, column][inside] = 0 if dead else rng.normal(0, 1, projections[0, 0][inside].shape)
                rows.append(
                    {"layer": layer, "map": number, "epoch": epoch, "id": column // 2, "drawn": True, "likeness": 1.0,
                     "activation": 0.0 if dead else 5.0, "y": 2, "x": 1, "x0": x0, "x1": x0 + side, "y0": y0,
                     "y1": y0 + side, "label": 0, "class": CLASSES[0]}
                )  # fmt: skip
        np.save(folder / f"layer{layer}.npy", projections)
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(folder / "evolution.parquet", index=False)
    settled = [{"layer": layer, "map": number, "epoch": None if (layer, number) in DEAD else 4.0}
               for layer in FIELDS for number in MAPS]  # fmt: skip
    pd.DataFrame(settled).to_csv(folder / "settled.csv", index=False)


def write_invariance(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(4)
    steps = {"translation": [-34.0, -17.0, 0.0, 17.0, 34.0], "scale": [1.0, 1.4, 1.8], "rotation": [0.0, 120.0, 240.0]}
    rows = [
        {"id": image, "transform": kind, "amount": amount, "layer": layer, "distance": float(rng.random()) * 100,
         "relative": float(rng.random()), "p_true": float(rng.random())}
        for image in range(6) for kind, amounts in steps.items() for amount in amounts for layer in (1, 7)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_parquet(folder / "invariance.parquet", index=False)
    invariance.summary(table).to_csv(folder / "summary.csv", index=False)
    names = [*CLASSES, CLASSES[1], "a wire-haired pointing griffon"]
    pd.DataFrame({"id": range(5), "class": names}).to_csv(folder / "shown.csv", index=False)
    np.save(folder / "shown.npy", rng.integers(0, 256, (5, 3, 3, crop, crop, 3), np.uint8))


def write_occlusion(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    side, step, start = FIELDS[5]
    places = np.arange(2, crop, 5)
    y, x = np.repeat(places, len(places)), np.tile(places, len(places))
    positions = [
        pd.DataFrame({"id": image, "y": y, "x": x, "map_activity": rng.random(len(y)) * 90,
                      "p_true": rng.random(len(y)), "top1": rng.integers(0, 3, len(y))})
        for image in (7, 8, 9)
    ]  # fmt: skip
    pd.concat(positions).to_parquet(folder / "shown.parquet", index=False)
    masks = np.zeros((3, crop, crop), np.uint8)
    masks[:, 30:70, 20:110] = 1
    boxes = np.tile([start + step, start, start + step + side, start + side], (3, 4, 1)).astype(np.int64)
    arrays = {
        "images": rng.integers(0, 256, (3, crop, crop, 3), np.uint8),
        "masks": masks,
        "projections": rng.normal(0, 1, (3, 4, side, side, 3)).astype(np.float32),
        "patches": rng.integers(0, 256, (3, 4, side, side, 3), np.uint8),
        "boxes": boxes,
    }
    save_file(arrays, folder / "shown.safetensors")
    images = [
        {"id": 7 + label, "label": label, "map": 30 + label, "activity": 80.0, "p_true": 0.75} for label in range(3)
    ]
    described = {"layer": 5, "grey": 128.0, "classes": CLASSES, "images": images,
                 "grids": {"all": {"size": 23, "stride": 14}, "shown": {"size": 23, "stride": 5}}}  # fmt: skip
    (folder / "shown.json").write_text(json.dumps(described))
    truth = {"on": [0.4, 0.3], "off": [0.1, 0.0], "hit": [1.0, 0.0], "hit_by_chance": [0.2, 0.3], "overlap": [0.5, 0.4],
             "overlap_by_chance": [0.2, 0.2], "agreement": [0.6, 0.7]}  # fmt: skip
    occlusion.scores(pd.DataFrame(truth)).to_csv(folder / "scores.csv", index=False)
    pd.DataFrame(truth).to_csv(folder / "truth.csv", index=False)


def write_attribution(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(6)
    methods = ["deconvnet", "saliency", "guided backpropagation", "Grad-CAM", "integrated gradients"]
    arrays = {
        "images": rng.integers(0, 256, (3, crop, crop, 3), np.uint8),
        "masks": np.ones((3, crop, crop), np.uint8),
        "drop": rng.random((3, 26, 26)).astype(np.float32),
        "maps": rng.random((3, 5, crop, crop)).astype(np.float32),
    }
    save_file(arrays, folder / "shown.safetensors")
    (folder / "shown.json").write_text(json.dumps({"classes": CLASSES, "methods": methods}))
    truth = {"hit": [1.0, 0.0], "hit_by_chance": [0.2, 0.3], "overlap": [0.5, 0.4], "overlap_by_chance": [0.2, 0.2]}
    rows = [occlusion.scores(pd.DataFrame(truth)).assign(method=name) for name in ("occlusion", *methods)]
    pd.concat(rows).to_csv(folder / "scores.csv", index=False)


def write_correspondence(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    signs = {
        part: {layer: rng.integers(-1, 2, (8, count, 60)).astype(np.int8) for layer in (5, 7)}
        for part, count in (("right eye", 1), ("left eye", 1), ("nose", 1), ("random", 10))
    }
    pairs = correspondence.pairs(signs)
    pairs.to_parquet(folder / "pairs.parquet", index=False)
    correspondence.table(signs, pairs, 5).to_csv(folder / "consistency.csv", index=False)
    images = [{"id": place, "class": CLASSES[place % 3], "size": 20 + place} for place in range(5)]
    (folder / "images.json").write_text(json.dumps({"images": images, "random": 10}))
    np.save(folder / "images.npy", rng.integers(0, 256, (5, 7, crop, crop, 3), np.uint8))


def write_transfer(folder: Path) -> None:
    """Layer 7 with `count` images per class: 0.5 ± 0.01 and a tenth of a percent more for each image."""
    counts = {"caltech101": (15, 30), "caltech256": (2, 6, 15, 30, 45, 60)}
    for name, numbers in counts.items():
        (folder / name).mkdir(parents=True)
        asked = [(kind, layer, max(numbers)) for layer in (1, 2, 3, 4, 5, 7) for kind in ("svm", "softmax")]
        asked = [(kind, layer, count) for kind, layer, count in asked if kind == "svm" or layer == 5]
        rows = [
            {"classifier": kind, "layer": layer, "per_class": count, "fold": fold,
             "accuracy": 0.5 + 0.01 * (fold - 1) + 0.001 * count * (layer == 7), "penalty": 1.0,
             "classes": 10, "test_images": 200, "drawn": True}
            for kind, layer, count in [*asked, *(("softmax", 7, count) for count in numbers)]
            for fold in range(3)
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(folder / name / "accuracy.csv", index=False)
        rows = [
            {"per_class": count, "fold": fold, "accuracy": 0.2 + 0.1 * fold, "test_images": 200}
            for count in numbers
            if count >= 15
            for fold in range(2)
        ]
        pd.DataFrame(rows).to_csv(folder / name / "scratch.csv", index=False)
    (folder / "voc2012").mkdir()
    write_precision(folder / "voc2012", {"bear": 0.25, "chair": 0.125})


def write_precision(folder: Path, precisions: dict[str, float]) -> None:
    columns = {"class": list(precisions), "average_precision": list(precisions.values())}
    pd.DataFrame(columns).assign(images=20, penalty=0.1, test_images=400).to_csv(folder / "precision.csv", index=False)


def write_shapes(folder: Path, crop: int) -> None:
    folder.mkdir(parents=True)
    network = weights.build(params.load(ROOT / "params.yaml").model, crop, len(CLASSES))
    (folder / "zfnet.json").write_text(json.dumps(shapes.measure(network)))


def write_metrics(folder: Path, errors: dict[str, tuple[float, float, float]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for run, (train, top1, top5) in errors.items():
        metrics = {"run": run, "train_top1": train, "train_images": 500, "val_top1": top1, "val_top5": top5,
                   "val_images": 1000, "classes": 3, "parameters": 1234567}  # fmt: skip
        (folder / f"{run}.json").write_text(json.dumps(metrics))


def write_ensembles(folder: Path, errors: dict[str, tuple[float, float]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {
        name: {
            "runs": ["zfnet", "zfnet-wide"],
            "val_top1": top1,
            "val_top5": top5,
            "gain_top1": 0.02,
            "gain_top1_low": 0.01,
            "gain_top1_high": 0.03,
            "val_images": 1000,
            "classes": 3,
        }
        for name, (top1, top5) in errors.items()
    }
    (folder / "ensembles.json").write_text(json.dumps(metrics))


def write_training(root: Path, runs: list[str]) -> None:
    for place, run in enumerate(runs):
        folder = root / "models" / run
        folder.mkdir(parents=True)
        epochs = np.arange(1, 5)
        error = 0.9 / epochs + 0.01 * place
        columns = {"train_loss": error, "train_error": error, "val_loss": error, "val_error": error / 2}
        table = pd.DataFrame({"epoch": epochs, "learning_rate": 0.01, **columns})
        table.to_csv(folder / "history.csv", index=False)
        (folder / "weights.safetensors").write_bytes(run.encode())


def write_betons(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split, count, lost in (("train", 5321, "1,a.jpg,broken\n2,b.jpg,broken\n"), ("val", 1000, "")):
        described = {"sha256": f"{count:064x}", "count": count, "classes": CLASSES, "resize": 146, "write_mode": "raw"}
        described["versions"] = {"ffcv": "1.0.2", "numpy": "2.4.6"}
        (folder / f"{split}.json").write_text(json.dumps(described))
        (folder / f"{split}.rejected.csv").write_text(f"id,path,reason\n{lost}")


def run_stage(words: str) -> None:
    """Runs a stage's `main` in the current folder, as `python -m stages.X Y` does."""
    name, *arguments = words.split()
    previous, sys.argv = sys.argv, [f"stages/{name}.py", *arguments]
    try:
        importlib.import_module(f"stages.{name}").main()
    finally:
        sys.argv = previous


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its report stages ran."""
    root = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "paper.yaml", "constraints.txt"):
        shutil.copy(ROOT / name, root)
    settings = params.load(root / "params.yaml")
    runs = list(settings.runs)
    write_projections(root / "projections", settings.crops.size)
    write_principle(root / "principle", settings.crops.size)
    write_evolution(root / "evolution", settings.crops.size)
    write_transfer(root / "transfer")
    write_shapes(root / "shapes", settings.crops.size)
    write_filters(root / "filters")
    write_invariance(root / "invariance", settings.crops.size)
    write_occlusion(root / "occlusion", settings.crops.size)
    write_attribution(root / "attribution", settings.crops.size)
    write_correspondence(root / "correspondence", settings.crops.size)
    write_metrics(root / "metrics", {run: (0.1, 0.2 + place / 100, 0.05) for place, run in enumerate(runs)})
    write_ensembles(root / "metrics", dict.fromkeys(settings.ensembles, (0.1, 0.02)))
    write_training(root, runs)
    write_betons(root / "data/betons")
    (root / "activations").mkdir()
    shutil.copy(root / "projections/projections.parquet", root / "activations/strongest.parquet")
    (root / "reports/atlas").mkdir(parents=True)
    (root / "reports/atlas/index.html").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for words in STAGES:
            run_stage(words)
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that project to spoil, as the current folder."""
    root = tmp_path / "copy"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    yield root
