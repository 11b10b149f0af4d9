"""How far colour and layout alone go: a linear classifier on 8x8 thumbnails of the pictures' centre squares.

Reads data/pictures (run `dvc repro pictures` first); prints the validation accuracy for several strengths of L2
regularisation, the best of which is the figure to quote: it flatters the classifier, never the pictures.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from zfpipe import paths
from zfpipe.index.images import image_bytes, read_index

SIDE = 8
STRENGTHS = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1)


def thumbnail(data: bytes) -> np.ndarray:
    """The centre square of a picture, averaged to 8x8: `(192,)`."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + side, top + side))
    return np.asarray(small, np.float32).ravel()


def accuracy(features: torch.Tensor, labels: torch.Tensor, train: torch.Tensor, strength: float) -> float:
    """Multinomial logistic regression to convergence; accuracy on the rows that are not `train`."""
    classes = int(labels.max()) + 1
    weight = torch.zeros(features.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=300)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        fit = functional.cross_entropy(features[train] @ weight + bias, labels[train])
        total = fit + strength * weight.square().sum()
        total.backward()
        return total

    optimiser.step(loss)
    guesses = (features[~train] @ weight + bias).argmax(1)
    return (guesses == labels[~train]).double().mean().item()


def main() -> None:
    index = read_index(paths.INDEX)
    places = zip(index["path"], index["offset"], index["size"], strict=True)
    thumbnails = np.stack([thumbnail(image_bytes(paths.PICTURES, *place)) for place in places])
    train = np.array([split == "train" for split in index["split"]])
    thumbnails = (thumbnails - thumbnails[train].mean(0)) / thumbnails[train].std(0)
    labels = torch.tensor(index["label"].tolist())
    print(f"{train.sum()} training and {(~train).sum()} validation pictures of {int(labels.max()) + 1} classes")
    results = {
        strength: accuracy(torch.from_numpy(thumbnails), labels, torch.from_numpy(train), strength)
        for strength in STRENGTHS
    }
    for strength, share in results.items():
        print(f"L2 {strength:g}: {share:.1%}")
    print(f"best: {max(results.values()):.1%}")


if __name__ == "__main__":
    main()
