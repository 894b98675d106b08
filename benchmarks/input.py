"""What each kind of source feeds to a model that does nothing, beside the limits of the disk and of the decoder.

    python benchmarks/input.py --photos=FOLDER [--images=4000] [--rounds=5] [--seconds=3]

FOLDER holds JPEG photographs of one size. Of the first `--images` of them are made a folder of JPEG files, one of PNG
files, a cache of decoded pictures (`data.cache`), arrays in memory and shards of frames. Each is fed by
`pipelines.batches` as a training run is fed: batches of 100 in a fresh order every epoch, taken inside a `tf.function`.
Limits are measured in the same rounds, in turn:

disk      the same files read whole by as many threads as there are cores, after the system was told to forget them
warm      the same again, out of the system's memory
decoder   the same encoded pictures, already in memory, through `tf.io.decode_jpeg` or `tf.io.decode_png` in a bare loop
          on as many threads as there are cores
Pillow    likewise through Pillow, which is what decodes files that people bring
copy      pixels in memory gathered by the same rows and scaled to [0, 1] in a bare loop
renderer  scenes drawn in a bare loop on as many threads as there are cores

Sources that read files start cold too. Bytes are those of the decoded pictures, one a pixel and channel. A ratio is to
the least of the limits named for it, of the same round.
"""

import argparse
import concurrent.futures
import functools
import io
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import PIL.Image
import tensorflow as tf
from reverie import pipelines
from reverie.paths import walk
from reverie.pipelines.frames import shards
from reverie.pipelines.frames.worker import Frame
from reverie.pipelines.scenes import factors, rendering

BATCH = 100
CORES = os.cpu_count() or 1
A_CALL = 10  # Batches, or pictures of a decoder's thread, that one call of a graph takes.


@tf.function
def nothing(iterator, batches: int):
    """A model that looks at its batches and does nothing with them."""
    seen = tf.constant(0)
    for _ in tf.range(batches):
        seen += tf.shape(next(iterator)["image"])[0]
    return seen


def fed(images: pipelines.Images, seconds: float, files: Sequence[str] = ()) -> float:
    """Images a second that reach the model, from the second call on; of files the first call's are cold too."""
    forget(files)
    iterator = iter(pipelines.batches(images, BATCH, seed=int(time.time())))
    nothing(iterator, tf.constant(1))
    return rate(lambda: int(nothing(iterator, tf.constant(A_CALL))), seconds)


def rate(work: Callable[[], int], seconds: float) -> float:
    """How many a second `work` says to have done, called again and again."""
    began, done = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < seconds:
        done += work()
    return done / taken


def forget(files: Sequence[str]) -> None:
    """Tells the system to drop files out of its memory, so that they are read from the disk."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_whole(files: Sequence[str], images: int, cold: bool) -> float:
    """Images a second whose files are read whole, all of them once, by one thread a core."""
    if cold:
        forget(files)
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        sum(pool.map(lambda path: len(pathlib.Path(path).read_bytes()), files))
    return images / (time.perf_counter() - began)


def in_threads(work: Callable[[int], int], seconds: float) -> float:
    """`rate` of one thread a core, summed; each is told its number."""
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        return sum(pool.map(lambda number: rate(lambda: work(number), seconds), range(CORES)))


def decoded(contents: list[bytes], decode: Callable, seconds: float) -> float:
    """Images a second of TensorFlow's own decoder."""
    parts = [tf.constant(contents[number::CORES]) for number in range(CORES)]

    @tf.function
    def some(files, start):
        seen = tf.constant(0)
        for place in tf.range(start, start + BATCH):
            seen += tf.shape(decode(files[place % tf.size(files)]))[0]
        return seen

    some(parts[0], tf.constant(0))
    starts = [0] * CORES

    def work(number: int) -> int:
        some(parts[number], tf.constant(starts[number]))
        starts[number] += BATCH
        return BATCH

    return in_threads(work, seconds)


def by_pillow(contents: list[bytes], seconds: float) -> float:
    """Images a second of Pillow, likewise."""

    def work(number: int) -> int:
        for content in contents[number : number + BATCH]:
            np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))
        return BATCH

    return in_threads(work, seconds)


def copied(pixels: np.ndarray, seconds: float) -> float:
    """Images a second of a bare gather of rows in a fresh order, scaled to [0, 1]."""
    held, rows = tf.constant(pixels), tf.constant(np.random.default_rng(0).permutation(len(pixels)))
    batches = len(pixels) // BATCH

    @tf.function
    def some(start):
        seen = tf.constant(0)
        for number in tf.range(start, start + A_CALL):
            place = number % batches * BATCH
            picked = tf.cast(tf.gather(held, rows[place : place + BATCH]), tf.float32) / 255.0
            seen += tf.shape(picked)[0]
        return seen

    return rate(lambda: int(some(tf.constant(0))), seconds)


def drawn(seconds: float) -> float:
    """Images a second of the renderer of scenes."""
    labels, nuisances = factors.sample(0, np.arange(BATCH))
    draw = tf.function(rendering.render)
    draw(labels, nuisances)
    return in_threads(lambda _: len(draw(labels, nuisances)), seconds)


