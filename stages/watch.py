"""watch WHAT: write a digest of inputs whose changes DVC does not see; runs every time.

The inputs of `pictures` and `targets` are the files behind links to folders; the input of `model` is the code that
builds `model.source`. Writes data/watched/WHAT/digest.json. Costs a second; `model` also takes its module's import.
"""

from pathlib import Path
from typing import get_args

from zfpipe import params, paths, sections, stage, store
from zfpipe.pictures import links


def main() -> None:
    settings = params.load()
    what = stage.argument("what is watched", get_args(sections.Watched))
    if what == "model":
        from zfpipe.foreign import code  # torch takes seconds, and images alone need none

        found = code.digests(settings.model.source) if settings.model.source is not None else {}
    else:
        sets = {"pictures": settings.pictures, **settings.overlap.sets}
        if what == "targets":
            targets = {name: getattr(settings.targets, name) for name in sections.TARGETS}
            sets = {name: target for name, target in targets.items() if not target.embedded}
        before = store.load(paths.watched(what)) if paths.watched(what).exists() else {}
        found = {name: links.digests(Path(one.root), before.get(name)) for name, one in sets.items()}
    store.save(paths.watched(what), found)


if __name__ == "__main__":
    stage.run(main)
