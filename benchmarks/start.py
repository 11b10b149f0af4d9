"""Time importing what a stage needs: some stages without torch, and `train`; with `--full` all stages.

Print the medians of wall and processor seconds, and whether torch is imported.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from benchmarks import harness

ROUNDS, FEW = 3, ("figure", "transfer", "report", "train")
CODE = "import importlib, sys; importlib.import_module(sys.argv[1]); print('torch' in sys.modules)"


def started(module: str) -> tuple[float, float, bool]:
    """Return wall seconds, processor seconds, and whether the import of `module` imports torch."""
    before, start = os.times(), perf_counter()
    done = subprocess.run([sys.executable, "-c", CODE, module], capture_output=True, text=True, check=True)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return perf_counter() - start, processor, done.stdout == "True\n"


def main() -> None:
    every = sorted(path.stem for path in Path("stages").glob("*.py") if path.stem != "__init__")
    names = every if harness.arguments(__doc__).full else FEW
    modules = ["sys", *(f"stages.{name}" for name in names)]
    # The first round compiles the modules and does not count.
    rounds = [{module: started(module) for module in modules} for _ in range(ROUNDS + 1)][1:]
    print(f"{'module':24} {'seconds':>8} {'processor':>10}  torch")
    for module in modules:
        walls, processors, torch = zip(*(found[module] for found in rounds), strict=True)
        print(f"{module:24} {statistics.median(walls):8.2f} {statistics.median(processors):10.2f}  {torch[0]}")
        harness.keep("start", module, "s", list(walls))


if __name__ == "__main__":
    main()
