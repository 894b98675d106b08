"""How much filters look like edges: a two-dimensional Gabor function fitted to each (Daugman 1985).

Images of the world make sparse filters that are Gabor functions. A single bright pixel fits one, too, and noise of
few pixels does nearly, so beside the fit it is counted over how many pixels a filter spreads.
"""

import dataclasses

import numpy as np

_ANGLES, _FREQUENCIES, _WIDTHS = 8, (0.08, 0.14, 0.22, 0.32), (0.12, 0.22)
_STARTS, _STEPS = 3, 60  # From which the fit goes on, and for how long at most.
_MOST_FREQUENCY = 0.5  # Cycles a pixel: one pixel light, one dark.


@dataclasses.dataclass(frozen=True)
class Gabor:
    """The Gabor function nearest to a filter.

    Attributes:
      fit: R squared: the share of the filter's energy about its mean that the function explains; 1 is perfect, 0 is no
        better than the mean.
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
    _, height, width, channels = filters.shape
    grid = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    flat = filters.reshape(len(filters), -1, channels)
    colors, strengths, directions = np.linalg.svd(flat, full_matrices=False)
    targets = colors[:, :, 0] * strengths[:, :1]
    starts = np.stack([_starts(target, grid, height, width) for target in targets])
    least = np.array([0.0, 0.0, -np.inf, 0.5 / max(height, width), 0.4, 0.4])
    most = np.array([height - 1.0, width - 1.0, np.inf, _MOST_FREQUENCY, float(height), float(max(height, width))])
    found, costs = _descended(
        np.clip(starts.reshape(-1, 6), least, most), targets.repeat(_STARTS, axis=0), grid, least, most
    )
    best = costs.reshape(-1, _STARTS).argmin(axis=1)
    chosen = found.reshape(-1, _STARTS, 6)[np.arange(len(filters)), best]
    explained = _nearest(chosen, targets, grid)
    # All colors count, also those that were not fitted.
    missed = np.square(flat - explained[:, :, None] * directions[:, None, 0]).sum(axis=(1, 2))
    total = np.square(flat - flat.mean(axis=1, keepdims=True)).sum(axis=(1, 2))
    # A filter without stripes may be further from every Gabor function than from its own mean.
    fits = np.where(total > 0, np.maximum(1.0 - missed / np.maximum(total, 1e-300), 0.0), 0.0)
    return [
        Gabor(
            fit=float(fits[k]),
            orientation=float(np.rad2deg(row[2]) + 90.0) % 180.0,
            frequency=float(row[3]),
            center=(float(row[0]), float(row[1])),
            widths=(float(row[4]), float(row[5])),
            picture=explained[k].reshape(height, width),
        )
        for k, row in enumerate(chosen)
    ]


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


def _descended(given: np.ndarray, targets: np.ndarray, grid: np.ndarray, least, most) -> tuple:
    """Levenberg and Marquardt's way down for many fits at once, p and q solved for at every step.

    Args:
      given: float64 [k, 6], starts.
      targets: float64 [k, pixels].
      grid: of the pixels.
      least, most: float64 [6], bounds.

    Returns:
      (float64 [k, 6], sums of squares [k]).
    """
    damping, residual = np.full(len(given), 1e-2), targets - _nearest(given, targets, grid)
    costs = np.square(residual).sum(axis=1)
    for _ in range(_STEPS):
        columns = []
        for number in range(6):
            shift = np.where(given[:, number] + 1e-6 <= most[number], 1e-6, -1e-6)
            moved = given.copy()
            moved[:, number] += shift
            columns.append((targets - _nearest(moved, targets, grid) - residual) / shift[:, None])
        slopes = np.stack(columns, axis=1)
        curvature = slopes @ slopes.transpose(0, 2, 1)
        diagonal = np.einsum("kii->ki", curvature)
        damped = curvature + np.eye(6) * (damping[:, None] * diagonal + 1e-12 + 1e-9 * costs[:, None])[:, None]
        change = np.linalg.solve(damped, -(slopes @ residual[:, :, None]))[:, :, 0]
        trial = np.clip(given + np.clip(change, -1.0, 1.0), least, most)
        missed = targets - _nearest(trial, targets, grid)
        reached = np.square(missed).sum(axis=1)
        better = reached < costs
        gained = np.max(np.where(better, costs - reached, 0.0) / np.maximum(costs, 1e-300))
        given, residual = np.where(better[:, None], trial, given), np.where(better[:, None], missed, residual)
        costs = np.where(better, reached, costs)
        damping = np.where(better, damping * 0.3, damping * 5.0)
        if damping.min() > 1e8 or (better.any() and gained < 1e-9):
            break
        damping = np.clip(damping, 1e-9, 1e10)
    return given, costs


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


def _nearest(given: np.ndarray, targets: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The nearest functions of given centers, angles, frequencies and widths: float64 [k, 6] to [k, pixels].

    Args:
      given: float64 [k, 6].
      targets: float64 [k, pixels], or one for all [pixels].
      grid: float64 [2, pixels], their rows and columns.
    """
    top, left, angle, frequency, across, along = given.T[:, :, None]
    down, right = grid[0] - top, grid[1] - left
    # An angle of 0 has stripes that follow one another from left to right.
    u = right * np.cos(angle) + down * np.sin(angle)
    v = down * np.cos(angle) - right * np.sin(angle)
    envelope = np.exp(-0.5 * np.square(u / across) - 0.5 * np.square(v / along))
    even, odd = envelope * np.cos(2 * np.pi * frequency * u), envelope * np.sin(2 * np.pi * frequency * u)
    # Two unknowns: their normal equations have a solution that can be written down.
    ee, eo, oo = (even * even).sum(axis=1), (even * odd).sum(axis=1), (odd * odd).sum(axis=1)
    et, ot = (even * targets).sum(axis=1), (odd * targets).sum(axis=1)
    determinant = ee * oo - eo * eo + 1e-9 * (ee + oo) ** 2 + 1e-300
    p, q = (oo * et - eo * ot) / determinant, (ee * ot - eo * et) / determinant
    return p[:, None] * even + q[:, None] * odd
