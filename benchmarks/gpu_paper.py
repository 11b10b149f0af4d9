"""Make the paper's results on one GPU, without DVC; each call continues after the last stage that ended.

    python -m benchmarks.gpu_paper WORK OUT --root tiny-imagenet-200      # Tiny-ImageNet at full width
    python -m benchmarks.gpu_paper WORK OUT --profile smoke               # to try the script on a processor

Run the stages of dvc.yaml in their order in WORK, several items of a stage at the same time. When all stages are done,
write the figures and numbers to OUT, in files of less than 16 MB. Exit with 1 if a stage failed, and with 3 if time ran
out.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ruamel.yaml import YAML

from zfpipe.tools import profiles

CODE = ("zfpipe", "stages", "profiles", "params.yaml", "dvc.yaml", "paper.yaml", "constraints.txt", "LICENSE")
KEPT = ("reports/figures", "reports/tables", "reports/claims.md", "reports/claims.json", "reports/measures.csv")
RESULTS = ("metrics", "metrics.json", "curves", "params.yaml", "times.csv")
ROWS = ("zfnet", "zfnet-seed1", "zfnet-seed2", "zfnet-unclipped", "alexnet", "alexnet-no3467")
LARGEST = 16_000_000
STATE = Path(".zfpipe")


def prepare(work: Path, given: argparse.Namespace) -> None:
    """Copy the code to a new folder, and write the profile's parameters there."""
    work.mkdir(parents=True)
    for name in CODE:
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy2
        copy(name, work / name)
    os.chdir(work)
    profiles.apply(given.profile, Path("profiles"), Path("params.yaml"))
    values = {} if given.profile == "smoke" else {"pictures": {"root": str(given.root)}, "rows": list(given.rows)}
    profiles.write(values, Path("params.yaml"), Path("params.yaml"))


def order() -> Iterator[tuple[str, list[str]]]:
    """Yield each stage of dvc.yaml with its items; a stage without items has the item ""."""
    load = YAML(typ="safe").load
    settings = load(Path("params.yaml").read_text())
    for name, entry in load(Path("dvc.yaml").read_text())["stages"].items():
        items = entry.get("foreach", [""])
        if isinstance(items, str):
            found = settings
            for key in items.strip("${}").split("."):
                found = found[key]
            items = found
        yield name, list(items)


def run(name: str, item: str) -> tuple[str, float, int]:
    """Run an item of a stage unless it ended well before. Return its name, seconds and exit status."""
    mark, log = (STATE / folder / f"{name}@{item}" for folder in ("done", "logs"))
    if mark.exists():
        return mark.name, 0.0, 0
    start = time.perf_counter()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        command = [sys.executable, "-m", f"stages.{name}", *([item] if item else [])]
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    seconds = time.perf_counter() - start
    last = (log.read_text().strip().splitlines() or [""])[-1]
    print(f"{'ok   ' if status == 0 else 'FAILS'} {mark.name}: {seconds:.0f} s; {last}", flush=True)
    if status == 0:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        with Path("times.csv").open("a") as file:
            file.write(f"{mark.name},{seconds:.1f}\n")
    return mark.name, seconds, status


def pack(out: Path) -> None:
    """Write figures and numbers as two archives. Raise SystemExit if one of them exceeds LARGEST."""
    out.mkdir(parents=True, exist_ok=True)
    for name, sources in (("reports.zip", KEPT), ("numbers.zip", RESULTS)):
        with zipfile.ZipFile(out / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for source in map(Path, sources):
                for path in sorted(source.rglob("*") if source.is_dir() else [source]):
                    archive.write(path)
        if (out / name).stat().st_size > LARGEST:
            raise SystemExit(f"{out / name} is larger than {LARGEST:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--profile", default="tiny-imagenet")
    parser.add_argument("--root", type=lambda text: Path(text).absolute(), default=Path("tiny-imagenet-200").absolute())
    parser.add_argument("--rows", nargs="+", default=ROWS)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=9.0)
    given = parser.parse_args()
    end, out = time.monotonic() + 60 * given.minutes, given.out.absolute()
    if given.work.exists():
        os.chdir(given.work)
    else:
        prepare(given.work, given)
    for name, items in order():
        with ThreadPoolExecutor(given.jobs) as pool:
            left = [item for item in items if time.monotonic() < end]
            done = list(pool.map(lambda item, name=name: run(name, item), left))
        if any(status for _, _, status in done):
            raise SystemExit(1)
        if len(left) < len(items) or time.monotonic() > end:
            print(f"time ran out at {name}; run the same command again", flush=True)
            raise SystemExit(3)
    pack(out)


if __name__ == "__main__":
    main()
