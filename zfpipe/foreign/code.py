"""The code that builds the network of `model.source`: DVC does not see it change."""

import hashlib
import os
import sys
import sysconfig
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from zfpipe.foreign import built

OURS = Path(__file__).parents[1]
COMPUTES = ("anynet", "foreign", "occlusion")
INSTALLED = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}


def digests(source: str) -> dict[str, str]:
    """Return what the function `source`, such as `nets:small`, is made of: its module is imported and it is called.

    A hash for each file of code that is not installed and for each file of the project that was read on the way, a
    version for each installed package, with a hash of the files of the source's own. A function that can't be called
    without arguments is not: what it alone imports is not seen. Raises UserError where the module can't be imported.
    """
    own = source.partition(":")[0]
    read: set[Path] = set()
    sys.addaudithook(lambda event, given: note(read, given[0]) if event == "open" else None)  # for good: torch has none
    function = built.builder(source)
    with suppress(Exception, SystemExit):
        function()
    packages = metadata.packages_distributions()
    found: dict[str, str] = {}
    files = {name: file for name, module in list(sys.modules.items()) if (file := file_of(module))}
    for module, path in files.items():
        top = module.partition(".")[0]
        if any(folder in path.parents for folder in INSTALLED):
            same = top == own.partition(".")[0]
            for package in packages.get(top, ()):
                record = metadata.distribution(package).read_text("RECORD") or ""
                found[package] = metadata.version(package) + f" {digest(record.encode())}" * same
            if same and top not in packages:
                found[module] = digest(path.read_bytes())
        elif (OURS not in path.parents or module == own) and module != "__main__" and path.suffix == ".py":
            found[module] = digest(path.read_bytes())
    found |= {path.as_posix(): digest(path.read_bytes()) for path in sorted(read) if path.is_file()}
    return dict(sorted(found.items()))


def ours() -> str:
    """Return the hash of the code that reads and computes foreign networks: it is part of their files."""
    files = [path for folder in COMPUTES for path in sorted((OURS / folder).glob("*.py"))]
    return digest(b"".join(path.read_bytes() for path in files))


def digest(data: bytes) -> str:
    """Return the hash of some bytes."""
    return hashlib.sha256(data).hexdigest()


def note(read: set[Path], name: object) -> None:
    """Keep the name of a file of the project that is opened, by its path in the project; code and hidden ones not."""
    if not isinstance(name, str | os.PathLike):
        return
    here = Path.cwd()
    path = here / name
    if here in path.parents and path.suffix not in (".py", ".pyc"):
        inside = path.relative_to(here)
        if not any(part.startswith(".") for part in inside.parts) and inside.parts[0] not in ("data", "zfpipe"):
            read.add(inside)


def file_of(module: object) -> Path | None:
    """Return the file of a module, or None where it has none."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) and Path(file).exists() else None
