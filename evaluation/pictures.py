"""Pictures: image grids and scatter plots as uint8 arrays, and PNG files of them."""

import io
import warnings
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ..stored import in_utf8, whole_file

# Ten colors that stay apart for color-blind readers as well (Paul Tol's "muted" set and black).
COLORS = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499", "#000000",
)  # fmt: skip


def grid(images, gap: int = 2, least_side: int = 40) -> np.ndarray:
    """Lays images out in rows and columns on white.

    Args:
      images: float [rows, columns, h, w, c], clipped to [0, 1].
      gap: white pixels between images.
      least_side: small images are enlarged by a whole factor to at least this many pixels.

    Returns:
      uint8 [height, width, c].
    """
    images = np.asarray(images)
    rows, columns, height, width, channels = images.shape
    factor = max(1, -(-least_side // max(height, width)))
    pixels = np.round(np.clip(np.nan_to_num(images), 0.0, 1.0) * 255).astype(np.uint8)
    pixels = pixels.repeat(factor, axis=2).repeat(factor, axis=3)
    height, width = height * factor, width * factor
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            sheet[top : top + height, left : left + width] = pixels[row, column]
    return sheet


def scatter(points, labels, title: str, names=(), units=("z1", "z2")) -> np.ndarray:
    """Points in the plane, colored by class.

    Args:
      points: float [n, 2].
      labels: integers [n]; -1 is drawn gray.
      title: above the plot.
      names: class names in label order.
      units: names of the axes.

    Returns:
      uint8 [height, width, 3].
    """
    figure, axes = _figure(6.4, 5.6)
    labels = np.asarray(labels)
    for label in sorted(set(labels.tolist())):
        rows = labels == label
        name = "unlabeled" if label < 0 else (names[label] if label < len(names) else str(label))
        color = "#BBBBBB" if label < 0 else COLORS[label % len(COLORS)]
        axes.scatter(*points[rows].T, s=5, alpha=0.6, linewidths=0, color=color, label=_label(name))
    if len(set(labels.tolist())) <= 20:
        axes.legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.set_title(_label(title), fontsize=10)
    axes.set_xlabel(_label(units[0]))
    axes.set_ylabel(_label(units[1]))
    return _rendered(figure)


def curves(series: dict, title: str, logarithmic: bool = False, unit: str = "step") -> np.ndarray:
    """Lines over steps, or over a few things counted.

    Args:
      series: name -> (steps [n], values [n]).
      title: above the plot.
      logarithmic: of the value axis.
      unit: what is counted; of few points each one is marked.

    Returns:
      uint8 [height, width, 3].
    """
    figure, axes = _figure(5.6, 3.4)
    for number, (name, (steps, values)) in enumerate(series.items()):
        marker = "o" if len(steps) <= 20 else None
        color = COLORS[(3 * number) % len(COLORS)]
        axes.plot(steps, values, label=_label(name), color=color, linewidth=1.4, marker=marker, markersize=3)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_title(_label(title), fontsize=10)
    axes.set_xlabel(_label(unit))
    if unit != "step" and all(np.all(np.asarray(steps) == np.round(steps)) for steps, _ in series.values()):
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if len(series) > 1:
        axes.legend(fontsize=8, frameon=False)
    return _rendered(figure)


def histograms(groups: dict, title: str, unit: str) -> np.ndarray:
    """Distributions on one axis.

    Args:
      groups: name -> values [n].
      title: above the plot.
      unit: of the values.

    Returns:
      uint8 [height, width, 3].
    """
    figure, axes = _figure(5.6, 3.4)
    edges = np.histogram_bin_edges(np.concatenate([np.ravel(values) for values in groups.values()]), 40)
    for number, (name, values) in enumerate(groups.items()):
        axes.hist(values, edges, alpha=0.6, label=_label(name), color=COLORS[(3 * number) % len(COLORS)], density=True)
    axes.set_title(_label(title), fontsize=10)
    axes.set_xlabel(_label(unit))
    axes.legend(fontsize=8, frameon=False)
    return _rendered(figure)


def heat_map(values, rows: list, columns: list, title: str) -> np.ndarray:
    """A matrix as shades, with its numbers written in where there is room.

    Args:
      values: float [rows, columns]; NaN is left white.
      rows, columns: their names.
      title: above the map.

    Returns:
      uint8 [height, width, 3].
    """
    values = np.asarray(values, np.float64)
    small = max(values.shape) <= 12
    side = 0.62 if small else 7.0 / max(values.shape)
    figure, axes = _figure(2.2 + side * values.shape[1] * (1.15 if small else 1.0), 1.2 + side * values.shape[0])
    shown = axes.imshow(values, cmap="viridis", aspect="auto", vmin=0.0, vmax=max(100.0, np.nanmax(values)))
    figure.colorbar(shown, ax=axes, fraction=0.04)
    axes.set_title(_label(title), fontsize=10)
    if small:
        axes.set_xticks(range(len(columns)), [_label(name) for name in columns], fontsize=8, rotation=30, ha="right")
        axes.set_yticks(range(len(rows)), [_label(name) for name in rows], fontsize=8)
        for row, column in np.argwhere(np.isfinite(values)):
            color = "white" if values[row, column] < 60 else "black"
            axes.text(column, row, f"{values[row, column]:.1f}", ha="center", va="center", fontsize=8, color=color)
    return _rendered(figure)


def bars(rows: list, title: str, unit: str) -> np.ndarray:
    """Horizontal bars with their standard errors.

    Args:
      rows: (name, mean, standard error or None) from top to bottom.
      title: above the plot.
      unit: of the values.

    Returns:
      uint8 [height, width, 3].
    """
    figure, axes = _figure(6.4, 1.1 + 0.28 * len(rows))
    places = np.arange(len(rows))[::-1]
    # Not a number draws no line.
    errors = [np.nan if row[2] is None else row[2] for row in rows]
    axes.barh(places, [row[1] for row in rows], xerr=errors, color=COLORS[2], height=0.7)
    axes.set_yticks(places, [_label(row[0]) for row in rows], fontsize=8)
    for place, (_, mean, _) in zip(places, rows, strict=True):
        axes.text(mean, place, f" {mean:.2f}", va="center", fontsize=7)
    axes.set_title(_label(title), fontsize=10)
    axes.set_xlabel(_label(unit))
    axes.set_xlim(0.0, 1.12 * max(row[1] + (row[2] or 0.0) for row in rows))
    return _rendered(figure)


def intervals(rows: list, title: str, unit: str, marks: dict | None = None) -> np.ndarray:
    """Values with the intervals that they lie in, a row a name, a color a series.

    Args:
      rows: (name, {series: (value, low, high)}) from top to bottom.
      title: above the plot.
      unit: of the values.
      marks: name -> a value that is marked through all rows.

    Returns:
      uint8 [height, width, 3].
    """
    figure, axes = _figure(7.2, 1.4 + 0.36 * len(rows))
    series = list(dict.fromkeys(name for _, values in rows for name in values))
    for number, name in enumerate(series):
        shift, color = 0.17 * (number - (len(series) - 1) / 2), COLORS[(3 * number) % len(COLORS)]
        found = [(place, values[name]) for place, (_, values) in enumerate(rows) if name in values]
        places = -np.array([place for place, _ in found], np.float64) - shift
        middle, low, high = np.array([value for _, value in found], np.float64).T
        axes.hlines(places, low, high, color=color, linewidth=1.6)
        axes.plot(middle, places, "o", color=color, markersize=4, label=_label(name))
        for place, value, end in zip(places, middle, high, strict=True):
            axes.text(end, place, f" {value:.1f}", va="center", fontsize=7, color=color)
    for number, (name, value) in enumerate((marks or {}).items()):
        axes.axvline(value, color="#777777", linewidth=1.0, linestyle=(":", "--", "-.")[number % 3], label=_label(name))
    axes.set_yticks(-np.arange(len(rows)), [_label(name) for name, _ in rows], fontsize=8)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.margins(x=0.08)
    axes.set_title(_label(title), fontsize=10)
    axes.set_xlabel(_label(unit))
    axes.grid(alpha=0.3, axis="x")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return _rendered(figure)


def worded_sheet(images, words: list, columns: int, least_side: int = 64) -> np.ndarray:
    """Images in rows, each with a few words below it.

    Args:
      images: float [n, h, w, c].
      words: one line an image.
      columns: images a row.
      least_side: as in `grid`.

    Returns:
      uint8 [height, width, 3].
    """
    font, tiles = PIL.ImageFont.load_default(10), []
    for image, line in zip(images, words, strict=True):
        tile = grid(image[None, None], least_side=least_side)
        tile = np.repeat(tile, 3, axis=-1) if tile.shape[-1] == 1 else tile
        strip = PIL.Image.new("RGB", (tile.shape[1], 13), "white")
        PIL.ImageDraw.Draw(strip).text((3, 0), in_utf8(line), fill="black", font=font)
        tiles.append(np.concatenate([tile, np.asarray(strip)]))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[first : first + columns], axis=1) for first in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def overlaid(image: np.ndarray, values: np.ndarray, strength: float = 0.75) -> np.ndarray:
    """A gray picture with a map of values in color over it: orange above zero, blue below.

    Args:
      image: float [h, w, 1 or 3] in [0, 1].
      values: float [h, w] in [-1, 1].
      strength: how much of the picture the strongest color hides.

    Returns:
      float64 [h, w, 3] in [0, 1].
    """
    gray = np.repeat(np.asarray(image, np.float64).mean(axis=-1, keepdims=True), 3, axis=-1)
    values = np.clip(np.asarray(values, np.float64), -1.0, 1.0)[..., None]
    color = np.where(values > 0, [1.0, 0.55, 0.0], [0.1, 0.35, 0.9])
    cover = strength * np.abs(values)
    return (1.0 - cover) * gray + cover * color


def labeled_rows(images, names: list, least_side: int = 64) -> np.ndarray:
    """A grid with a line of words above every row that has any.

    Args:
      images: float [rows, columns, h, w, c].
      names: one a row.
      least_side: as in `grid`.

    Returns:
      uint8 [height, width, 3].
    """
    parts = []
    for row, name in zip(images, names, strict=True):
        sheet = grid(row[None], least_side=least_side)
        sheet = np.repeat(sheet, 3, axis=-1) if sheet.shape[-1] == 1 else sheet
        if not name:
            parts.append(sheet)
            continue
        strip = PIL.Image.new("RGB", (sheet.shape[1], 20), "white")
        PIL.ImageDraw.Draw(strip).text((4, 4), in_utf8(name), fill="black", font=PIL.ImageFont.load_default(13))
        parts += [np.asarray(strip), sheet]
    return np.concatenate(parts)


def titled_sheet(images, title: str, least_side: int = 64) -> np.ndarray:
    """Images in about twice as many columns as rows, under a line of words.

    Args:
      images: float [n, h, w, c].
      title: the words.
      least_side: as in `grid`.

    Returns:
      uint8 [height, width, 3].
    """
    columns = min(len(images), max(1, round((2 * len(images)) ** 0.5)))
    blank = np.ones([-len(images) % columns, *images.shape[1:]], images.dtype)
    rows = np.concatenate([images, blank]).reshape(-1, columns, *images.shape[1:])
    return labeled_rows(rows, [title, *[""] * (len(rows) - 1)], least_side)


def graph(levels: list, edges: list, thumbnails: dict) -> np.ndarray:
    """Nodes with pictures in rows, and lines between them.

    Args:
      levels: rows from top to bottom, each a list of names.
      edges: (name above, name below).
      thumbnails: name -> uint8 picture.

    Returns:
      uint8 [height, width, 3].
    """
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    widest = max(len(level) for level in levels)
    figure, axes = _figure(1.9 * widest, 2.1 * len(levels))
    places = {}
    for row, level in enumerate(levels):
        for column, name in enumerate(level):
            places[name] = ((column + 0.5) * widest / len(level), -float(row))
    for above, below in edges:
        axes.plot(*zip(places[above], places[below], strict=True), color="#BBBBBB", linewidth=1.0, zorder=0)
    for name, (x, y) in places.items():
        box = AnnotationBbox(OffsetImage(thumbnails[name], zoom=0.72), (x, y), frameon=True, pad=0.1)
        axes.add_artist(box)
        # On two lines where one would run into the neighbor's.
        words = name.replace(", ", ",\n", 1) if len(name) > 26 else name
        axes.text(x, y - 0.40, _label(words), ha="center", va="top", fontsize=6.5)
    axes.set_xlim(0.0, widest)
    axes.set_ylim(-len(levels) + 0.35, 0.5)
    axes.axis("off")
    return _rendered(figure)


def save_png(path, picture: np.ndarray) -> None:
    """Writes uint8 [height, width, 1 or 3] as PNG.

    Raises:
      StorageError: it could not be written; what was there before is intact.
    """
    with whole_file(path) as place:
        place.write_bytes(to_png(picture))


def to_png(picture: np.ndarray) -> bytes:
    """uint8 [height, width, 1 or 3] as the bytes of a PNG file."""
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    stream = io.BytesIO()
    PIL.Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def _figure(width: float, height: float) -> tuple[Any, Any]:
    # The object interface, so that no global state and no display is needed.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _rendered(figure) -> np.ndarray:
    with warnings.catch_warnings():
        # Signs that the font lacks, names too long for a plot: what is drawn says it as well.
        warnings.simplefilter("ignore", UserWarning)
        figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def _label(text: object) -> str:
    """Text as it stands: dollars begin no formula, and what begins with "_" is not kept out of legends."""
    words = in_utf8(str(text)).replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words
