"""Test other people's convnets: the same scores, maps and projections, and the reason if a network is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from tests.foreign import nets
from tests.networks import SETTINGS
from zfpipe.anynet.network import AnyNet
from zfpipe.deconvnet.deconvnet import Units, project, refusal
from zfpipe.deconvnet.windows import project_windows
from zfpipe.errors import UserError
from zfpipe.foreign import code, imported
from zfpipe.network import weights
from zfpipe.occlusion.plan import Occluders
from zfpipe.sections import Deconvnet, Model

HERE = "tests.foreign.test_imported"
WEIGHTS = Path("weights")
WATCHED = {"nets": "a digest"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep weights in a folder of the project."""
    monkeypatch.chdir(tmp_path)
    WEIGHTS.mkdir()


def plain(num_classes: int = 4) -> nn.Sequential:
    """Return a chain with everything that is read: no bias, batch normalisation, pools of two kinds, an average."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 5, 2, 2, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)),
        nn.Sequential(nn.Conv2d(8, 7, 3), nn.BatchNorm2d(7), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten()),
        nn.Sequential(nn.Linear(63, 10), nn.ReLU(), nn.Dropout(), nn.Linear(10, num_classes)),
    )


def not_a_network() -> int:
    return 3


def failing(num_classes: int = 4) -> nn.Sequential:
    raise ValueError(f"no network\nfor {num_classes} classes")


def stopping() -> nn.Sequential:
    raise SystemExit("usage: train.py")


def needing(width: int, num_classes: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Linear(width, num_classes))


def scripted() -> nn.Module:
    return torch.jit.script(plain(7))


def not_numbered() -> nn.Sequential:
    return plain(7)


def passing_on(**options: Any) -> nn.Sequential:
    return not_numbered(**options)


class Classed(nn.Sequential):
    def __init__(self, num_classes: int = 4):
        super().__init__(*plain(num_classes))


INSTANCE = plain()


def read(network: Callable[[], nn.Module], crop: int = 40, log: Callable[[str], None] = print) -> AnyNet:
    """Return what is read of the network that a function builds, with the weights in weights/net.pth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{HERE}.plain", network)
        return imported.read(model("plain", WEIGHTS / "net.pth"), crop, log)


def model(source: str, path: Path) -> Model:
    edit = {"source": source if ":" in source else f"{HERE}:{source}", "weights": str(path)}
    return Model.model_validate(SETTINGS.model.model_dump() | edit)


def saved(network: nn.Module, path: Path) -> nn.Module:
    """Set random statistics in every normalisation, and save the state dict."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            for values in (part.weight, part.running_mean, part.running_var, part.bias):
                assert values is not None
                values.data.uniform_(0.5, 2, generator=generator)
    torch.save(network.state_dict(), path)
    return network.eval()


def settled(network: AnyNet) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images as our network takes them, and as the original network takes them."""
    pixels = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1)) * 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (network.input_mean, network.input_std))
    return pixels - mean, (pixels - mean) / std


@pytest.mark.parametrize("name", [*nets.READ, *nets.MODULES])
def test_a_network_is_read_however_it_is_written(name: str) -> None:
    """The scores are the same, and so are the maps and units below the scores."""
    torch.manual_seed(1)
    theirs = nets.made(name)
    if name == "lazy":
        theirs(torch.zeros(2, 3, 40, 40))
    saved(theirs, WEIGHTS / "net.pth")
    lines: list[str] = []
    ours = read(lambda: nets.made(name), log=lines.append)
    images, normalised = settled(ours)
    with torch.no_grad():
        scores, expected = ours(images), theirs(normalised)
        expected = expected["logits"] if isinstance(expected, dict) else expected
        softmax = "softmax" in name
        assert [line.endswith("is left out; its input is used as the scores") for line in lines] == [True] * softmax
        if softmax:
            dim = 0 if name == "softmax_over_images" else 1
            kind = functional.log_softmax if "_" in name else functional.softmax
            scores = kind(scores, dim)
        torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-6)
        outline, features = ours.architecture, dict(ours.features(images))
        assert list(features) == [one.layer for one in (*outline.convs, *outline.denses)]
        torch.testing.assert_close(features[outline.denses[-1].layer], ours(images), rtol=1e-5, atol=1e-6)
        for trace, conv in zip(ours.trace(images), outline.convs, strict=True):
            assert trace.rectified.shape[1:] == (conv.maps, conv.map_size, conv.map_size)
            assert torch.equal(trace.output, features[conv.layer])