def make_folders(photos: str, count: int, root: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The first photographs as folders of JPEG and of PNG files."""
    jpeg, png = root / "jpeg", root / "png"
    jpeg.mkdir()
    png.mkdir()
    found = [name for name in walk(photos).files if name.lower().endswith((".jpg", ".jpeg"))][:count]
    for number, name in enumerate(found):
        content = pathlib.Path(photos, name).read_bytes()
        (jpeg / f"{number:06d}.jpg").write_bytes(content)
        PIL.Image.open(io.BytesIO(content)).convert("RGB").save(png / f"{number:06d}.png")
    return jpeg, png


def make_shards(files: Sequence[str], folder: pathlib.Path, size: int) -> None:
    """The same pictures as an extraction of 32 shards leaves them."""
    folder.mkdir()
    entries = []
    for number in range(32):
        mine = files[number::32]
        frames = [Frame(0.0, pathlib.Path(path).read_bytes(), 0.0, 0) for path in mine]
        records = [shards.record(path, number, frame, size) for path, frame in zip(mine, frames, strict=True)]
        note = shards.write(str(folder), shards.shard_name(number, 32), records, shards.Tally(frames=len(mine)), [])
        entries.append({key: note[key] for key in ("file", "frames", "bytes", "sha256")})
    content = {"frames": len(files), "settings": {"size": size}, "shards": entries}
    shards.write_json(str(folder), "manifest.json", content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        measure(options, pathlib.Path(root))


def measure(options, root: pathlib.Path) -> None:
    """All rounds of all sources and limits, and the table."""
    jpeg, png = make_folders(options.photos, options.images, root)
    size = PIL.Image.open(next(jpeg.iterdir())).size[0]
    files = {folder.name: [str(path) for path in sorted(folder.iterdir())] for folder in (jpeg, png)}
    contents = {name: [pathlib.Path(path).read_bytes() for path in paths] for name, paths in files.items()}
    make_shards(files["jpeg"], root / "shards", size)
    files["shards"] = [str(path) for path in sorted((root / "shards").glob("*.tfrecord"))]
    how = {"image_shape": (size, size, 3), "test_fraction": 0.0}
    read = functools.partial(pipelines.read, **how)
    pixels = read(f"folder:{jpeg}")
    digits = pipelines.read("mnist_sample")
    assert pixels.pixels is not None and digits.pixels is not None  # So few lie in memory.
    read(f"folder:{jpeg}", cache=str(root / "cache"))
    kept = read(f"folder:{jpeg}", cache=str(root / "cache"), memory_gib=0.0)
    files["cache"] = [str(path) for path in sorted((root / "cache").glob("*.pixels"))]
    count, seconds = len(pixels), options.seconds

    sources = {
        "arrays in memory, 28 x 28 x 1": (digits, (), ("copy 28",)),
        f"files decoded into memory, {size} x {size} x 3": (pixels, (), ("copy",)),
        "folder of JPEG, streamed": (read(f"folder:{jpeg}", memory_gib=0.0), files["jpeg"], ("disk jpeg", "jpeg")),
        "folder of PNG, streamed": (read(f"folder:{png}", memory_gib=0.0), files["png"], ("disk png", "png")),
        "folder of JPEG, from its cache": (kept, files["cache"], ("disk cache",)),
        "shards of frames, JPEG": (read(f"frames:{root}/shards"), files["shards"], ("disk shards", "jpeg")),
        "scenes, drawn while streaming": (pipelines.read("scenes:50000", memory_gib=0.0), (), ("renderer",)),
    }
    limits = {
        "copy 28": lambda: copied(digits.pixels, seconds),
        "copy": lambda: copied(pixels.pixels, seconds),
        **{
            f"{'disk' if cold else 'warm'} {name}": functools.partial(read_whole, paths, count, cold)
            for name, paths in files.items()
            for cold in (True, False)
        },
        "jpeg": lambda: decoded(contents["jpeg"], tf.io.decode_jpeg, seconds),
        "png": lambda: decoded(contents["png"], tf.io.decode_png, seconds),
        "Pillow jpeg": lambda: by_pillow(contents["jpeg"], seconds),
        "Pillow png": lambda: by_pillow(contents["png"], seconds),
        "renderer": lambda: drawn(seconds),
    }
    rates: dict[str, list[float]] = {name: [] for name in (*sources, *limits)}
    for number in range(options.rounds):
        for name, limit in limits.items():
            rates[name].append(limit())
        for name, (images, paths, _) in sources.items():
            rates[name].append(fed(images, seconds, paths))
        print(
            f"round {number + 1}: {', '.join(f'{name} {found[-1]:,.0f}' for name, found in rates.items())}", flush=True
        )
    mib = {name: sum(map(os.path.getsize, paths)) / 2**20 for name, paths in files.items()}
    print(
        f"{count} photographs of {size} x {size}; MiB on disk: "
        + str({name: round(size) for name, size in mib.items()})
    )
    print("\n| limit | images/s | |\n|---|---|---|")
    for name in limits:
        of_files = name.split()[-1] in files and name.split()[0] in ("disk", "warm")
        speed = f"{statistics.median(rates[name]) / count * mib[name.split()[-1]]:,.0f} MiB/s" if of_files else ""
        print(f"| {name} | {spread(rates[name])} | {speed} |")
    print("\n| source | images/s | GB/s decoded | least limit | of it |\n|---|---|---|---|---|")
    for name, (images, _, names) in sources.items():
        least = [min((rates[limit][number], limit) for limit in names) for number in range(options.rounds)]
        of_it = [found / limit for found, (limit, _) in zip(rates[name], least, strict=True)]
        speed = statistics.median(rates[name]) * np.prod(images.shape) / 1e9
        named = statistics.mode(limit for _, limit in least)
        ratio = f"{statistics.median(of_it):.2f} ({min(of_it):.2f} to {max(of_it):.2f})"
        print(f"| {name} | {spread(rates[name])} | {speed:.3f} | {named} | {ratio} |")


def spread(found: list[float]) -> str:
    """Median (least to greatest)."""
    return f"{statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})"


if __name__ == "__main__":
    main()
