"""Draws the digits that ship with the package: 500 training and 100 test images a class, seed 2014.

python benchmarks/draw_mnist_sample.py mnist.npz pipelines/data/mnist_sample.npz
"""

import sys

import numpy as np


def draw(images, labels, a_class: int, rng):
    rows = [rng.choice(np.flatnonzero(labels == label), a_class, replace=False) for label in range(10)]
    rows = np.concatenate(rows)
    rng.shuffle(rows)
    return images[rows], labels[rows]


def main(source: str, target: str) -> None:
    rng = np.random.default_rng(2014)
    with np.load(source, allow_pickle=False) as archive:
        x_train, y_train = draw(archive["x_train"], archive["y_train"], 500, rng)
        x_test, y_test = draw(archive["x_test"], archive["y_test"], 100, rng)
    np.savez_compressed(target, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main(*sys.argv[1:3])