def test_layers_are_the_networks_own() -> None:
    """The maps and outputs are those of the modules, and the units above are those of the hidden layer."""
    torch.manual_seed(0)
    theirs = saved(plain(7), WEIGHTS / "net.pth")
    ours = imported.read(model("plain", WEIGHTS / "net.pth"), 40)
    assert [conv.name for conv in ours.architecture.convs] == ["0.2", "1.1", "2.2"]
    assert [(dense.layer, dense.units, dense.kind) for dense in ours.architecture.denses] == [
        (4, 10, "hidden"),
        (5, 7, "softmax"),
    ]
    images, normalised = settled(ours)
    with torch.no_grad():
        first, second, _ = ours.trace(images)
        maps = theirs[0][:3](normalised)  # pyright: ignore
        torch.testing.assert_close(first.rectified, maps)
        torch.testing.assert_close(first.output, theirs[0](normalised))  # pyright: ignore
        torch.testing.assert_close(second.output, theirs[:2](normalised))  # pyright: ignore
        hidden = theirs[3][:2](theirs[:3](normalised))  # pyright: ignore
        torch.testing.assert_close(dict(ours.features(images))[4], hidden)
    assert len(list(ours.trace(images, last=2))) == 2


def test_layers_can_be_named_and_others_are_refused() -> None:
    saved(plain(7), WEIGHTS / "net.pth")
    settings = model("plain", WEIGHTS / "net.pth")
    named = imported.read(settings.model_copy(update={"layers": ("2.2", "1.1")}), 40)
    assert [(conv.layer, conv.name) for conv in named.architecture.convs] == [(1, "1.1"), (2, "2.2")]
    with pytest.raises(UserError, match=r"model.source = .*: layer '9.9': there is no such layer; must be one of"):
        imported.read(settings.model_copy(update={"layers": ("9.9",)}), 40)


@torch.no_grad()
def down(theirs: Any, normalised: torch.Tensor, signal: torch.Tensor, layer: int) -> torch.Tensor:
    """Project `plain` from the rectified maps of a layer, every step by hand."""

    def scale(norm: Any) -> torch.Tensor:
        return (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None]

    def unpool(signal: torch.Tensor, maps: torch.Tensor, size: int, ceil: bool) -> torch.Tensor:
        _, switches = functional.max_pool2d(maps, size, 2, ceil_mode=ceil, return_indices=True)
        return torch.zeros_like(maps).flatten(2).scatter_add_(2, switches.flatten(2), signal.flatten(2)).view_as(maps)

    first = theirs[0][:3](normalised)
    second = theirs[1][:2](theirs[0][3](first))
    if layer == 3:
        below = functional.conv_transpose2d(signal.relu() * scale(theirs[2][1]), theirs[2][0].weight)
        signal = unpool(below, second, 2, ceil=True).relu()
    below = functional.conv_transpose2d(signal, theirs[1][0].weight, padding=1)
    signal = unpool(below, first, 3, ceil=False).relu() * scale(theirs[0][1])
    return functional.conv_transpose2d(signal, theirs[0][0].weight, stride=2, padding=2, output_padding=1)


