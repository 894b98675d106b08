"""How much filters look like edges: a two-dimensional Gabor function fitted to each (Daugman 1985).

Images of the world make sparse filters that are Gabor functions. A single bright pixel fits one, too, and noise of
few pixels does nearly, so beside the fit it is counted over how many pixels a filter spreads.
"""

import dataclasses

import numpy as np
import scipy.optimize

_ANGLES, _FREQUENCIES, _WIDTHS = 8, (0.08, 0.14, 0.22, 0.32), (0.12, 0.22)
_STARTS = 3  # From which the fit goes on.
_MOST_FREQUENCY = 0.5  # Cycles a pixel: one pixel light, one dark.


@dataclasses.dataclass(frozen=True)
class Gabor:
    """The Gabor function nearest to a filter.

    Attributes:
      fit: R squared: the share of the filter's energy about its mean that the function explains; 1 is perfect.
      orientation: of its stripes, degrees in [0, 180): 0 is horizontal, 90 vertical.
      frequency: cycles a pixel.
      center: (row, column).
      widths: standard deviations across and along the stripes, pixels.
      picture: float64 [height, width], the function itself.
    """

    fit: float
    orientation: float
    frequency: float
    center: tuple
    widths: tuple
    picture: np.ndarray


def fit(filters) -> list[Gabor]:
    """Fits by least squares: the best of a grid of starts, of which the nearest few are followed downhill.

        g(u, v) = exp(-u^2 / 2 a^2 - v^2 / 2 b^2) (p cos(2 pi f u) + q sin(2 pi f u))

    u runs across the stripes and v along them, from the center. p and q are solved for, the other six searched.

    Args:
      filters: float [n, height, width] or [n, height, width, channels]; of colors the leading one is fitted, and what
        the others hold counts as missed.

    Returns:
      A `Gabor` for each filter.

    Example:
      >>> down, across = np.mgrid[:8, :8] - 3.5
      >>> stripes = np.exp(-(down**2 + across**2) / 8) * np.cos(0.4 * np.pi * across)
      >>> round(fit(stripes[None])[0].orientation)
      90
    """
    filters = np.asarray(filters, np.float64)
    filters = filters[..., None] if filters.ndim == 3 else filters
    return [_fitted(one) for one in filters]


def effective_pixels(filters) -> np.ndarray:
    """Over how many pixels filters spread: (sum f^2)^2 / sum f^4, 1 for a single pixel, all for a flat filter.

    Args:
      filters: float [n, height, width] or [n, height, width, channels]; the energy of a pixel is that of its channels.

    Returns:
      float64 [n]; 0 for a filter of zeros.

    Example:
      >>> effective_pixels(np.ones([1, 8, 8])).tolist()
      [64.0]
    """
    filters = np.asarray(filters, np.float64)
    energy = np.square(filters.reshape(*filters.shape[:3], -1)).sum(axis=-1).reshape(len(filters), -1)
    return np.square(energy.sum(axis=1)) / np.maximum(np.square(energy).sum(axis=1), 1e-300)


def _fitted(pixels: np.ndarray) -> Gabor:
    height, width, channels = pixels.shape
    colors, strengths, directions = np.linalg.svd(pixels.reshape(-1, channels), full_matrices=False)
    target = colors[:, 0] * strengths[0]
    grid = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    starts = _starts(target, grid, height, width)
    least = np.array([0.0, 0.0, -np.inf, 0.5 / max(height, width), 0.4, 0.4])
    most = np.array([height - 1.0, width - 1.0, np.inf, _MOST_FREQUENCY, float(height), float(max(height, width))])
    best, error = starts[0], np.inf
    for start in starts:
        found = scipy.optimize.least_squares(
            lambda given: target - _nearest(given[None], target, grid)[0], np.clip(start, least + 1e-6, most - 1e-6),
            bounds=(least, most), x_scale=[1.0, 1.0, 0.3, 0.05, 1.0, 1.0], max_nfev=60,
        )  # fmt: skip
        if found.cost < error:
            best, error = found.x, found.cost
    explained = _nearest(best[None], target, grid)[0]
    # All colors count, also those that were not fitted.
    missed = np.square(pixels.reshape(-1, channels) - explained[:, None] * directions[:1]).sum()
    total = np.square(pixels - pixels.mean(axis=(0, 1))).sum()
    return Gabor(
        fit=float(1.0 - missed / total) if total else 0.0,
        orientation=float(np.rad2deg(best[2]) + 90.0) % 180.0,
        frequency=float(best[3]),
        center=(float(best[0]), float(best[1])),
        widths=(float(best[4]), float(best[5])),
        picture=explained.reshape(height, width),
    )


def _starts(target: np.ndarray, grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """float64 [k, 6]: center, angle across the stripes, frequency and two widths, the best first."""
    energy = np.square(target)
    middle = (grid * energy).sum(axis=1) / max(energy.sum(), 1e-300)
    peak = grid[:, np.argmax(energy)]
    angles = np.pi * np.arange(_ANGLES) / _ANGLES
    candidates = np.array(
        [
            (*center, angle, frequency, share * max(height, width), share * max(height, width))
            for center in (middle, peak)
            for angle in angles
            for frequency in _FREQUENCIES
            for share in _WIDTHS
        ]
    )
    errors = np.square(target - _nearest(candidates, target, grid)).sum(axis=1)
    return candidates[np.argsort(errors)[:_STARTS]]


def _nearest(given: np.ndarray, target: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The nearest functions of given centers, angles, frequencies and widths: float64 [k, 6] to [k, pixels]."""
    top, left, angle, frequency, across, along = given.T[:, :, None]
    down, right = grid[0] - top, grid[1] - left
    # An angle of 0 has stripes that follow one another from left to right.
    u = right * np.cos(angle) + down * np.sin(angle)
    v = down * np.cos(angle) - right * np.sin(angle)
    envelope = np.exp(-0.5 * np.square(u / across) - 0.5 * np.square(v / along))
    even, odd = envelope * np.cos(2 * np.pi * frequency * u), envelope * np.sin(2 * np.pi * frequency * u)
    # Two unknowns: their normal equations have a solution that can be written down.
    ee, eo, oo = (even * even).sum(axis=1), (even * odd).sum(axis=1), (odd * odd).sum(axis=1)
    et, ot = even @ target, odd @ target
    determinant = ee * oo - eo * eo + 1e-9 * (ee + oo) ** 2 + 1e-300
    p, q = (oo * et - eo * ot) / determinant, (ee * ot - eo * et) / determinant
    return p[:, None] * even + q[:, None] * odd
