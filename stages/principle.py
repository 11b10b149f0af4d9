"""principle: follow one activation up and down through layers 1 and 2, step by step (Fig. 1, section 2.1).

Reads zfnet's weights, its activations and the validation beton. Writes principle/steps.safetensors and steps.json for
the strongest activation of layer 2 over the validation images. Costs seconds.
"""

from zfpipe import params, paths, stage, store, unavailable
from zfpipe.probes import principle
from zfpipe.subject.subject import Subject


def main() -> None:
    settings = params.load()
    subject, strongest = Subject.open(settings), store.load(paths.STRONGEST)
    unavailable.save(paths.PRINCIPLE, lambda: principle.run(subject, strongest, settings.deconvnet))


if __name__ == "__main__":
    stage.run(main)
