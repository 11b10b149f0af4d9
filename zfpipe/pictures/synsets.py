"""Read the names of ImageNet's classes by WordNet id, such as n01440764, and the classes of validation images."""

import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zfpipe.errors import UserError
from zfpipe.pictures.tar import zipped_files

DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
META = "data/meta.mat"
TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
MAPPING = "LOC_synset_mapping.txt"
WNID = re.compile("n[0-9]{8}")
LARGEST = 64 * 2**20
"""Maximum size of a file of the development kit in bytes."""


@dataclass(frozen=True)
class Devkit:
    """The development kit: class names by WordNet id, and the WordNet id of each validation image in order."""

    names: dict[str, str]
    truth: list[str]


def class_names(root: Path) -> dict[str, str]:
    """Return names by WordNet id, from the development kit or Kaggle's list in `root`; empty if both are missing."""
    if (root / DEVKIT).is_file():
        return read_devkit(root / DEVKIT).names
    if (root / MAPPING).is_file():
        return read_mapping(root / MAPPING)
    return {}


def first_words(words: dict[str, str]) -> dict[str, str]:
    """Return each class's first synonym; if two classes share it (crane, maillot), the WordNet id is added."""
    first = {wnid: synonyms.partition(",")[0].strip() or wnid for wnid, synonyms in words.items()}
    counts = Counter(first.values())
    return {wnid: word if counts[word] == 1 else f"{word} ({wnid})" for wnid, word in first.items()}


def read_mapping(path: Path) -> dict[str, str]:
    """Read class names from Kaggle's list, with lines such as `n01440764 tench, Tinca tinca`."""
    words: dict[str, str] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        wnid, _, synonyms = line.partition(" ")
        if not WNID.fullmatch(wnid):
            raise UserError(f"{path}, line {number}: {line[:40]!r}; must be a WordNet id such as n01440764 and words")
        words[wnid] = synonyms
    return first_words(words)


def read_devkit(path: Path) -> Devkit:
    """Read the development kit in place. Raise UserError if it is damaged or lacks a file."""
    wanted = re.compile(f"(?:.*/)?({re.escape(META)}|{re.escape(TRUTH)})")
    files = {match[1]: data for match, data in zipped_files(path, wanted, LARGEST)}
    for name in (META, TRUTH):
        if name not in files:
            raise UserError(f"{path} holds no {name}; download it again")
    try:
        wnids, words = parse_meta(files[META])
    except Exception as error:  # scipy can raise almost anything for a damaged file
        raise UserError(f"{path}: {META} can't be read ({type(error).__name__}); download it again") from None
    truth: list[str] = []
    for number, line in enumerate(files[TRUTH].decode(errors="replace").split(), 1):
        if line not in wnids:
            raise UserError(f"{path}: {TRUTH}, line {number}: {line[:20]!r}; must be a class of {META}")
        truth.append(wnids[line])
    return Devkit(first_words(words), truth)


def parse_meta(data: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Return WordNet ids by number in the ground truth, and words by WordNet id, for classes without subclasses."""
    from scipy.io import loadmat  # a slow import that only archives need

    table: Any = loadmat(io.BytesIO(data), squeeze_me=True, variable_names=["synsets"])["synsets"]
    leaves = [row for row in np.atleast_1d(table) if int(row["num_children"]) == 0]
    wnids = {str(int(row["ILSVRC2012_ID"])): str(row["WNID"]) for row in leaves}
    return wnids, {str(row["WNID"]): str(row["words"]) for row in leaves}