def test_a_projection_equals_one_by_hand_and_its_window_is_a_part_of_it() -> None:
    torch.manual_seed(0)
    theirs: Any = saved(plain(7), WEIGHTS / "net.pth")
    ours = imported.read(model("plain", WEIGHTS / "net.pth"), 40)
    images, normalised = settled(ours)
    with torch.no_grad():
        above = theirs[1][:2](theirs[0](normalised))
    place, rows = above[:, 2].flatten(1).argmax(1), torch.arange(3)
    ys, xs = place // above.shape[3], place % above.shape[3]
    signal = torch.zeros_like(above)
    signal[rows, 2, ys, xs] = above[rows, 2, ys, xs]
    expected = down(theirs, normalised, signal, 2) / torch.tensor(ours.input_std)[:, None, None]
    units = Units(2, torch.full((3,), 2), ys, xs)
    found, activations = project(ours, images, units, Deconvnet(unpooling="sum", norm="skip"))
    torch.testing.assert_close(activations, above[rows, 2, ys, xs])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))
    [(cut, _)] = project_windows(ours, images, [(units, rows)], Deconvnet(unpooling="sum", norm="skip"))
    field = ours.architecture.convs[1].field
    assert cut.shape[2:] == (field.size, field.size)
    torch.testing.assert_close(cut.abs().sum((1, 2, 3)), found.abs().sum((1, 2, 3)))
    refused = refusal(ours, Deconvnet(unpooling="overwrite", norm="skip"))
    assert refused is not None and "must be sum" in refused


def test_the_projection_of_a_class_unit_equals_one_by_hand() -> None:
    torch.manual_seed(0)
    theirs: Any = saved(plain(7), WEIGHTS / "net.pth")
    ours = imported.read(model("plain", WEIGHTS / "net.pth"), 40)
    images, normalised = settled(ours)
    logits, rows = ours(images), torch.arange(3)
    best, worst = logits.argmax(1), logits.argmin(1)
    pixels, values = ours.project_dense(images, 5, best, "skip")
    torch.testing.assert_close(values, logits[rows, best])
    hidden, last = theirs[3][0].weight.detach(), theirs[3][3].weight.detach()
    signal = ((values.relu()[:, None] * last[best]).relu() @ hidden).view(3, 7, 3, 3)
    maps = torch.zeros(3, 7, *[ours.architecture.convs[2].map_size] * 2, requires_grad=True)
    (signal,) = torch.autograd.grad(functional.adaptive_avg_pool2d(maps, 3), maps, signal)
    expected = down(theirs, normalised, signal, 3) / torch.tensor(ours.input_std)[:, None, None]
    torch.testing.assert_close(pixels, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))
    nothing, below_zero = ours.project_dense(images, 5, worst, "skip")
    assert (below_zero < 0).all() and (nothing == 0).all()


def test_a_network_without_relus_is_read_but_not_projected() -> None:
    torch.save(nets.made("sigmoid").state_dict(), WEIGHTS / "net.pth")
    ours = read(lambda: nets.made("sigmoid"))
    reason = ours.refusal("skip")
    assert (
        reason == "layer '1' can't be projected: 1 (Sigmoid) is no ReLU, and the deconvnet has a rule for ReLUs alone"
    )
    units = Units(1, *torch.zeros(3, 1, dtype=torch.int64))
    with pytest.raises(UserError, match=r"1 \(Sigmoid\) is no ReLU"):
        project(ours, settled(ours)[0][:1], units, Deconvnet(unpooling="sum", norm="skip"))


