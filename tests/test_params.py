"""Test that the default parameters are valid, and that each kind of mistake gives one line: what, found, allowed."""

import importlib
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from zfpipe import paper, params
from zfpipe.errors import UserError
from zfpipe.network.architecture import variants
from zfpipe.probes import attribution
from zfpipe.tools import own_sections, profiles

TEXT = Path("params.yaml").read_text()


def edited(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, f"{old!r} is no longer in params.yaml"
    return TEXT.replace(old, new, 1)


def test_defaults_are_valid() -> None:
    settings = params.parse(TEXT, "params.yaml")
    networks = variants(settings)
    assert networks["zfnet"] == settings.model
    assert networks["zfnet-unclipped"].renorm_radius is None
    assert networks["alexnet-no3467"].drop == (3, 4, 6, 7)
    assert networks["alexnet-no3467"].maps == settings.alexnet.maps


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  stride: 2\n", "  stride: 0\n", "params.yaml: model.stride = 0; must be a whole number from 1 to 4"),
        ("  stride: 2\n", "  stride: two\n", "params.yaml: model.stride = two; must be a whole number from 1 to 4"),
        ("  stride: 2\n", "  stride: true\n", "params.yaml: model.stride = True; must be a whole number from 1 to 4"),
        ("  filter_size: 7 ", "  filtersize: 7 ", "model.filtersize is not a parameter; did you mean filter_size?"),
        ("  momentum: 0.9\n", "", "params.yaml: training.momentum is missing"),
        ("  momentum: 0.9\n", "  momentum: .nan\n", "training.momentum = nan; must be a number from 0 to 0.9999"),
        (
            "anneal_at: [0.8, 0.95]",
            "anneal_at: [0.9, 0.75]",
            "training.anneal_at = [0.9, 0.75]; must be a list of shares",
        ),
        ("anneal_at: [0.8, 0.95]", "anneal_at: [7, 9]", "training.anneal_at = [7, 9]; must be a list of shares of the"),
        ("anneal_at: [0.8, 0.95]", "anneal_at: late", "training.anneal_at = late; must be a list of shares of the"),
        ("patience: 0.1 ", "patience: 2 ", "training.patience = 2; must be a number from 0.01 to 1"),
        ("root: zfpipe/drawing  ", "root: ~/images  ", "pictures.root = ~/images; must be a full path, such as /"),
        ("watch: []", "watch: [nets]", "watch = ['nets']; must be a list of some of pictures, targets, model"),
        ("source: generated ", "source: web ", "pictures.source = web; must be 'generated', 'folder', "),
        ("base: alexnet, seed: 0}", "base: vgg, seed: 0}", "runs.alexnet.base = vgg; must be 'model' or 'alexnet'"),
        ("drop: [3, 4, 6, 7]}", "drop: [5]}", "runs.alexnet-no3467.edit.drop = [5]; must be a list of layers"),
        ("edit: {drop:", "edit: {dropped:", "runs.alexnet-no34.edit.dropped is not a parameter; did you mean drop?"),
        ("  size: 96 ", "  size: 150 ", "crops.size = 150; must be at most betons.resize, 110"),
        ("  size: 96 ", "  size: 16 ", "model is a network for 16x16 crops; layer 2's maps shrink to nothing"),
        (
            "source: null                      # null: the",
            "source: vgg16                     # null: the",
            "model.source = vgg16; must be null or module:function, such as",
        ),
        ("[123.675, 116.28, 103.53]", "[0.5, 0.4]", "model.input_mean = [0.5, 0.4]; must be a list of three numbers"),
        (", zfnet-wide]", ", zfnet-broad]", "ensembles.zfnet-six = zfnet-broad; must be runs: zfnet, zfnet-seed1"),
        (", zfnet-wide]", ", zfnet]", "ensembles.zfnet-six = ["),
        ("  zfnet-six:", "  zfnet-wide:", "ensembles.zfnet-wide = the name; must not be a run's"),
        ("per_class: [15, 30],", "per_class: [],", "targets.caltech101.per_class = []; must be one or more whole"),
        ("model:", "model: [", "params.yaml is not valid YAML"),
    ],
)
def test_mistakes_are_one_line(old: str, new: str, line: str) -> None:
    with pytest.raises(UserError) as error:
        variants(params.parse(edited(old, new), "params.yaml"))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  images: 200 ", "  images: 1 ", "params.yaml: attribution.images = 1; must be a whole number from 2 to"),
        ("  images: 200 ", "  imags: 200 ", "attribution.imags is not a parameter; did you mean images?"),
        ("  images: 200 ", "  stride: 2 ", "params.yaml: attribution.stride is not a parameter"),
        ("  images: 200 ", "  200 ", "params.yaml: attribution = 200; "),
        ("attribution:", "atribution:", "params.yaml: atribution is not a parameter; did you mean attribution?"),
        ("attribution:", "curves: {}\nattribution:", "zfpipe/probes/curves.py has no class Settings"),
        ("attribution:", "../params: {}\nattribution:", "params.yaml: ../params is not a parameter"),
    ],
)
def test_mistakes_in_the_section_of_a_probe_are_one_line(old: str, new: str, line: str) -> None:
    start, _, end = TEXT.partition("\nattribution:")
    assert old in f"attribution:{end}"
    with pytest.raises(UserError) as error:
        own_sections.check(params.parse(f"{start}\n{f'attribution:{end}'.replace(old, new, 1)}", "params.yaml"))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_probe_without_its_section_says_so() -> None:
    start, _, end = TEXT.partition("\nattribution:")
    settings = params.parse(start + "\ntargets:" + end.partition("\ntargets:")[2], "params.yaml")
    for refused in (lambda: settings.own(attribution.Settings), lambda: own_sections.check(settings)):
        with pytest.raises(UserError, match=r"params\.yaml: attribution is missing; add it"):
            refused()


