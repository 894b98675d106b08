"""Which frame is drawn, and that it looks as a player shows it."""

import collections
import pathlib
import re

import av
import numpy as np
import pytest
from reverie.pipelines.frames import video

from tests import clips

ODD_CLIPS = pathlib.Path(__file__).parents[4] / "shared" / "data" / "odd_clips"


def _sample(path, **settings):
    return video.sample(path, video.VideoSettings(**{"size": 64, **settings}))


def test_exact_draws_the_frame_that_is_shown_at_its_time(tmp_path):
    path = clips.write(tmp_path / "a.mp4", frames=60, rate=10, gop=25)
    for seed in range(6):
        pictures, whole = _sample(path, frames=5, seed=seed)
        assert not whole
        for picture in pictures:
            assert clips.read_bars(picture.image) == round(picture.seconds * 10)


def test_exact_draws_uniformly_and_keyframe_only_keyframes(tmp_path):
    path = clips.write(tmp_path / "a.mp4", frames=40, rate=10, gop=10)
    drawn = {mode: collections.Counter() for mode in ("exact", "keyframe")}
    for mode, counts in drawn.items():
        for seed in range(200):
            ((picture,), _) = _sample(path, seed=seed, mode=mode)
            counts[clips.read_bars(picture.image)] += 1
    assert set(drawn["keyframe"]) == {0, 10, 20, 30}
    # 200 draws over ten bins of four frames: chi-squared with 9 degrees of freedom passes 27.9 once in a thousand.
    bins = np.array([sum(drawn["exact"][4 * k + j] for j in range(4)) for k in range(10)])
    assert bins.sum() == 200 and np.sum((bins - 20) ** 2 / 20) < 27.9


def test_a_variable_rate_is_sampled_by_time(tmp_path):
    # Frame 1 is shown for nine tenths of the time.
    path = clips.write(tmp_path / "a.mp4", frames=3, times=[0.0, 0.5, 9.5])
    numbers = [clips.read_bars(_sample(path, seed=seed)[0][0].image) for seed in range(60)]
    assert 45 <= numbers.count(1) < 60


def test_the_draw_depends_on_seed_and_name_but_not_on_the_place(tmp_path):
    path = pathlib.Path(clips.write(tmp_path / "a.mp4", frames=100))
    for place in ("x/c", "y/c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.mp4").write_bytes(path.read_bytes())
    (tmp_path / "x/c/b.mp4").write_bytes(path.read_bytes())

    def times(name, seed=3):
        return [picture.seconds for picture in _sample(str(tmp_path / name), frames=4, seed=seed)[0]]

    assert times("x/c/a.mp4") == times("y/c/a.mp4")
    assert times("x/c/a.mp4") != times("x/c/b.mp4")
    assert times("x/c/a.mp4") != times("x/c/a.mp4", seed=4)


def test_no_frame_comes_twice(tmp_path):
    pictures, _ = _sample(clips.write(tmp_path / "a.mp4", frames=5), frames=50)
    assert [clips.read_bars(picture.image) for picture in pictures] == [0, 1, 2, 3, 4]


