"""Test files of weights as people have them: read right, or one line that names the file, its kind and what to do."""

import argparse
import gzip
import io
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as as_safetensors
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from zfpipe.errors import UserError
from zfpipe.foreign import built, state

FILE = Path("weights.pth")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))


class Own(nn.Module):
    """Stand for a class of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)


NET = net()
STATE: dict[str, Tensor] = {name: tensor.clone() for name, tensor in NET.state_dict().items()}


def saved(contents: Any, old: bool = False, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    torch.save(contents, stream, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    return stream.getvalue()


def zipped(**parts: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream.getvalue()


def scripted() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(net()), stream)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"), io.BytesIO(b""))
    return stream.getvalue()


def trained() -> dict[str, Any]:
    """Return an optimiser's state after a step, with momentum for every weight."""
    network = net()
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 3, 3, 3)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


def with_value(name: str, value: float, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    changed = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in STATE.items()}
    changed[name] = changed[name].clone()
    changed[name].view(-1)[-1] = value
    return changed


def refusal(contents: bytes) -> str:
    """Return the line with which a file with these contents is refused."""
    FILE.write_bytes(contents)
    with pytest.raises(UserError) as error:
        state.read(FILE)
    return str(error.value)


def check_line(line: str) -> None:
    """Fail unless an error is one whole line that names the file, without terminal codes or advice to load unsafely."""
    assert line.startswith(f"model.weights = {FILE} ") and line.isprintable() and len(line) < 700
    assert "weights_only" not in line and "safe_globals" not in line


ADAM = trained()
READ: dict[str, Callable[[], Any]] = {
    "as it is": lambda: STATE,
    "beside an optimiser": lambda: {"optimizer": ADAM, "epoch": 3, "state_dict": STATE, "rng": torch.get_rng_state()},
    "beside a list of optimisers": lambda: {"optimizer_states": [ADAM], "state_dict": STATE, "loops": {"step": {}}},
    "beside a loss": lambda: {"net": STATE, "criterion": {"weight": torch.ones(3)}},
    "beside an optimiser with names": lambda: {
        "optimizer": {"state": {"0.weight": {"exp_avg": torch.ones(4, 3, 3, 3)}}, "param_groups": []},
        "model": STATE,
    },
    "with other things": lambda: {**STATE, "epoch": 3, "arch": "small"},
    **{
        key: (lambda key=key: {key: STATE, "best": 0.5})
        for key in (
            "state_dict model model_state_dict net network weights params ema model_ema state_dict_ema module".split()  # noqa: SIM905
        )
    },
    "under two": lambda: {"model": {"network": STATE}, "args": {"lr": 0.1}},
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", READ)
def test_the_one_state_dict_is_read(name: str, old: bool) -> None:
    FILE.write_bytes(saved(READ[name](), old))
    found = state.read(FILE)
    assert list(found) == list(STATE)
    for key, tensor in STATE.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".safetensors", ".ckpt", ""])