@pytest.mark.parametrize("name", ["plain", "sigmoid", "group norm", "oblong filters"])
def test_occlusion_equals_whole_images(name: str) -> None:
    torch.manual_seed(0)
    own = plain  # `read` replaces `plain` in this module
    make = (lambda: own(7)) if name == "plain" else (lambda: nets.made(name))
    saved(make(), WEIGHTS / "net.pth")
    ours = read(make)
    image, fill = settled(ours)[0][0], torch.full((3, 40, 40), 5.0)
    tops, lefts = torch.tensor([-4, 0, 10, 33]), torch.tensor([3, 20, 11, 35])
    hiding = ours.occlusion(image, fill)
    answers = list(hiding.answers(Occluders(tops, lefts, 9, 9)))
    hidden = image.repeat(4, 1, 1, 1)
    for one, top, left in zip(hidden, tops.tolist(), lefts.tolist(), strict=True):
        where = slice(max(top, 0), top + 9), slice(left, left + 9)
        one[:, where[0], where[1]] = fill[:, where[0], where[1]]
    with torch.no_grad():
        *_, last = ours.trace(torch.cat([image[None], hidden]))
        expected = ours(torch.cat([image[None], hidden]))
    torch.testing.assert_close(hiding.unoccluded.logits, expected[:1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(hiding.unoccluded.maps, last.rectified[:1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.cat([one.logits for one in answers]), expected[1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.cat([one.maps for one in answers]), last.rectified[1:], rtol=1e-4, atol=1e-5)


def test_a_file_holds_the_network_and_chooses_no_code() -> None:
    saved(plain(7), WEIGHTS / "net.pth")
    settings = model("plain", WEIGHTS / "net.pth")
    files = imported.run(settings, 40, WATCHED, print)
    (WEIGHTS / weights.FILE).write_bytes(files[weights.FILE])
    cpu = torch.device("cpu")
    ours, back = imported.read(settings, 40), weights.load(WEIGHTS / weights.FILE, cpu, settings.source)
    images, _ = settled(ours)
    assert isinstance(back, AnyNet) and back.input_mean == list(settings.input_mean)
    torch.testing.assert_close(back(images), ours(images))
    assert weights.serialised(back) == files[weights.FILE]
    assert back.described["code"] == [code.ours(), WATCHED], "a change of the code must change the file"
    for source in (None, "os:system"):
        with pytest.raises(UserError, match="train it again"):
            weights.load(WEIGHTS / weights.FILE, cpu, source)


@pytest.mark.parametrize("name", ["plain", "resnet18", "squeezenet1_1"])
def test_only_a_new_softmax_learns_and_is_loaded_again(name: str) -> None:
    torch.manual_seed(0)
    source = f"{HERE}:plain" if name == "plain" else f"torchvision.models:{name}"
    theirs = plain(5) if name == "plain" else getattr(torchvision.models, name)(num_classes=5)
    saved(theirs, WEIGHTS / "net.pth")
    settings, cpu = model(source, WEIGHTS / "net.pth"), torch.device("cpu")
    (WEIGHTS / weights.FILE).write_bytes(imported.run(settings, 40, WATCHED, print)[weights.FILE])
    new = weights.started(settings, 40, 9, 1, WEIGHTS, cpu)
    assert isinstance(new, AnyNet)
    last = new.top.classifier.name
    assert [name for name, one in new.module.named_parameters() if one.requires_grad] == [
        f"{last}.weight",
        f"{last}.bias",
    ]
    for key, weight in theirs.state_dict().items():
        assert key.startswith(last) or torch.equal(weight, new.state_dict()[key])
    images, _ = settled(new)
    before = {key: value.clone() for key, value in new.state_dict().items()}
    new.train()
    functional.cross_entropy(new(images), torch.tensor([0, 1, 2])).backward()
    assert all(torch.equal(before[key], value) for key, value in new.state_dict().items()), "statistics must not change"
    assert new(images).shape == (3, 9)
    weights.save(new, WEIGHTS / "trained.safetensors")
    back = weights.load(WEIGHTS / "trained.safetensors", cpu, source)
    torch.testing.assert_close(back(images), new(images))
    own = settings.model_copy(update={"softmax": "own"})
    assert not any(one.requires_grad for one in weights.started(own, 40, 5, 0, WEIGHTS, cpu).parameters())
    with pytest.raises(UserError, match=r"model.softmax = own, of 5 classes, but the pictures have 7; must be new, or"):
        weights.started(own, 40, 7, 0, WEIGHTS, cpu)


def test_an_untrained_twin_has_other_weights_by_the_seed() -> None:
    saved(plain(7), WEIGHTS / "net.pth")
    ours = imported.read(model("plain", WEIGHTS / "net.pth"), 40)
    images, _ = settled(ours)
    one, same, other = (ours.untrained(seed)(images) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.allclose(one, other) and not torch.allclose(one, ours(images))


@pytest.mark.parametrize("name", [*nets.REFUSED, *nets.REFUSED_MODULES])
def test_a_network_without_class_scores_is_refused_with_the_reason(name: str) -> None:
    torch.manual_seed(1)
    torch.save(nets.made(name).state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=(nets.REFUSED | nets.REFUSED_MODULES)[name][1]) as error:
        read(lambda: nets.made(name))
    assert str(error.value).startswith(f"model.source = {HERE}:plain, crops.size = 40: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("not_a_network", "it returned a int; must return an nn.Module"),
        ("scripted", "it returned a TorchScript module, whose forward can't be followed"),
        ("nowhere", "has no attribute 'nowhere'"),
        ("no.such.module:net", "No module named 'no'"),
        ("failing", r"it fails, ValueError: no network for 7 classes \(test_imported\.py, line \d+\)"),
        ("stopping", "it fails, SystemExit: usage: train.py"),
        ("needing", "it fails, TypeError: .*missing 1 required positional argument: 'width'"),
        ("INSTANCE", "is a network that is built already, a Sequential; must be module:function"),
        ("WEIGHTS", "is no function but a PosixPath; must be module:function"),
        ("mistyped:net", r"mistyped can't be imported, SyntaxError: .*\(mistyped\.py, line 2\)"),
        ("stumbling:net", r"stumbling can't be imported, ZeroDivisionError: .* \(stumbling\.py, line 1\)"),
        ("lacking:net", "No module named 'timmm'"),
        ("leaving:net", r"leaving can't be imported, SystemExit: 2 \(leaving\.py, line 1\)"),
    ],
)
def test_a_source_that_builds_no_network_is_one_line(source: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path.cwd()))
    texts = {"mistyped": "a = 1\ndef net(:\n", "stumbling": "1 / 0\n", "lacking": "import timmm\n"}
    for name, text in (texts | {"leaving": "raise SystemExit(2)\n"}).items():
        Path(f"{name}.py").write_text(text, encoding="utf-8")
    torch.save(plain(7).state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=reason) as error:
        imported.read(model(source, WEIGHTS / "net.pth"), 96)
    assert str(error.value).startswith(f"model.source = {source if ':' in source else f'{HERE}:{source}'}; ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["Classed", "passing_on", "not_numbered"])
def test_a_class_and_a_function_without_num_classes_build_as_well(source: str) -> None:
    torch.save(plain(7).state_dict(), WEIGHTS / "net.pth")
    assert imported.read(model(source, WEIGHTS / "net.pth"), 96).architecture.denses[-1].units == 7


def test_the_number_of_classes_is_found_in_any_order_of_the_keys() -> None:
    torch.save(dict(sorted(plain(7).state_dict().items(), reverse=True)), WEIGHTS / "net.pth")
    assert imported.read(model("plain", WEIGHTS / "net.pth"), 96).architecture.denses[-1].units == 7


@pytest.mark.parametrize(("name", "crop"), [("functions", 48), ("in_place", 48), ("fixed_view", 68), ("functions", 8)])
def test_crops_of_another_size_are_one_line(name: str, crop: int) -> None:
    torch.save(nets.made(name).state_dict(), WEIGHTS / "net.pth")
    wrong = rf"Net (can't take an image of 3x{crop}x{crop} .*|gives 4 rows for one image); must be the size"
    reason = f"crops.size = {crop}: {wrong} it was trained with"
    with pytest.raises(UserError, match=reason) as error:
        read(lambda: nets.made(name), crop)
    assert "\n" not in str(error.value)