NEW_PROBE = """
from pydantic import Field
import a_library_that_takes_long
from zfpipe.values import Section, number

class Settings(Section):
    radius: number_of_this_module = Field(ge=0.5)

def run(): ...
"""


def test_a_new_probe_brings_its_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "probes"
    shutil.copytree(params.PROBES, folder)
    monkeypatch.setattr(params, "PROBES", folder)
    text = TEXT.replace("\nattribution:", "\nsharpness: {radius: 2.5}\nattribution:")
    with pytest.raises(UserError, match="sharpness is not a parameter"):
        params.parse(text, "params.yaml")
    (folder / "sharpness.py").write_text(NEW_PROBE.replace("number_of_this_module", "float"))
    own_sections.check(params.parse(text, "params.yaml"))
    with pytest.raises(UserError, match=r"sharpness\.radius = 0\.25; Input should be greater than or equal to 0\.5"):
        own_sections.check(params.parse(text.replace("2.5", "0.25"), "params.yaml"))
    (folder / "sharpness.py").write_text(NEW_PROBE)
    with pytest.raises(ModuleNotFoundError, match=r"zfpipe\.probes\.sharpness"):  # the module is imported as a whole
        own_sections.check(params.parse(text, "params.yaml"))


def test_the_description_of_a_probes_section_equals_its_class() -> None:
    found = {path.stem: own_sections.described(path) for path in sorted(params.PROBES.glob("*.py"))}
    kinds = {name: kind for name, kind in found.items() if kind is not None}
    assert "attribution" in kinds
    for name, kind in kinds.items():
        real = importlib.import_module(f"zfpipe.probes.{name}").Settings
        assert (kind.__module__, kind.model_json_schema()) == (real.__module__, real.model_json_schema())


def test_suggestions_come_from_every_depth() -> None:
    assert {"pictures", "resize", "conv2", "filter_size", "snapshots", "root"} <= params.known_fields(params.Params)


