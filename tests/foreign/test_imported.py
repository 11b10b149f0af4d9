"""Other people's convnets: read layer by layer, the same scores, refused with the reason where there is no way down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.foreign import chains
from tests.networks import SETTINGS, random_images
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.deconvnet.windows import project_windows
from zfpipe.errors import UserError
from zfpipe.foreign import imported
from zfpipe.network import weights
from zfpipe.network.convnet import ConvNet
from zfpipe.params import Deconvnet, Model

HERE = "tests.foreign.test_imported"
WEIGHTS = Path("weights")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights lie in a folder of the project."""
    monkeypatch.chdir(tmp_path)
    WEIGHTS.mkdir()


def plain(num_classes: int = 4) -> nn.Sequential:
    """A chain with everything that is read: no bias, batch normalisation, pools of two kinds, an average."""
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


def read(network: Callable[[], nn.Module], crop: int = 40, log: Callable[[str], None] = print) -> ConvNet:
    """Return what is read of the network that a function builds, with the weights in weights/net.pth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{HERE}.plain", network)
        return imported.read(model("plain", WEIGHTS / "net.pth"), crop, log)


def model(source: str, path: Path) -> Model:
    edit = {"source": source if ":" in source else f"{HERE}:{source}", "weights": str(path)}
    return Model.model_validate(SETTINGS.model.model_dump() | edit)


def saved(network: nn.Module, path: Path) -> nn.Module:
    """Random statistics in every normalisation, then the state dict."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            for values in (part.weight, part.running_mean, part.running_var, part.bias):
                assert values is not None
                values.data.uniform_(0.5, 2, generator=generator)
    torch.save(network.state_dict(), path)
    return network.eval()


def test_a_chain_gives_the_same_scores_and_projections(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = saved(plain(7), WEIGHTS / "net.pth")
    settings = model("plain", WEIGHTS / "net.pth")
    ours = imported.read(settings, 96)
    pixels = (random_images(3, 96) + 128).clamp(0, 255)
    mean, std = (torch.tensor(values)[:, None, None] for values in (settings.input_mean, settings.input_std))
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels - mean), theirs((pixels - mean) / std), rtol=1e-4, atol=1e-5)
        *_, third = ours.trace(pixels - mean)
        between = nn.Sequential(theirs[0], theirs[1], theirs[2][:3])((pixels - mean) / std)  # pyright: ignore
        torch.testing.assert_close(third.rectified, between, rtol=1e-4, atol=1e-5)
    weights.save(ours, WEIGHTS / "ours.safetensors")
    back = weights.load(WEIGHTS / "ours.safetensors", torch.device("cpu"))
    assert back.input_mean == list(settings.input_mean)
    torch.testing.assert_close(back(pixels - mean), ours(pixels - mean), rtol=1e-5, atol=1e-6)  # weights lie elsewhere


@pytest.mark.parametrize(("name", "crop"), [("alexnet", 96), ("vgg11_bn", 64)])
def test_torchvisions_networks_are_read_and_projected(name: str, crop: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(num_classes=5)
    save_file({key: tensor.contiguous() for key, tensor in theirs.state_dict().items()}, WEIGHTS / "net.safetensors")
    ours = imported.read(model(f"torchvision.models:{name}", WEIGHTS / "net.safetensors"), crop)
    convs = [part for part in theirs.modules() if isinstance(part, nn.Conv2d)]
    assert [conv.maps for conv in ours.architecture.convs] == [conv.out_channels for conv in convs]
    assert [dense.units for dense in ours.architecture.denses] == [4096, 4096, 5]
    images = random_images(2, crop)
    *_, trace = ours.trace(images, 3)
    place, side = trace.rectified.flatten(1).argmax(1), trace.rectified.shape[-1]
    units = Units(3, place // side**2, place % side**2 // side, place % side)
    settings = Deconvnet(unpooling="sum", norm="skip")
    whole, expected = project(ours, images, units, settings)
    [(cut, activations)] = project_windows(ours, images, [(units, torch.arange(2))], settings)
    torch.testing.assert_close(activations, expected, rtol=1e-4, atol=1e-5 * expected.max().item())
    torch.testing.assert_close(
        cut.abs().sum((1, 2, 3)), whole.abs().sum((1, 2, 3)), rtol=1e-3, atol=1e-6 * whole.abs().sum().item()
    )


@pytest.mark.parametrize("name", [*chains.READ, *chains.MODULES])
def test_a_chain_is_read_however_it_is_written(name: str) -> None:
    torch.manual_seed(1)
    theirs = chains.made(name)
    if name == "lazy":
        theirs(torch.zeros(2, 3, 40, 40))
    saved(theirs, WEIGHTS / "net.pth")
    lines: list[str] = []
    ours = read(lambda: chains.made(name), log=lines.append)
    pixels = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1)) * 255
    mean, std = (
        torch.tensor(values)[:, None, None] for values in (SETTINGS.model.input_mean, SETTINGS.model.input_std)
    )
    with torch.no_grad():
        scores, expected = ours(pixels - mean), theirs((pixels - mean) / std)
        softmax = name in ("softmax_at_the_end", "ended by a softmax")
        assert [line.endswith("is left out; the scores below it are what is read") for line in lines] == [
            True
        ] * softmax
        if softmax:
            assert ours.architecture.denses[-1].units == 4
            scores, expected = scores.log_softmax(1), expected if name == "softmax_at_the_end" else expected.log()
        torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
        *_, last = ours.trace(pixels - mean)
        torch.testing.assert_close(ours.classify(last.output), ours(pixels - mean), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*chains.REFUSED, *chains.NO_CHAINS])
def test_what_is_no_chain_is_refused_with_the_reason(name: str) -> None:
    torch.manual_seed(1)
    torch.save(chains.made(name).state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=(chains.REFUSED | chains.NO_CHAINS)[name][1]) as error:
        read(lambda: chains.made(name))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet18", r"adds two paths \(add at layer1\.0\)"),
        ("squeezenet1_1", r"joins two paths \(cat at features\.3\)"),
        ("mobilenet_v2", r"adds two paths \(add at features\.3\)"),
    ],
)
def test_two_paths_are_named(name: str, reason: str) -> None:
    build = getattr(torchvision.models, name)
    torch.save(build().state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=reason):
        read(build, 96)


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
def test_what_builds_no_network_is_one_line(source: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_crops_of_another_size_are_one_line() -> None:
    torch.save(plain().state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=r"at crops.size = 20 layer 3's maps shrink to nothing"):
        imported.read(model("plain", WEIGHTS / "net.pth"), 20)


@pytest.mark.parametrize(
    ("name", "crop", "reason"),
    [
        ("functions", 48, "fc1 takes 392 values, at crops.size = 48 there are 648; set crops.size to what it was"),
        ("in_place", 48, "fc1 takes 392 values, at crops.size = 48 there are 648; set crops.size to what it was"),
        ("fixed_view", 68, r"view in forward makes 8 rows of 2 images of this size; set crops.size to what it was"),
        ("fixed_view", 48, r"at crops.size = 48 its forward fails after conv2 \(shape .* is invalid"),
        ("average_of_all", 8, "at crops.size = 8 layer 2's maps shrink to nothing"),
    ],
)
def test_crops_of_another_size_are_one_line_in_any_forward(name: str, crop: int, reason: str) -> None:
    torch.save(chains.made(name).state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=reason):
        read(lambda: chains.made(name), crop)
