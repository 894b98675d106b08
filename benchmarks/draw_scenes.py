"""Draws the contact sheet of scenes in the README: `python benchmarks/draw_scenes.py docs/scenes.png`."""

import sys

import numpy as np
from reverie.evaluation import pictures
from reverie.pipelines.scenes import factors, rendering


def main() -> None:
    labels, nuisances = factors.sample(0, np.arange(33))
    # The last row is of one color each: the object must show there too.
    for column, color in enumerate((0, 3, 5, 8, 10, 12, 15)):
        labels[22 + column] = (color, color, color, column % 3)
    scenes = rendering.render(labels, nuisances).numpy() / 255.0
    pictures.save_png(sys.argv[1], pictures.grid(scenes.reshape(3, 11, *scenes.shape[1:]), least_side=96))


if __name__ == "__main__":
    main()