def test_sections_are_frozen() -> None:
    settings = params.parse(TEXT, "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        settings.model.stride = 4


@pytest.mark.parametrize("name", sorted(path.stem for path in Path("profiles").glob("*.yaml")))
def test_profiles_validate_and_keep_comments(name: str, tmp_path: Path) -> None:
    target = tmp_path / "params.yaml"
    target.write_text(TEXT)
    changes = profiles.apply(name, Path("profiles"), target)
    assert changes
    assert all(" -> " in change for change in changes)
    assert TEXT.count("#") == target.read_text().count("#")
    assert profiles.apply(name, Path("profiles"), target) == []


def test_the_imagenet_profile_has_the_papers_values(tmp_path: Path) -> None:
    target = tmp_path / "params.yaml"
    target.write_text(TEXT)
    profiles.apply("imagenet", Path("profiles"), target)
    settings = params.load(target)
    model, training = settings.model, settings.training
    assert (settings.betons.resize, settings.crops.size) == (256, 224)
    assert (model.filter_size, model.stride, model.maps) == (7, 2, (96, 256, 384, 384, 256))
    assert (model.fc, model.width, model.dropout, model.renorm_radius) == ((4096, 4096), 1.0, 0.5, 0.1)
    assert model.input_scale == settings.alexnet.input_scale == 1.0
    assert (model.init.scheme, model.init.std, model.init.first) == ("gaussian", 0.01, 1.0)
    assert (training.batch, training.learning_rate, training.momentum, training.epochs) == (128, 0.01, 0.9, 70)


def test_paper_yaml_names_parameters_with_valid_values() -> None:
    tree = YAML(typ="safe").load(TEXT)
    for name, value in paper.values().items():
        *sections, field = name.split(".")
        section = tree
        for one in sections:  # a run of the paper that the default parameters lack is given completely
            section = section.setdefault(one, {}) if sections[0] == "runs" else section[one]
        assert sections[0] == "runs" or field in section, f"paper.yaml: {name} is not in params.yaml"
        section[field] = value
    variants(params.Params.model_validate(tree))


@pytest.mark.parametrize("base", ["../paper.yaml", "none.yaml", "7"])
def test_a_profile_extends_a_file_beside_params_yaml(base: str, tmp_path: Path) -> None:
    target, folder = tmp_path / "params.yaml", tmp_path / "profiles"
    target.write_text(TEXT)
    folder.mkdir()
    (tmp_path / "own.yaml").write_text("crops: {size: 60}\nbetons: {resize: 80}")
    profile = folder / "small.yaml"
    profile.write_text("extends: own.yaml\ncrops: {size: 70}\n")
    assert profiles.apply("small", folder, target) == ["crops.size: 96 -> 70", "betons.resize: 110 -> 80"]
    profile.write_text(f"extends: {base}\n")
    with pytest.raises(UserError, match=rf"small\.yaml: extends = {base}; must be the name of a file beside params"):
        profiles.apply("small", folder, target)


def test_a_mistake_in_a_file_that_a_profile_extends_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("crops: {size: 70\n")
    (tmp_path / "small.yaml").write_text("extends: own.yaml\n")
    with pytest.raises(UserError, match=r"^.*own\.yaml is not valid YAML: .*$"):
        profiles.read(tmp_path / "small.yaml", tmp_path)


def applied(profile: str, folder: Path) -> list[str]:
    """Apply a profile with some text to the default parameters."""
    (folder / "params.yaml").write_text(TEXT)
    (folder / "one.yaml").write_text(profile)
    return profiles.apply("one", folder, folder / "params.yaml")


def test_a_profile_keeps_the_rows_that_it_names(tmp_path: Path) -> None:
    before = params.parse(TEXT, "params.yaml")
    changes = applied("rows: [alexnet, zfnet, new]\nruns: {new: {base: model, seed: 9}}", tmp_path)
    after = params.load(tmp_path / "params.yaml")
    assert list(after.runs) == ["zfnet", "alexnet", "new"]
    assert after.ensembles == {}
    left_out = [change for change in changes if change.endswith(" -> left out")]
    assert len(left_out) == len(before.runs) - 2 + len(before.ensembles)
    assert changes[-1].startswith("ensembles.zfnet-six: ['zfnet', ")
    assert applied("crops: {size: 80}", tmp_path) == ["crops.size: 96 -> 80"]
    assert params.load(tmp_path / "params.yaml").runs == before.runs


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        ("rows: [zfnet, zfnets]", "one.yaml: rows names zfnets; must be runs and ensembles: zfnet, zfnet-seed1, "),
        ("rows: zfnet", "one.yaml: rows = zfnet; must be a list of runs and ensembles: zfnet, zfnet-seed1, "),
        ("rows: [zfnet", "one.yaml is not valid YAML: "),
        ("- rows", "one.yaml must hold sections such as `model:`"),
        ("rows: [zfnet, zfnet-five]", "params.yaml: ensembles.zfnet-five = zfnet-seed1; must be runs: zfnet"),
    ],
)
def test_mistakes_in_rows_are_one_line(profile: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        applied(profile, tmp_path)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "params.yaml").read_text() == TEXT


def test_a_bad_result_leaves_the_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "params.yaml"
    target.write_text(edited("  momentum: 0.9\n", "  momentum: 7\n"))
    before = target.read_text()
    with pytest.raises(UserError, match=r"training\.momentum = 7"):
        profiles.apply("smoke", Path("profiles"), target)
    assert target.read_text() == before


def test_alexnet_does_not_limit_crops_if_no_run_trains_it() -> None:
    """At 32 pixels AlexNet's maps would shrink to nothing."""
    tree = YAML(typ="safe").load(TEXT)
    tree["runs"] = {"zfnet": {"base": "model", "seed": 0}}
    tree |= {"ensembles": {}, "watch": ["model"], "crops": {"size": 32}}
    tree["model"] |= {"source": "nets:small", "weights": "weights/small.pth"}
    assert set(variants(params.Params.model_validate(tree))) == {"zfnet"}