@pytest.mark.parametrize("safe", [False, True])
def test_contents_decide_and_not_the_suffix(suffix: str, safe: bool) -> None:
    path = Path(f"weights{suffix}")
    path.write_bytes(as_safetensors(STATE) if safe else saved(STATE))
    assert state.read(path).keys() == STATE.keys()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_float32(dtype: torch.dtype) -> None:
    FILE.write_bytes(saved({key: tensor.to(dtype) for key, tensor in STATE.items() if tensor.is_floating_point()}))
    for key, tensor in state.read(FILE).items():
        torch.testing.assert_close(tensor, STATE[key].to(dtype).float(), rtol=0, atol=0)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "two": (
        lambda: saved({"model": STATE, "model_ema": STATE}),
        "holds 2 state dicts, model, model_ema; must hold one",
    ),
    "two deep": (lambda: saved({"model": STATE, "ema": {"shadow": STATE}}), "holds 2 state dicts, model, ema.shadow;"),
    "top and below": (lambda: saved({**STATE, "ema": STATE}), "holds 2 state dicts, the top level, ema;"),
    "a list": (lambda: saved([1, 2]), "holds no state dict, but a list"),
    "a dict": (lambda: saved({"weights": 3, "epoch": 1}), "holds no state dict, but a dict of weights, epoch"),
    "nothing": (lambda: saved({}), "holds no state dict, but an empty dict"),
    "an optimiser": (lambda: saved(ADAM), "holds no state dict, but a dict of state, param_groups"),
    "a whole module": (
        lambda: saved(Own()),
        r"holds a Python object, tests\.foreign\.test_state\.Own, which is not",
    ),
    "a torch module": (
        lambda: saved(net()),
        r"holds a Python object, torch\.nn\.modules\.container\.Sequential,",
    ),
    "the same, old": (lambda: saved(net(), old=True), r"object, torch\.nn\.modules\.container\.Sequential, .* alone"),
    "a Namespace": (
        lambda: saved({"state_dict": STATE, "hyper_parameters": argparse.Namespace(lr=1)}),
        r"holds a Python object, argparse\.Namespace, .*; save net.state_dict\(\) alone with torch.save",
    ),
    "a numpy number": (
        lambda: saved({"model": STATE, "best": np.float64(3)}),
        r"a Python object, numpy\._core\.multiarray\.scalar",
    ),
    "numpy arrays": (lambda: saved({"a": np.ones(3)}), r"a Python object, numpy\._core\.multiarray\._reconstruct"),
    "a pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "is a git-lfs pointer, .* run git lfs pull where it came from, or download",
    ),
    "a page": (
        lambda: b"<!DOCTYPE html>\n<html><head>",
        "is a web page .HTML or XML. and no weights; download it again",
    ),
    "a page later": (lambda: b"\n\n  <html>", "is a web page"),
    "XML": (lambda: b"\xef\xbb\xbf<?xml version='1.0'?><Error>", "is a web page"),
    "JSON": (lambda: b'{"metadata": {}, "weight_map": {}}', "is a JSON text"),
    "words": (lambda: b"404: Not Found", 'is a text that begins "404: Not Found" and no weights; download it again'),
    "nothing at all": (lambda: b"", "is empty; download it again"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file, as Keras writes"),
    "numpy's": (lambda: b"\x93NUMPY\x01\x00", "is a numpy array"),
    "TorchScript": (scripted, r"is a TorchScript archive, .*; save net.state_dict\(\) alone with torch.save"),
    "a zip": (
        lambda: zipped(**{"weights/small.pth": "x"}),
        "is a zip archive, which begins with weights/small.pth, and not",
    ),
    "an empty zip": (zipped, "is a zip archive with nothing in it"),
    "tar": (tarred, "is a tar archive; unpack it first"),
    "gzip": (lambda: gzip.compress(saved(STATE)), "is compressed by gzip; unpack it first"),
    "a pickle": (lambda: pickle.dumps(STATE), "is a pickle, not as torch.save writes it"),
    "protocol 4": (lambda: saved(STATE, protocol=4), "was saved with another pickle_protocol than 2, torch's own"),
    "bytes": (lambda: bytes(range(128, 256)), r"is of a kind that is not known \(128 bytes\)"),
    "cut": (
        lambda: saved(STATE)[:1000],
        "is cut short or damaged: its end is missing after 1,000 bytes; download it again",
    ),
    "cut, old": (lambda: saved(STATE, old=True)[:1000], r"is damaged or cut short \(1,000 bytes\); download it again"),
    "cut safetensors": (
        lambda: as_safetensors(STATE)[:-5],
        r"is a safetensors file cut short: 1,\d\d\d of at least 1,\d\d\d bytes; download it again",
    ),
    "cut in its header": (lambda: as_safetensors(STATE)[:50], "is a safetensors file cut short: 50 of at least"),
    "NaN": (lambda: saved(with_value("4.weight", float("nan"))), "1 of the 8 values of 4.weight are NaN or infinite"),
    "infinity": (
        lambda: saved(with_value("1.running_var", float("-inf"), torch.float16)),
        "1 of the 4 values of 1.running_var are NaN or infinite in float32",
    ),
    "more than float32 holds": (
        lambda: saved(with_value("0.bias", 1e300, torch.float64)),
        "1 of the 4 values of 0.bias",
    ),
    "NaN in safetensors": (
        lambda: as_safetensors(with_value("0.weight", float("nan"))),
        "1 of the 108 values of 0.weight",
    ),
    "sparse": (lambda: saved({"a": torch.eye(3).to_sparse()}), "holds a as sparse_coo, float32; must be plain numbers"),
    "complex": (lambda: saved({"a": torch.ones(1, dtype=torch.complex64)}), "holds a as strided, complex64"),
    "without values": (lambda: saved({"a": torch.ones(1, device="meta")}), "holds a without values"),
    "codes in a name": (lambda: saved({"\x1b[1ma\nb\x07": torch.tensor([torch.nan])}), r"values of a b\? are NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_a_single_state_dict_is_refused_with_the_reason(name: str) -> None:
    contents, reason = REFUSED[name]
    line = refusal(contents())
    check_line(line)
    assert re.search(reason, line), line


def test_a_missing_file_and_a_folder_are_refused() -> None:
    for path, reason in ((Path("none.pth"), "no such file"), (Path.cwd(), "is a folder")):
        with pytest.raises(UserError, match=reason):
            state.read(path)


PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "network.", "backbone.", "student.encoder.")


def put(found: dict[str, Tensor], module: nn.Module | None = None) -> dict[str, Tensor]:
    """Put weights into a network; return the network's weights."""
    module = module or net()
    assert built.put(module, found) == ""
    return module.state_dict()


@pytest.mark.parametrize("prefix", [*PREFIXES, "_orig_mod.module.", "module.module.", "model._orig_mod.net."])
def test_a_prefix_of_all_keys_is_dropped(prefix: str) -> None:
    found = put({prefix + key: tensor for key, tensor in STATE.items()})
    assert all(torch.equal(found[key], tensor) for key, tensor in STATE.items())


def test_an_averaged_model_is_read() -> None:
    averaged = AveragedModel(NET)
    averaged.update_parameters(NET)
    FILE.write_bytes(saved({"model": averaged.state_dict()}))
    found = put(state.read(FILE))
    assert all(torch.equal(found[key], tensor) for key, tensor in STATE.items())
    found = put({f"module.{key}": tensor for key, tensor in averaged.state_dict().items()})
    assert torch.equal(found["0.weight"], STATE["0.weight"])


def test_names_of_the_network_itself_are_kept() -> None:
    """Names that begin with `model.` get weights with and without this prefix. Layers may also be compiled alone."""
    whole = nn.ModuleDict({"model": net()})
    for found in (STATE, {f"model.{key}": one for key, one in STATE.items()}):
        assert torch.equal(put(found, whole)["model.0.weight"], STATE["0.weight"])
    parts = {f"{key[0]}._orig_mod{key[1:]}": one for key, one in STATE.items()}
    assert torch.equal(put(parts)["4.weight"], STATE["4.weight"])
    # Torch before 0.4 did not track batches.
    assert put({key: one for key, one in STATE.items() if "tracked" not in key})


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            {f"m.{key}": one for key, one in STATE.items() if not key.startswith("4")} | {"m.5.weight": torch.ones(1)},
            "2 of the network's 9 tensors are missing, first 4.weight; 1 of the file's 8 are not the network's, "
            "first 5.weight",
        ),
        (STATE | {"total_ops": torch.ones(1)}, "1 of the file's 10 are not the network's, first total_ops"),
        (STATE | {"4.weight": torch.ones(5, 4)}, "4.weight is 5x4 in the file and 2x4 in the network"),
        (STATE | {"0.weight": STATE["0.weight"].to(torch.int8)}, "0.weight holds torch.int8 numbers, which stand for"),
        (
            {"a.b": torch.ones(1)},
            "tensors are missing, first 0.weight; 1 of the file's 1 are not the network's, first a.b",
        ),
    ],
)
def test_what_differs_is_named_on_both_sides(found: dict[str, Tensor], reason: str) -> None:
    assert reason in built.put(net(), found)


FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORMATS: dict[str, Callable[[Any], bytes]] = {"new": saved, "old": lambda one: saved(one, old=True)}
DTYPES = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=6)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, dict[str, Tensor]]:
    """Draw a file of weights, and what must be read from it."""
    dtype = draw(DTYPES)
    right = {key: one.to(dtype) if one.is_floating_point() else one for key, one in STATE.items()}
    front = "".join(draw(st.lists(st.sampled_from(PREFIXES), max_size=3)))
    contents: Any = {front + key: one for key, one in right.items()}
    kind = draw(st.sampled_from([*FORMATS, "safetensors"]))
    if kind == "safetensors":
        return as_safetensors(contents), right
    for key in draw(st.lists(WORDS, max_size=3)):
        contents = {"epoch": 3, "optim": ADAM, key: contents}
    return FORMATS[kind](contents), right


@FUZZ
@given(files())
def test_weights_of_any_shape_are_read_right(drawn: tuple[bytes, dict[str, Tensor]]) -> None:
    contents, right = drawn
    FILE.write_bytes(contents)
    found = put(state.read(FILE))
    for key, tensor in right.items():
        torch.testing.assert_close(found[key], tensor.to(STATE[key].dtype), rtol=0, atol=0)


@FUZZ
@given(files(), st.data())
def test_a_file_cut_anywhere_is_one_line(drawn: tuple[bytes, dict[str, Tensor]], data: st.DataObject) -> None:
    contents = drawn[0]
    line = refusal(contents[: data.draw(st.integers(0, len(contents) - 1))])
    check_line(line)
    assert "download it again" in line or "is of a kind that is not known" in line


