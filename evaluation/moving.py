"""Pictures shifted, turned and scaled about their center, one by one or all at random."""

import numpy as np
import scipy.ndimage

# The most that `moved` moves: share of the side, degrees, and the logarithm of the factor.
SHIFT, DEGREES, SCALE = 0.12, 15.0, 0.25
STATED = f"shifted by up to {SHIFT:.0%} of the side, turned by up to {DEGREES:.0f} degrees, scaled by e^±{SCALE}"


def transformed(image: np.ndarray, down: float, right: float, scale: float, degrees: float, border: str) -> np.ndarray:
    """An image under one transformation about its center, with cubic interpolation.

    Args:
      image: float32 [height, width, channels] in [0, 1].
      down, right: pixels.
      scale: factor of its size.
      degrees: that it is turned by.
      border: what comes in from outside, as of `scipy.ndimage`: "nearest" repeats the border, "mirror" the image.

    Returns:
      float32 of the same shape, in [0, 1].
    """
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    center = (np.array(image.shape[:2]) - 1) / 2
    offset = center - matrix @ (center + np.array([down, right]))
    result = np.empty_like(image)
    for channel in range(image.shape[2]):
        scipy.ndimage.affine_transform(
            image[..., channel], matrix, offset, output=result[..., channel], order=3, mode=border
        )
    return np.clip(result, 0.0, 1.0)


def moved(images: np.ndarray, seed: int) -> np.ndarray:
    """Every image moved once, at random: shift, rotation and scale evenly between their most.

    A unit that knows a concept only at one place, upright and of one size does not know it here. What comes in from
    outside mirrors the image.

    Args:
      images: float32 [n, height, width, channels] in [0, 1].
      seed: keys the moves: the same for sets of as many images.

    Returns:
      float32 of the same shape.

    Example:
      >>> moved(np.full([2, 8, 8, 1], 0.5, np.float32), seed=0).shape
      (2, 8, 8, 1)
    """
    generator = np.random.default_rng(seed)
    moves = generator.uniform(-1.0, 1.0, [len(images), 4])
    result = np.empty_like(images)
    for number, (image, (down, right, scale, degrees)) in enumerate(zip(images, moves, strict=True)):
        down, right = SHIFT * down * image.shape[0], SHIFT * right * image.shape[1]
        result[number] = transformed(image, down, right, np.exp(SCALE * scale), DEGREES * degrees, "mirror")
    return result
