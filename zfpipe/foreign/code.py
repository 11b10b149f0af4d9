"""The code that builds the network of `model.source`: DVC does not see it change."""

import hashlib
import importlib
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from zfpipe.errors import UserError

OURS = Path(__file__).parents[1]
INSTALLED = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}


def digests(source: str) -> dict[str, str]:
    """Return what the function `source`, such as `nets:small`, is made of, once its module is imported.

    A hash for each file of code that is not installed, a version for each installed package. Raises UserError where
    the module can't be imported.
    """
    name = source.partition(":")[0]
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"model.source = {source}; importing {name} ends with {reason}") from None
    packages = metadata.packages_distributions()
    found: dict[str, str] = {}
    files = {name: file for name, module in list(sys.modules.items()) if (file := file_of(module))}
    for module, path in files.items():
        if any(folder in path.parents for folder in INSTALLED):
            for package in packages.get(module.partition(".")[0], ()):
                found[package] = metadata.version(package)
        elif OURS not in path.parents and module != "__main__" and path.suffix == ".py":
            found[module] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(found.items()))


def file_of(module: object) -> Path | None:
    """Return the file of a module, or None where it has none."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) and Path(file).exists() else None
