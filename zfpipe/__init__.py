"""The experiments of Zeiler and Fergus (2013)."""

import sys
from importlib.util import find_spec

if find_spec("ruamel") is None:  # such as `.venv/bin/dvc repro`, which runs the stages with the system's Python
    sys.exit(f"zfpipe: {sys.executable} has none of the packages; activate the environment: . .venv/bin/activate")