def test_a_file_without_duration_is_sampled_uniformly_on_the_way(tmp_path):
    path = clips.without_duration(tmp_path / "a.mkv")
    counts = collections.Counter()
    for seed in range(60):
        pictures, whole = _sample(path, frames=2, seed=seed)
        assert whole and len(pictures) == 2
        counts.update(clips.read_bars(picture.image) // 10 for picture in pictures)
    assert set(counts) == {0, 1, 2, 3} and min(counts.values()) > 12  # 30 expected each; 12 is five deviations off.


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_rotation_is_applied_clockwise_as_players_do(tmp_path, degrees, corner):
    def marked(_):
        image = np.full([64, 64, 3], 30, np.uint8)
        image[:16, :16] = 220
        return image

    path = clips.turn(clips.write(tmp_path / "a.mp4", draw=marked), degrees)
    image = _sample(path)[0][0].image
    corners = {place: image[place[0] * 8, place[1] * 8].mean() for place in ((0, 0), (0, -1), (-1, -1), (-1, 0))}
    corners = {place: image[4 if place[0] == 0 else -5, 4 if place[1] == 0 else -5].mean() for place in corners}
    assert max(corners, key=corners.get) == corner


@pytest.mark.skipif(not ODD_CLIPS.is_dir(), reason="real odd clips are not here")
def test_a_real_rotated_clip_looks_as_opencv_shows_it():
    import cv2

    path = str(ODD_CLIPS / "rotated90_displaymatrix.mp4")
    picture = _sample(path, size=48)[0][0]
    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * picture.seconds)
    frame = capture.read()[1][..., ::-1]
    height, width = frame.shape[:2]
    assert height > width
    top = (height - width) // 2
    expected = cv2.resize(np.ascontiguousarray(frame[top : top + width]), (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(expected.astype(int) - picture.image).mean() < 4.0


def test_wide_pixels_are_stretched_before_the_square_is_cut(tmp_path):
    def half(_):  # 32 pixels wide at 2:1 is as wide as high.
        image = np.full([64, 32, 3], 30, np.uint8)
        image[:, 16:] = 220
        return image

    image = _sample(clips.write(tmp_path / "a.mp4", draw=half, pixel_ratio=2))[0][0].image.mean(axis=(0, 2))
    assert np.all(image[:28] < 60) and np.all(image[36:] > 190)


def test_the_square_is_the_center_resized_by_area(tmp_path):
    image = _sample(clips.write(tmp_path / "a.mp4", frames=1, draw=lambda n: clips.bars(0b10110010)), size=32)[0][
        0
    ].image
    full = clips.bars(0b10110010)[:, 16:80].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(image.astype(float) - full).mean() < 6.0  # The codec's loss.


def test_every_odd_file_is_survived_or_refused_with_its_reason(tmp_path):
    for path, reason in clips.odd_files(tmp_path / "odd").items():
        if reason:
            with pytest.raises(video.Unusable, match=re.escape(reason)):
                _sample(path)
        else:
            assert _sample(path)[0][0].image.shape == (64, 64, 3), path


@pytest.mark.skipif(not ODD_CLIPS.is_dir(), reason="real odd clips are not here")
def test_every_real_odd_clip_is_survived_or_refused_with_its_reason():
    reasons = {
        "audio_only.m4a": "audio only",
        "empty.mp4": "empty file",
        "html_error_page.mp4": "not a video",
        "mp3_with_cover_art.mp3": "cover art only",
        "random_bytes.mp4": "not a video",
        "truncated_no_moov.mp4": "not a video",
    }
    for path in sorted(ODD_CLIPS.iterdir()):
        if path.name in reasons:
            with pytest.raises(video.Unusable, match=reasons[path.name]):
                _sample(str(path))
        else:
            assert _sample(str(path), frames=3)[0], path


@pytest.mark.parametrize(
    ("limit", "reason"),
    [({"max_file_mib": 1e-4}, "MiB"), ({"max_pixels": 100}, "100 pixels"), ({"max_decoded": 3}, "over 3 frames")],
)
def test_files_over_a_cap_are_refused(tmp_path, limit, reason):
    path = clips.write(tmp_path / "a.mp4", gop=100, frames=100)
    with pytest.raises(video.Unusable, match=reason):
        _sample(path, seed=1, **limit)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(video.Unusable):
            _sample(str(path))


def test_remote_files_are_read_through_tensorflows_file_systems(tmp_path):
    path = clips.write(tmp_path / "a.mp4")
    near, far = (_sample(place, frames=3)[0] for place in (path, f"file://{path}"))
    assert [p.seconds for p in near] == [p.seconds for p in far]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(near, far, strict=True))


def test_settings_out_of_range_are_refused():
    for wrong in ({"mode": "fast"}, {"format": "gif"}, {"quality": 0}, {"size": 2}, {"frames": 0}):
        with pytest.raises(ValueError):
            video.VideoSettings(**wrong)


def test_passing_over_frames_that_no_other_needs_changes_no_picture(tmp_path, monkeypatch):
    # Bidirectional frames (every second one here) are such frames; each frame is of its own gray.
    path = tmp_path / "b.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.gop_size = "yuv420p", 60
        stream.codec_context.max_b_frames = 2
        for number in range(120):
            image = np.full((64, 64, 3), 20 + 1.6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    decoded, kinds = [], set()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            decoded.append(frame)
            kinds.add(int(frame.pict_type))
        assert int(av.video.frame.PictureType.B) in kinds
        truth = {frame.pts: frame.to_ndarray(format="rgb24").mean() for frame in decoded}
        base = float(container.streams.video[0].time_base)
    pictures, whole = video.sample(str(path), video.VideoSettings(frames=25, size=64))
    assert not whole and len(pictures) > 15
    for picture in pictures:
        assert picture.image.mean() == pytest.approx(truth[round(picture.seconds / base)], abs=0.5)
    monkeypatch.setattr(video, "_ALL_SECONDS", 1e9)
    every, _ = video.sample(str(path), video.VideoSettings(frames=25, size=64))
    assert [one.seconds for one in every] == [one.seconds for one in pictures]
    for one, other in zip(every, pictures, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_a_frame_shown_longer_than_the_margin_is_found_all_the_same(tmp_path, monkeypatch):
    # With no margin at all every target falls among frames that may have been passed over.
    path = tmp_path / "long.mp4"
    clips.write(path, frames=40)
    expected = [one.seconds for one in video.sample(str(path), video.VideoSettings(frames=9))[0]]
    monkeypatch.setattr(video, "_ALL_SECONDS", -0.001)
    found, whole = video.sample(str(path), video.VideoSettings(frames=9))
    assert not whole and [one.seconds for one in found] == expected
