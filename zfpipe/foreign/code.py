"""A digest of the code that builds the network of `model.source`, since DVC does not track this code."""

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
    """Import the module of the function `source`, such as `nets:small`, call the function, and return what was used.

    Returned are a hash for each code file that is not installed and each project file that was read, and a version for
    each installed package; the source's own package also has a hash. A function that can't be called without arguments
    is not called, so its own imports are missed. Raises UserError if the module can't be imported.
    """
    own = source.partition(":")[0]
    read: set[Path] = set()
    # Python can't remove an audit hook
    sys.addaudithook(lambda event, given: note(read, given[0]) if event == "open" else None)
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
    """Return the hash of the code that reads and computes foreign networks. It becomes part of their files."""
    files = [path for folder in COMPUTES for path in sorted((OURS / folder).glob("*.py"))]
    return digest(b"".join(path.read_bytes() for path in files))


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def note(read: set[Path], name: object) -> None:
    """Record an opened file of the project by its relative path; skip code, hidden files, `data` and `zfpipe`."""
    if not isinstance(name, str | os.PathLike):
        return
    here = Path.cwd()
    path = here / name
    if here in path.parents and path.suffix not in (".py", ".pyc"):
        inside = path.relative_to(here)
        if not any(part.startswith(".") for part in inside.parts) and inside.parts[0] not in ("data", "zfpipe"):
            read.add(inside)


def file_of(module: object) -> Path | None:
    """Return the file of a module, or None if the module has none."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) and Path(file).exists() else None
