"""Evaluation and activations as one script, so that tests start processes for them only once."""

from stages import activations, evaluate
from zfpipe.processes import distributed


def main() -> None:
    evaluate.main()
    activations.main()


if __name__ == "__main__":
    distributed.run(main)
