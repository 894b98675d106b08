"""Draws a small set of colored pictures with a class: a shape of any color, size and place on colored ground.

    python benchmarks/draw_shapes.py --out=shapes.npz

Six classes (disc, square, two bars, diamond, cross), 32 x 32 pixels, 3,000 for training and 600 for testing: what the
exports are measured on beside digits and clothes.
"""

import argparse

import numpy as np

SIDE = 32
CLASSES = 6


def picture(label: int, generator: np.random.Generator) -> np.ndarray:
    """uint8 [SIDE, SIDE, 3]."""
    down, across = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    ground = 0.5 * generator.uniform(0, 1, 3) + generator.normal(0, 0.04, (SIDE, SIDE, 3))
    ground += np.linspace(0, generator.uniform(0, 0.3), SIDE)[:, None, None]
    color, (y, x), size = generator.uniform(0.3, 1, 3), generator.uniform(-5, 5, 2), generator.uniform(6, 10)
    down, across = down - y, across - x
    flat, upright = np.abs(down), np.abs(across)
    shapes = (
        np.hypot(down, across) < size,
        np.maximum(flat, upright) < 0.85 * size,
        flat < 0.35 * size,
        upright < 0.35 * size,
        flat + upright < 1.2 * size,
        np.minimum(flat, upright) < 0.3 * size,
    )
    shape = shapes[label]
    ground[shape] = color + generator.normal(0, 0.03, (int(shape.sum()), 3))
    return np.clip(255 * ground, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="shapes.npz")
    options = parser.parse_args()
    generator, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 3000), ("test", 600)):
        labels = generator.permutation(np.arange(count) % CLASSES)
        arrays[f"x_{split}"] = np.stack([picture(label, generator) for label in labels])
        arrays[f"y_{split}"] = labels.astype(np.int32)
    np.savez(options.out, **arrays)


if __name__ == "__main__":
    main()
