"""Time how many embedded pictures one core draws and encodes in a second."""

import cv2

from benchmarks import harness
from zfpipe.drawing.archive import draw_some

PICTURES, CLASSES = 120, 60


def main() -> None:
    cv2.setNumThreads(1)
    draw_some((0, "train", range(CLASSES), "pictures"))  # makes the tiles of noise, which are made once in a process

    def drawn() -> float:
        draw_some((0, "train", range(PICTURES), "pictures"))
        return PICTURES

    harness.compare("drawing", "pictures", {"ours, one core": drawn})


if __name__ == "__main__":
    main()