@FUZZ
@given(
    st.sampled_from([b"", b"PK\x03\x04", saved(3, old=True)[:30], b"\x00\x01\x00\x00\x00\x00\x00\x00{", b"<"]),
    st.binary(),
)
def test_bytes_of_any_kind_are_one_line(start: bytes, rest: bytes) -> None:
    check_line(refusal(start + rest))


@FUZZ
@given(files(), st.data())
def test_a_damaged_file_gives_numbers_or_one_line(drawn: tuple[bytes, dict[str, Tensor]], data: st.DataObject) -> None:
    contents = bytearray(drawn[0])
    for _ in range(data.draw(st.integers(1, 4))):
        contents[data.draw(st.integers(0, len(contents) - 1))] = data.draw(st.integers(0, 255))
    FILE.write_bytes(contents)
    try:
        found = state.read(FILE)
    except UserError as error:
        check_line(str(error))
    else:
        assert all(tensor.isfinite().all() for tensor in found.values())


@FUZZ
@given(st.data(), DTYPES, st.sampled_from([float("nan"), float("inf"), float("-inf")]), st.booleans())
def test_values_that_are_nan_or_infinite_are_named(
    data: st.DataObject, dtype: torch.dtype, value: float, old: bool
) -> None:
    name = data.draw(st.sampled_from([key for key, tensor in STATE.items() if tensor.is_floating_point()]))
    changed = with_value(name, 0, dtype)
    places = data.draw(st.sets(st.integers(0, changed[name].numel() - 1), min_size=1))
    changed[name].view(-1)[list(places)] = value
    line = refusal(saved(changed, old))
    check_line(line)
    assert f"{len(places)} of the {changed[name].numel()} values of {name} are NaN or infinite" in line
