"""How many embedded pictures one core draws and encodes in a second: median of five rounds of 100."""

import statistics
import time

import cv2

from zfpipe.pictures.generated.archive import draw_some

ROUNDS, PICTURES = 5, 100


def main() -> None:
    cv2.setNumThreads(1)
    draw_some((0, "train", range(25), "pictures"))  # the tiles of noise are made once
    rates = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        draw_some((0, "train", range(number * PICTURES, (number + 1) * PICTURES), "pictures"))
        rates.append(PICTURES / (time.perf_counter() - start))
    print(f"{statistics.median(rates):.0f} pictures/s on one core (from {min(rates):.0f} to {max(rates):.0f})")


if __name__ == "__main__":
    main()
