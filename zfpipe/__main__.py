"""The command line, `zfpipe` or `python -m zfpipe`: look, check, fetch, profile, repro and verify."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import shtab

from zfpipe import params, paths
from zfpipe.errors import UserError
from zfpipe.tools import profiles

PROJECT = (paths.PARAMS, Path("dvc.yaml"))
"""A folder with these files is a project."""
RGB = ("RED", "GREEN", "BLUE")


EXAMPLES = {
    "": """\
  make report                          run everything: the whole paper, on drawn pictures
  dvc exp run -S model.stride=4        change the network, run what depends on it
  zfpipe look photo.jpg                look at a photo with the network of the run""",
    "look": """\
  zfpipe look photo.jpg
  zfpipe look a.jpg b.jpg --run alexnet --out page
  zfpipe look photo.jpg --net torchvision.models:resnet18 --weights resnet18.pth --class tench""",
    "check": """\
  zfpipe check                         before a long run, after each change of params.yaml""",
    "profile": """\
  zfpipe profile --list                show the profiles
  zfpipe profile smoke                 make everything small: a run of minutes
  git checkout params.yaml             take the profile back""",
    "fetch": """\
  zfpipe fetch tiny-imagenet           download into sets/
  zfpipe fetch imagenette --use        write pictures.source and pictures.root into params.yaml
  zfpipe fetch voc2012 --to /data      download into /data/voc2012; needs no project""",
    "repro": """\
  zfpipe repro                         run everything that changed
  zfpipe repro --jobs 4 figure@2       one figure, at most four stages at a time
  ZFPIPE_DEVICE=cuda zfpipe repro      one stage on each GPU""",
    "verify": """\
  zfpipe verify                        two clones, with 1 and 2 workers, against dvc.lock
  zfpipe verify --profile smoke        the same in minutes
  zfpipe verify --against ../other     compare with the run in another folder""",
}
"""Examples at the end of the help, for the whole command line ("") and for each command."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    about = (
        "All figures and tables of Zeiler & Fergus (2013) as a DVC pipeline. `zfpipe COMMAND --help` shows the options "
        "of a command, with examples."
    )
    line = argparse.ArgumentParser(prog="zfpipe", description=about, **shown(""))
    shtab.add_argument_to(line, help="print a script that completes commands and options in this shell")
    commands = line.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **shown(name))

    look = command("look", "write a page about photos: what a convnet sees in them")
    look.add_argument("photos", nargs="+", metavar="PHOTO", help="an image file of any size")
    which = look.add_mutually_exclusive_group()
    which.add_argument("--run", help="a run of the project in this folder; default: zfnet")
    which.add_argument("--net", metavar="MODULE:FUNCTION", help="a function that builds a network; needs no project")
    look.add_argument("--weights", metavar="FILE", help="weights of --net: a state dict, or safetensors")
    look.add_argument("--layers", nargs="+", metavar="LAYER", help="layers to show; default: about five")
    look.add_argument("--maps", type=int, default=8, help="strongest maps of each layer to show; default: 8")
    look.add_argument("--class", dest="target", metavar="NAME", help="hide places for this class too: name or number")
    look.add_argument("--size", type=int, default=224, help="side of the input of --net in pixels; default: 224")
    look.add_argument(
        "--mean", nargs=3, type=float, metavar=RGB, help="mean colour of the input, 0 to 1; default: ImageNet's"
    )
    look.add_argument(
        "--std", nargs=3, type=float, metavar=RGB, help="standard deviation of the input; default: ImageNet's"
    )
    look.add_argument("--out", type=Path, default=Path("look"), help="folder of the page; default: look")
    command("check", "say whether a run can succeed here: parameters, images, libraries, disk, memory")
    profile = command("profile", "write a profile's values into params.yaml; comments stay")
    profile.add_argument("name", nargs="?", help="the profile to write; default: show the profiles")
    profile.add_argument("--list", action="store_true", help="show the profiles")
    download = command("fetch", "download an image set, unpack it, print the lines for params.yaml")
    download.add_argument("set", help="tiny-imagenet, imagenette, caltech101, caltech256 or voc2012")
    download.add_argument("--to", type=Path, metavar="DIR", help="folder for sets; default: sets, in the project")
    download.add_argument("--use", action="store_true", help="write the lines into params.yaml; comments stay")
    side_by_side = command("repro", "run what changed, as `dvc repro`, but several stages at the same time")
    side_by_side.add_argument("--jobs", "-j", default="auto", help="stages at a time; default: as many as fit here")
    side_by_side.add_argument("targets", nargs="*", help="stages to run, with what they need; default: all")
    again = command("verify", "run the last commit again in clean clones and compare all outputs, byte for byte")
    again.add_argument("--workers", type=numbers, default=[1, 2], help="ZFPIPE_WORKERS of each clone; default: 1,2")
    again.add_argument("--jobs", "-j", type=int, default=2, help="stages at a time; default: 2")
    again.add_argument("--profile", help="use this profile, and compare the clones with each other alone")
    again.add_argument("--against", type=Path, metavar="DIR", help="run nothing: compare with the run in this folder")
    again.add_argument("targets", nargs="*", help="stages to run, with what they need; default: all")
    return line


def shown(command: str) -> dict[str, Any]:
    """Return the argparse options that show a command's examples line by line."""
    examples = f"examples:\n{EXAMPLES[command]}"
    return {"epilog": examples, "formatter_class": argparse.RawDescriptionHelpFormatter}


def numbers(text: str) -> list[int]:
    """Return whole numbers, such as `1,2`, from text."""
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Read the arguments and run one command; a mistake ends in one line."""
    arguments = parser().parse_args()
    sys.path.insert(0, str(Path.cwd()))  # finds a user's own network beside params.yaml
    try:
        sys.exit(run(arguments))
    except UserError as error:
        sys.exit(f"zfpipe: {error}")
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"zfpipe: {error.filename}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("zfpipe: interrupted")


def run(arguments: argparse.Namespace) -> int | str:
    """Run one command and return what `sys.exit` takes. Modules that take a while to import wait for their command."""
    command = arguments.command
    if command == "look":
        from zfpipe.microscope import look

        print(look.run(arguments, partial(print, flush=True)))
        return 0
    elsewhere = command == "fetch" and arguments.to is not None and not arguments.use
    if not elsewhere and not any(path.exists() for path in PROJECT):
        raise UserError(
            f"no params.yaml or dvc.yaml in {Path.cwd()}; run zfpipe in a project's folder, such as a clone"
        )
    if command == "fetch":
        from zfpipe.tools import fetch

        fetch.fetch(arguments.set, arguments.to or paths.SETS, arguments.use)
        return 0
    if command == "repro":
        from zfpipe.tools.repro import repro

        return "\n".join(f"zfpipe: {line}" for line in repro(arguments.targets, arguments.jobs)) or 0
    if command == "verify":
        from zfpipe.tools import verify

        given = arguments.workers, arguments.jobs, arguments.profile, arguments.targets
        return int(not (verify.against(arguments.against) if arguments.against else verify.verify(*given)))
    if command == "check":
        from zfpipe.tools import check

        states = []
        for finding in check.check(params.load()):
            print(f"{finding.state:6} {finding.what:18} {finding.found}", flush=True)
            states.append(finding.state)
        return int("fails" in states)
    if arguments.list or arguments.name is None:
        lines = [f"{name:16} {summary}" for name, summary in profiles.summaries(Path("profiles")).items()]
    else:
        lines = profiles.apply(arguments.name, Path("profiles"), paths.PARAMS)
    for line in lines:
        print(line)
    return 0


if __name__ == "__main__":
    main()
