"""The verb `data`: preparing, checking and extracting what models are trained on.

Heavy imports stand inside the actions, so that `--help` and a mistyped flag answer at once.
"""

import json
import signal
import sys

from absl import flags

from ..errors import UserError
from .command import Command, data_flags, data_settings_given, integer, needed, number, seed, string

_VERBS = ("build NAME", "check SOURCE", "frames", "faces DIR", "verify DIR")


def _define(values, argv):
    """Flags of the requested verb; those of all verbs for a bare --help."""
    asked = next((argument for argument in argv[1:] if not argument.startswith("-")), None)
    for verbs, define in _DEFINE.items():
        if asked in verbs or (asked is None and define is not _define_build):
            define(values)


def _define_build(values):
    string("data_dir", "", "Where TensorFlow Datasets are prepared.", values)


def _define_check(values):
    string("split", "", "Which split; all of them by default.", values)
    flags.DEFINE_list("image_shape", [], "height,width,channels to bring files to; any size by default.",
                      flag_values=values)  # fmt: skip
    integer("faces", 0, "In how many images of each split to look for a face, and say their share; 0: none.", values,
            least=0)  # fmt: skip
    data_flags(values)


def _define_frames(values):
    string(
        "videos", "", "Videos: quoted patterns (with **), files or folders, comma-separated; local or remote.", values
    )
    string("out", "", "Folder of the shards. A job already in this folder is resumed.", values)
    integer("size", 200, "Side of the square frames in pixels.", values)
    integer(
        "frames_per_video", 1, "Random frames per video; the paper takes 1, so that no two frames are alike.", values
    )
    seed("The same seed draws the same frames.", values)
    text = (
        "exact: the frame shown at a uniformly random time. keyframe: the keyframe before it, 3 to 17 times faster and "
        "BIASED: encoders write keyframes at openings and cuts, so those few frames are drawn again and again."
    )
    flags.DEFINE_enum("mode", "exact", ["exact", "keyframe"], text, flag_values=values)
    flags.DEFINE_enum(
        "format", "jpeg", ["jpeg", "png"], "Format of the stored frames; png is lossless.", flag_values=values
    )
    integer("quality", 95, "JPEG quality, 1 to 95.", values)
    integer("workers", 0, "Decoding processes; 0 is one per core.", values, least=0)
    number("seconds", 120.0, "Time limit for one video; its process is killed and replaced.", values)
    number("min_luma", 8.0, "Frames of lower mean brightness (0 to 255) are nearly black and dropped.", values)
    text = "Drops frames whose perceptual hash is within this many bits (of 64) of an earlier one; -1 keeps all."
    integer("max_distance", 4, text, values, least=-1, most=64)
    integer("videos_per_shard", 0, "0: at most 1000, and at least 16 shards.", values, least=0)
    number("max_bad_fraction", 0.1, "The job fails if more than this share of the videos gives no frame.", values)
    number("max_file_mib", 4096.0, "Files larger than this are skipped.", values)
    text = "Videos with more pixels per frame (width * height) are skipped."
    integer("max_pixels", 40_000_000, text, values, least=1)
    integer("max_decoded", 20_000, "Maximum number of frames decoded from one video.", values, least=1)
    text = (
        "Runs the job as an Apache Beam pipeline on this runner, for example DirectRunner; Beam's own flags follow --."
    )
    string("runner", "", text, values)


def _define_faces(values):
    integer("patches", 100_000, "Number of random patches to examine.", values, least=1)
    integer("patch", 60, "Their side in pixels.", values, least=1)
    seed("Seed of their positions.", values, "face_seed")
    string("without_faces", "", "Folder to write the frames without any face to: the paper's control set.", values)


_DEFINE = {
    ("build",): _define_build,
    ("frames",): _define_frames,
    ("faces",): _define_faces,
    ("check",): _define_check,  # After the others: what they define means the same or more there.
}


def _run(values, positional):
    verb, *rest = positional or [""]
    actions = {"build": _build, "check": _check, "frames": _frames, "faces": _faces, "verify": _verify}
    if verb not in actions or (verb != "frames" and len(rest) != 1):
        raise UserError(f"expected: reverie data {' | '.join(_VERBS)}")
    actions[verb](values, rest)


def _build(values, rest):
    from ..pipelines.sources import tfds

    print(tfds.prepare(rest[0], values.data_dir))


def _check(values, rest):
    from .. import experiments

    splits = (values.split,) if values.split else ()
    lines = experiments.check_source(
        rest[0], splits, _sides(values.image_shape), values.faces, **data_settings_given(values)
    )
    for line in lines:
        print(line)


def _sides(parts) -> tuple[int, int, int] | None:
    """--image_shape as (height, width, channels), or None where it is not given."""
    if not parts:
        return None
    try:
        height, width, channels = (int(part) for part in parts)
    except ValueError:
        height = width = channels = 0
    if min(height, width) < 1 or channels not in (1, 3):
        raise UserError(f"image_shape is {','.join(parts)}; expected height,width,channels, as 64,64,3")
    return height, width, channels


def _frames(values, rest):
    needed(values, "videos", "out")
    from ..paths import split_list
    from ..pipelines.frames import extract, video

    # A normal exit ends the decoding processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        settings = video.VideoSettings(
            size=values.size,
            frames=values.frames_per_video,
            seed=values.seed,
            mode=values.mode,
            format=values.format,
            quality=values.quality,
            max_file_mib=values.max_file_mib,
            max_pixels=values.max_pixels,
            max_decoded=values.max_decoded,
        )
        job = extract.Job(
            videos=tuple(split_list(values.videos)),
            out=values.out,
            video=settings,
            least_luma=values.min_luma,
            distance=values.max_distance,
            videos_per_shard=values.videos_per_shard,
            max_bad_fraction=values.max_bad_fraction,
            workers=values.workers,
            seconds=values.seconds,
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    if values.runner:
        from ..pipelines.frames import beam

        manifest = beam.run(job, beam.options(values.runner, rest))
    else:
        manifest = extract.run(job)
    for key, value in manifest.items():
        if key not in ("settings", "shards"):
            print(f"{key:16} {json.dumps(value)}")
    shards = manifest["shards"]
    print(f"{values.out}: {manifest['frames']} frames in {len(shards)} shards; train on frames:{values.out}")


def _faces(values, rest):
    from ..pipelines.frames import faces

    found = faces.share(rest[0], values.patches, values.patch, values.face_seed)
    print(
        f"{found['with_face']} of {found['patches']} patches of {values.patch}x{values.patch} with a face: "
        f"{100 * found['share']:.2f} +- {100 * found['standard_error']:.2f} %"
    )
    if values.without_faces:
        left = faces.without_faces(rest[0], values.without_faces)
        print(f"{values.without_faces}: {left['frames']} frames without a face, {left['with_face_removed']} removed")


def _verify(values, rest):
    del values
    from ..pipelines.frames import shards

    print(f"{rest[0]}: all checksums agree, {shards.verify(rest[0])} frames")


COMMAND = Command(
    "Prepares, checks or extracts data: build, check, frames, faces, verify.",
    _define,
    _run,
    "build NAME | check SOURCE | frames --videos=... --out=DIR | faces DIR | verify DIR  [flags]",
)
