"""Made-up measurements in which every claim holds (1), does not hold (-1) or stays undecided (0)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from tests.report import conftest
from zfpipe import params, store, unavailable
from zfpipe.report.claims.given import Given
from zfpipe.report.numbers.published import TABLE6
from zfpipe.report.tables import table6

MAPS, FACES, IMAGES = 24, 8, 30
SEEDS = ("zfnet", "zfnet-seed1", "zfnet-seed2", "zfnet-seed3", "zfnet-seed4")


def given(settings: params.Params, elsewhere: bool = False) -> Given:
    """Everything of params.yaml, the transfer sets as they are downloaded."""
    sets = {name: one.model_copy(update={"root": "there"}) for name, one in settings.targets}
    return Given(settings.runs, settings.ensembles, settings.targets.model_copy(update=sets), elsewhere)


def write(effect: int, settings: params.Params) -> None:
    """Every table that a claim reads, in the current folder."""
    write_filters(effect)
    write_features(effect)
    write_invariance(effect)
    write_occlusion(effect)
    write_correspondence(effect)
    write_networks(effect, settings)
    write_transfer(effect)


def write_nothing() -> None:
    """Every stage says that its results can't be had."""
    for name in ("filters", "evolution", "correspondence"):
        store.save(Path(name) / unavailable.NAME, "a reason\n")
    Path("features").mkdir()
    columns = ["layer", "map", "projections", "patches", "gap", "others", "purity", "settled"]
    pd.DataFrame(columns=columns).to_csv("features/maps.csv", index=False)
    Path("invariance").mkdir()
    pd.DataFrame({"layer": [1], "id": [0]}).to_parquet("invariance/invariance.parquet")
    Path("occlusion").mkdir()
    pd.DataFrame({"score": ["hit"]}).to_csv("occlusion/scores.csv", index=False)
    for name in ("caltech101", "caltech256"):
        (Path("transfer") / name).mkdir(parents=True)
        pd.DataFrame(columns=["per_class", "fold", "accuracy"]).to_csv(f"transfer/{name}/scratch.csv", index=False)
        one = {"classifier": "svm", "layer": 7, "per_class": 15, "fold": 0, "accuracy": 0.5}
        pd.DataFrame([one]).to_csv(f"transfer/{name}/accuracy.csv", index=False)
    Path("transfer/voc2012").mkdir()
    conftest.write_precision(Path("transfer/voc2012"), {"bear": 0.5})


def wave(frequency: float) -> np.ndarray:
    """A filter of one frequency."""
    y, x = np.mgrid[:11, :11] - 5
    return np.repeat((np.cos(2 * np.pi * frequency * x) * np.exp(-(x**2 + y**2) / 18))[None], 3, 0)


