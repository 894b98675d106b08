"""A tf.data service: every image once an epoch, and no wait without an end."""

import collections
import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from reverie import cli, pipelines
from reverie.errors import ClusterError, UserError
from reverie.pipelines import service
from reverie.training import checkpoints

SERVER = """
import sys, time
import tensorflow as tf
service = tf.data.experimental.service
dispatcher = service.DispatchServer(service.DispatcherConfig(port=int(sys.argv[1])))
worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=dispatcher.target.split("://")[1]))
print(dispatcher.target, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def address():
    """A dispatcher with two workers in this process."""
    tools = tf.data.experimental.service
    dispatcher = tools.DispatchServer(tools.DispatcherConfig(port=0))
    name = dispatcher.target.split("://")[1]
    workers = [tools.WorkerServer(tools.WorkerConfig(dispatcher_address=name)) for _ in range(2)]
    yield dispatcher.target
    del workers, dispatcher


def test_two_workers_give_every_image_equally_often_and_no_batch_twice(tiny_images, address):
    stream = pipelines.batches(tiny_images, 10, seed=3, service_address=address)
    seen, orders = collections.Counter(), []
    for batch in stream.take(60):
        rows = batch["index"].numpy()
        np.testing.assert_allclose(batch["image"], tiny_images.pixels[rows] / 255.0, rtol=1e-6)
        np.testing.assert_array_equal(batch["label"], tiny_images.labels[rows])
        seen.update(rows.tolist())
        orders.append(tuple(rows))
    assert len(set(orders)) == len(orders) and set(seen) == set(range(60))
    # What each worker has given is some epochs and a part of one more.
    assert max(seen.values()) - min(seen.values()) <= 2


def test_scenes_that_a_service_draws_are_those_drawn_here(address):
    here = pipelines.read("scenes:40:1", memory_gib=0.0)
    batch = next(iter(pipelines.batches(here, 20, seed=0, service_address=address)))
    pixels = pipelines.read("scenes:40:1").pixels
    np.testing.assert_array_equal(np.round(batch["image"] * 255.0), pixels[batch["index"].numpy()])


def test_files_that_python_decodes_and_large_sets_are_refused(tmp_path, tiny_images, address, monkeypatch):
    for number in range(4):
        tf.io.write_file(f"{tmp_path}/{number}.png", tf.io.encode_png(tf.zeros([8, 8, 1], tf.uint8)))
    streamed = pipelines.read(f"folder:{tmp_path}", image_shape=(8, 8, 1), memory_gib=0.0, test_fraction=0.0)
    with pytest.raises(UserError, match=r"only this process can read .*expected shards of frames"):
        pipelines.batches(streamed, 2, service_address=address)
    monkeypatch.setattr(service, "_MOST_BYTES", 1000)
    with pytest.raises(UserError, match=r"would have to be sent, \d\.\d KiB"):
        pipelines.batches(tiny_images, 2, service_address=address)


@pytest.mark.parametrize("text", ["localhost:5000", "grpc://localhost", "http://localhost:5000", "grpc://a b:1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UserError, match=r"expected grpc://HOST:PORT"):
        service.check(text, 1.0)


def test_a_dispatcher_that_is_not_there_or_has_no_worker_is_waited_for_no_longer_than_said():
    tools = tf.data.experimental.service
    lonely = tools.DispatchServer(tools.DispatcherConfig(port=0))
    for nobody in ("grpc://localhost:1", lonely.target):
        began = time.monotonic()
        with pytest.raises(ClusterError, match=r"has made nothing for 1 s; start its dispatcher and a worker"):
            service.check(nobody, 1.0)
        assert time.monotonic() - began < 5.0


def _server(port: int) -> tuple[subprocess.Popen, str]:
    """A dispatcher with a worker in a process of its own, and its address; port 0 takes a free one."""
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip()


def _look_on(iterator, address: str) -> None:
    with service.watched(address, 60.0):
        for _ in range(1_000_000):
            next(iterator)


@pytest.mark.thorough
def test_a_service_that_was_started_again_is_a_line_too(tiny_images):
    server, address = _server(0)
    try:
        iterator = iter(pipelines.batches(tiny_images, 10, seed=3, service_address=address))
        next(iterator)
        server.kill()
        server.wait()
        server, same = _server(int(address.rpartition(":")[2]))
        assert same == address
        with pytest.raises(ClusterError, match="was started again and knows no run; start it and the same command"):
            _look_on(iterator, address)
    finally:
        server.kill()
        server.wait()


def _train(workdir, *arguments):
    return cli.main(["reverie", "train", "--config=xcov_demo", f"--workdir={workdir}", "--config.train.epochs=0",
                     "--config.train.picture_every=0", *arguments])  # fmt: skip


def test_a_run_trains_on_a_service_but_not_with_deterministic(tmp_path, address, capsys):
    settings = (f"--config.data.service={address}", "--config.train.steps=4")
    assert _train(tmp_path / "a", *settings, "--deterministic") == 2
    error = capsys.readouterr().err
    assert "--deterministic asks for batches that repeat" in error and len(error.strip().splitlines()) == 1
    assert _train(tmp_path / "a", *settings, "--strategy=mirrored", "--replicas=1") == 0
    assert checkpoints.saved_step(tmp_path / "a" / "checkpoints") == 4


@pytest.mark.thorough
@pytest.mark.fault("a tf.data service that is gone", "the last checkpoint", "one line", 6)
def test_a_service_that_goes_ends_the_run_in_time_and_it_resumes_without_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.5)
    server, address = _server(0)
    try:

        def kill_later():
            deadline = time.monotonic() + 60.0
            while not (tmp_path / "checkpoints" / "checkpoint").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            server.kill()

        threading.Thread(target=kill_later).start()
        settings = ("--config.train.checkpoint_every=50", "--config.train.cluster_timeout=3")
        began = time.monotonic()
        code = _train(tmp_path, f"--config.data.service={address}", "--config.train.steps=1000000", *settings)
        assert code == 6 and time.monotonic() - began < 90.0
    finally:
        server.kill()
        server.wait()
    assert f"the tf.data service {address} has made nothing for 3 s" in capsys.readouterr().err
    reached = checkpoints.saved_step(tmp_path / "checkpoints")
    assert reached >= 50
    assert _train(tmp_path, f"--config.train.steps={reached + 10}", *settings) == 0
    changed = json.loads((tmp_path / "run.json").read_text())["changed"]
    assert changed[-1]["data.service"] == [address, ""] and changed[-1]["step"] == reached
