"""Other people's convnets: read layer by layer, the same scores, refused with the reason where there is no way down."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from tests.networks import SETTINGS, random_images
from zfpipe.deconvnet.deconvnet import Units, project
from zfpipe.deconvnet.windows import project_windows
from zfpipe.errors import UserError
from zfpipe.foreign import imported
from zfpipe.network import weights
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


def skipping(num_classes: int = 4) -> nn.Sequential:
    """A chain by its modules, more by its forward."""

    class Skipping(nn.Sequential):
        def forward(self, images: torch.Tensor) -> torch.Tensor:  # pyright: ignore
            return super().forward(images) + images.mean()

    return Skipping(*plain(num_classes))


def grouped() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2))


def linear_first() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(6, 2))


def not_a_network() -> int:
    return 3


def model(source: str, path: Path) -> Model:
    edit = {"source": source if ":" in source else f"{HERE}:{source}", "weights": str(path)}
    return Model.model_validate(SETTINGS.model.model_dump() | edit)


def saved(network: nn.Module, path: Path) -> nn.Module:
    """Random statistics in every normalisation, then the state dict."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
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


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("torchvision.models:resnet18", r"layer1\.0, a BasicBlock, goes its own ways"),
        ("torchvision.models:squeezenet1_1", r"features\.3, a Fire, goes its own ways"),
        ("grouped", "0, a Conv2d, has groups"),
        ("linear_first", "1, a Sigmoid, is no layer that it knows a way down through"),
        ("skipping", "its forward computes more than its layers in a row"),
    ],
)
def test_what_has_no_way_down_is_refused_with_the_reason(source: str, reason: str, tmp_path: Path) -> None:
    module, _, name = source.rpartition(":")
    network = getattr(torchvision.models, name)() if module else globals()[source]()
    torch.save(network.state_dict(), WEIGHTS / "net.pth")
    with pytest.raises(UserError, match=reason) as error:
        imported.read(model(source, WEIGHTS / "net.pth"), 96)
    assert "\n" not in str(error.value)


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    torch.save(plain().state_dict(), WEIGHTS / "net.pth")
    (WEIGHTS / "broken.pth").write_bytes((WEIGHTS / "net.pth").read_bytes()[:500])
    (WEIGHTS / "broken.safetensors").write_bytes(b"nothing of the kind")
    torch.save({"weights": 3}, WEIGHTS / "other.pth")
    torch.save(plain(), WEIGHTS / "pickled.pth")
    torch.save(grouped().state_dict(), WEIGHTS / "grouped.pth")
    for source, file, reason in [
        ("plain", "none.pth", "no such file"),
        ("plain", "broken.pth", "can't be read as weights alone"),
        ("plain", "broken.safetensors", "can't be read as weights alone"),
        ("plain", "pickled.pth", "can't be read as weights alone"),
        ("plain", "other.pth", "holds no state dict"),
        ("plain", "grouped.pth", "does not hold the weights of"),
        ("not_a_network", "net.pth", "returned a int"),
        ("nowhere", "net.pth", "has no attribute 'nowhere'"),
        ("no.such.module:net", "net.pth", "No module named 'no'"),
    ]:
        with pytest.raises(UserError, match=reason) as error:
            imported.read(model(source, WEIGHTS / file), 96)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"at crops.size = 20 layer 3's maps shrink to nothing"):
        imported.read(model("plain", WEIGHTS / "net.pth"), 20)