def write_filters(effect: int) -> None:
    rng = np.random.default_rng(0)
    few, one = np.ones(MAPS), np.ones(MAPS)
    few[:6], one[:1] = 9, 9
    strengths = {1: (few, np.ones(MAPS)), -1: (np.ones(MAPS), few), 0: (one, one)}[effect]
    mixed = [0.19, 0.4] * (MAPS // 2)
    middle, others = [0.19] * MAPS, [0.4, 0.02] * (MAPS // 2)
    bands = {1: (middle, others), -1: (others, middle), 0: (mixed, mixed)}[effect]
    dead = {1: (0.0, 0.75), -1: (0.75, 0.0), 0: (0.25, 0.25)}[effect]
    alike = {1: (0.1, 0.8), -1: (0.8, 0.1), 0: (0.4, 0.4)}[effect]
    arrays, numbers = {}, {}
    for place, (run, stride) in enumerate((("zfnet", 2), ("alexnet", 4))):
        arrays[run] = np.stack([wave(frequency) for frequency in bands[place]])
        matrix = alike[place] + rng.normal(0, 0.05, (MAPS, MAPS))
        arrays[f"{run} correlation"] = (matrix + matrix.T) / 2
        projections = rng.normal(0, 1, (MAPS, 48, 48, 3))
        if effect == (1 if run == "alexnet" else -1):
            projections[:, ::stride, ::stride] += 3
        elif effect == -1:
            spectrum = np.fft.fft2(projections, axes=(1, 2))
            for centre in (12, 36, 24):
                spectrum[:, centre - 1 : centre + 2] *= 0.1
                spectrum[:, :, centre - 1 : centre + 2] *= 0.1
            projections = np.fft.ifft2(spectrum, axes=(1, 2)).real
        arrays[f"{run} layer 2"] = projections
        numbers[run] = {"dead": dead[place], "stride": stride}
    unit = wave(0.19)
    arrays["zfnet-unclipped"] = strengths[0][:, None, None, None] * unit
    arrays["zfnet"] *= (strengths[1] / np.sqrt((arrays["zfnet"] ** 2).mean((1, 2, 3))))[:, None, None, None]
    Path("filters").mkdir()
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, "filters/filters.safetensors")
    Path("filters/filters.json").write_text(json.dumps(numbers))


def write_features(effect: int) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for layer in (1, 2, 3, 4, 5):
        for number in range(MAPS):
            noise = rng.normal(0, 0.05, 3)
            rows.append(
                {"layer": layer, "map": number, "projections": 0.5 + 0.3 * effect + noise[0], "others": 0.5,
                 "gap": 0.3 * effect + noise[1], "purity": 0.5 + 0.08 * effect * (layer - 3) + noise[2],
                 "settled": 3.0 + effect * (layer - 3) / 2 + rng.integers(-1, 2)}
            )  # fmt: skip
    maps = pd.DataFrame(rows)
    maps.loc[0, ["projections", "gap", "purity", "settled"]] = np.nan  # a dead map
    Path("features").mkdir()
    maps.to_csv("features/maps.csv", index=False)
    Path("evolution").mkdir()
    settled = maps.rename(columns={"settled": "epoch"})[["layer", "map", "epoch"]]
    settled.to_csv("evolution/settled.csv", index=False)


def write_invariance(effect: int) -> None:
    rng = np.random.default_rng(2)
    steps = {"translation": [-4.0, -2.0, 0.0, 2.0, 4.0], "scale": [1.0, 1.2, 1.4, 1.6], "rotation": [0.0, 20.0, 340.0]}
    none = {"scale": 1.0}
    rows = []
    for image in range(IMAGES):
        for kind, amounts in steps.items():
            stable = (effect == 1) != (kind == "rotation")
            share = {1: 0.95, 0: 0.5}[int(stable)] if effect else 0.5 + 0.5 * (image % 2)
            for amount in amounts:
                far = abs(amount - none.get(kind, 0.0))
                bent = image % 2 if effect == 0 else effect == -1
                top = (far > 0) * rng.uniform(1, 2) if bent else 3 * far
                for layer in (1, 7):
                    apart = 0.5 * (effect or (-1) ** image) * (1 if layer == 1 else -1) + rng.normal(0, 0.1)
                    rows.append(
                        {"id": image, "transform": kind, "amount": amount, "layer": layer, "distance": top,
                         "relative": apart if far else 0.0, "p_true": 0.9 * (share if far else 1)}
                    )  # fmt: skip
    Path("invariance").mkdir()
    pd.DataFrame(rows).to_parquet("invariance/invariance.parquet", index=False)


def write_occlusion(effect: int) -> None:
    rows = [
        {"score": score, "difference": 0.3 * effect, "low": 0.3 * effect - 0.1, "high": 0.3 * effect + 0.1, "images": 9}
        for score in ("drop", "agreement")
    ]
    Path("occlusion").mkdir()
    pd.DataFrame(rows).to_csv("occlusion/scores.csv", index=False)


def write_correspondence(effect: int) -> None:
    rng = np.random.default_rng(3)
    one, other = np.triu_indices(FACES, 1)
    parts = []
    for part in ("right eye", "left eye", "nose", "random"):
        for layer in (5, 7):
            at = 0.3 + 0.1 * effect * (part == "random") * (layer == 5)
            distance = at + rng.normal(0, 0.01 if effect else 0.1, len(one))
            columns = {"one": one, "other": other, "distance": distance}
            parts.append(pd.DataFrame({"part": part, "layer": layer, **columns}))
    Path("correspondence").mkdir()
    pd.concat(parts).sample(frac=1, random_state=0).to_parquet("correspondence/pairs.parquet", index=False)


def write_networks(effect: int, settings: params.Params) -> None:
    """Validation errors; training errors leave the gaps that the claim about overfitting needs."""
    good = {"zfnet": 0.30, "zfnet-wide": 0.25, "alexnet": 0.40, "no34": 0.41, "no67": 0.41, "no3467": 0.80}
    bad = {"zfnet": 0.40, "zfnet-wide": 0.50, "alexnet": 0.30, "no34": 0.60, "no67": 0.60, "no3467": 0.31}
    errors = {}
    for run in settings.runs:
        base = "alexnet" if run.startswith("alexnet") else "zfnet"
        table = good if effect == 1 else bad
        error = 0.3 if effect == 0 else table.get(run, table.get(run.removeprefix("alexnet-"), table[base]))
        if run in ("zfnet-fc2048", "zfnet-fc8192", "alexnet-fc2048", "alexnet-fc8192") and effect == -1:
            error *= 2
        if run in SEEDS:
            error += (SEEDS.index(run) - 2) * (0.0005 if effect else 0.03)
        gap = 0.1 + 0.1 * effect * (run == "zfnet-wide-fc8192")
        errors[run] = (error - gap, error, 0.01)
    conftest.write_metrics(Path("metrics"), errors)
    conftest.write_ensembles(Path("metrics"), dict.fromkeys(settings.ensembles, (0.1, 0.02)))
    path = Path("metrics/ensembles.json")
    found = json.loads(path.read_text())
    for entry in found.values():
        middle = 0.02 * effect
        entry |= {"gain_top1": middle, "gain_top1_low": middle - 0.01, "gain_top1_high": middle + 0.01}
    path.write_text(json.dumps(found))


def write_transfer(effect: int) -> None:
    rng = np.random.default_rng(4)
    spread = 0.01 if effect else 0.2
    pretrained, scratch = {1: (0.8, 0.3), -1: (0.3, 0.8), 0: (0.55, 0.35)}[effect]
    for name, counts in {"caltech101": (15, 30), "caltech256": (6, 15, 30, 45, 60)}.items():
        (Path("transfer") / name).mkdir(parents=True)
        rows = [
            {"classifier": "svm", "layer": layer, "per_class": max(counts), "fold": fold,
             "accuracy": 0.5 + 0.05 * effect * (layer - 4) + rng.normal(0, spread)}
            for layer in (1, 2, 3, 4, 5, 7) for fold in range(3)
        ] + [
            {"classifier": "softmax", "layer": 7, "per_class": count, "fold": fold,
             "accuracy": pretrained + spread * (fold - 1)}
            for count in counts for fold in range(3)
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(Path("transfer") / name / "accuracy.csv", index=False)
        rows = [
            {"per_class": count, "fold": fold, "accuracy": scratch - spread * (fold - 1)}
            for count in counts if count >= 15 for fold in range(3)
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(Path("transfer") / name / "scratch.csv", index=False)
    (Path("transfer") / "voc2012").mkdir()
    best = {row.name: row.values[1] for row in TABLE6.rows if row.name != "Mean"}
    precisions = {}
    for place, (row, value) in enumerate(best.items()):
        assert isinstance(value, float)
        aside = -10.0 * effect + (0 if effect else 10 * (-1) ** place)
        precisions[table6.voc(row)] = (value + aside) / 100
    conftest.write_precision(Path("transfer/voc2012"), precisions)
