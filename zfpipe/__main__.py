"""The command line: `python -m zfpipe profile NAME | --list`."""

import argparse
import sys
from pathlib import Path

from zfpipe import paths, profiles
from zfpipe.errors import UserError


def main() -> None:
    """Reads the arguments and runs one command."""
    parser = argparse.ArgumentParser(prog="zfpipe", description="The paper's experiments as a DVC pipeline.")
    commands = parser.add_subparsers(dest="command", required=True)
    profile = commands.add_parser("profile", help="write a profile's values into params.yaml, comments kept")
    profile.add_argument("name", nargs="?", help="the profile to write")
    profile.add_argument("--list", action="store_true", help="show the profiles there are")
    arguments = parser.parse_args()
    try:
        if arguments.list or arguments.name is None:
            for name, summary in profiles.summaries(Path("profiles")).items():
                print(f"{name:16} {summary}")
        else:
            for line in profiles.apply(arguments.name, Path("profiles"), paths.PARAMS):
                print(line)
    except UserError as error:
        sys.exit(f"zfpipe: {error}")


if __name__ == "__main__":
    main()
