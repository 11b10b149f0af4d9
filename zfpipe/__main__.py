"""The command line, `zfpipe` or `python -m zfpipe`: look, check, fetch, profile, repro and verify."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from zfpipe import params, paths
from zfpipe.errors import UserError
from zfpipe.tools import profiles

PROJECT = (paths.PARAMS, Path("dvc.yaml"))
"""Files by which a project's folder is known."""


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    line = argparse.ArgumentParser(prog="zfpipe", description="The paper's experiments as a DVC pipeline.")
    commands = line.add_subparsers(dest="command", required=True)
    profile = commands.add_parser("profile", help="write a profile's values into params.yaml, comments kept")
    profile.add_argument("name", nargs="?", help="the profile to write")
    profile.add_argument("--list", action="store_true", help="show the profiles there are")
    commands.add_parser("check", help="say whether a run can succeed here: parameters, images, libraries, disk, memory")
    download = commands.add_parser("fetch", help="download an image set, unpack it, and say how params.yaml names it")
    download.add_argument("set", help="tiny-imagenet, imagenette, caltech101, caltech256 or voc2012")
    download.add_argument(
        "--to", type=Path, metavar="DIR", help="the folder that holds sets; default: sets, in the project"
    )
    download.add_argument("--use", action="store_true", help="write it into params.yaml, comments kept")
    side_by_side = commands.add_parser(
        "repro", help="as `dvc repro`, but stages that don't need each other side by side"
    )
    side_by_side.add_argument(
        "--jobs", "-j", default="auto", help="how many stages at a time; default: auto, as many as fit this machine"
    )
    side_by_side.add_argument(
        "targets", nargs="*", help="stages to bring up to date, with what they need; default: all"
    )
    again = commands.add_parser(
        "verify", help="run the last commit in clean clones and compare every output with dvc.lock and with each other"
    )
    again.add_argument("--workers", type=numbers, default=[1, 2], help="ZFPIPE_WORKERS of each clone; default: 1,2")
    again.add_argument("--jobs", "-j", type=int, default=2, help="how many stages at a time; default: 2")
    again.add_argument("--profile", help="run this profile; then the clones are compared with each other alone")
    again.add_argument("--against", type=Path, help="run nothing: compare the run here with the one in this folder")
    again.add_argument("targets", nargs="*", help="stages to make, with what they need; default: all")
    look = commands.add_parser("look", help="what a network sees in photos, as a page; needs no project or data set")
    look.add_argument("photos", nargs="+", metavar="PHOTO", help="photos of any kind and size")
    which = look.add_mutually_exclusive_group()
    which.add_argument("--run", help="a run of the project in this folder; default: zfnet")
    which.add_argument("--net", metavar="MODULE:FUNCTION", help="a function that builds a network")
    look.add_argument("--weights", metavar="FILE", help="the weights of --net: its state dict, or safetensors")
    look.add_argument("--layers", nargs="+", metavar="LAYER", help="layers to show; default: about five")
    look.add_argument("--maps", type=int, default=8, help="strongest maps of each layer; default: 8")
    look.add_argument(
        "--class", dest="target", metavar="NAME", help="a class to hide places for too, by name or number"
    )
    look.add_argument("--size", type=int, default=224, help="side of the input of --net in pixels; default: 224")
    look.add_argument("--mean", nargs=3, type=float, help="of the colours, 0 to 1, for --net; default: ImageNet's")
    look.add_argument("--std", nargs=3, type=float, help="likewise")
    look.add_argument("--out", type=Path, default=Path("look"), help="folder of the page; default: look")
    return line


def numbers(text: str) -> list[int]:
    """Whole numbers, such as `1,2`."""
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Reads the arguments and runs one command."""
    arguments = parser().parse_args()
    sys.path.insert(0, str(Path.cwd()))  # for a network of one's own beside params.yaml
    try:
        if arguments.command == "look":
            from zfpipe.microscope import look  # torch takes a while to import

            print(look.run(arguments, partial(print, flush=True)))
            return
        elsewhere = arguments.command == "fetch" and arguments.to is not None and not arguments.use
        if not elsewhere and not any(path.exists() for path in PROJECT):
            raise UserError(
                f"no params.yaml or dvc.yaml in {Path.cwd()}; run zfpipe in a project's folder, such as a clone"
            )
        if arguments.command == "fetch":
            from zfpipe.tools import fetch

            fetch.fetch(arguments.set, arguments.to or paths.SETS, arguments.use)
            sys.exit(0)
        if arguments.command == "repro":
            from zfpipe.tools.repro import repro  # DVC takes a while to import

            failures = repro(arguments.targets, arguments.jobs)
            sys.exit("\n".join(f"zfpipe: {line}" for line in failures) or 0)
        if arguments.command == "verify":
            from zfpipe.tools import verify

            given = arguments.workers, arguments.jobs, arguments.profile, arguments.targets
            equal = verify.against(arguments.against) if arguments.against else verify.verify(*given)
            sys.exit(not equal)
        if arguments.command == "check":
            from zfpipe.tools import check  # what decodes takes a second to import

            states = []
            for finding in check.check(params.load()):
                print(f"{finding.state:6} {finding.what:18} {finding.found}", flush=True)
                states.append(finding.state)
            sys.exit("fails" in states)
        if arguments.list or arguments.name is None:
            for name, summary in profiles.summaries(Path("profiles")).items():
                print(f"{name:16} {summary}")
        else:
            for line in profiles.apply(arguments.name, Path("profiles"), paths.PARAMS):
                print(line)
    except UserError as error:
        sys.exit(f"zfpipe: {error}")
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"zfpipe: {error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("zfpipe: interrupted")


if __name__ == "__main__":
    main()
