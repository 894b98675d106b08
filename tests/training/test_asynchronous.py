"""Asynchronous SGD over parameter servers, each test in processes of its own (a cluster cannot be left again)."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from reverie import cli
from reverie.training import checkpoints

from ..cluster import free_ports, wait_for

SETTINGS = (
    "--config=sparse_joint",
    "--config.data.image_shape=(16,16,3)",
    "--config.model.image_shape=(16,16,3)",
    "--config.model.field=4",
    "--config.model.pool=2",
    "--config.model.contrast=3",
    "--config.model.shards=3",
    "--config.model.whitening=standardize",
    "--config.train.batch_size=8",
    "--config.train.log_every=20",
    "--config.schedule.name=constant",
    "--strategy=ps",
)


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (200, 4, 4, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x_train=coarse.repeat(4, 1).repeat(4, 2))
    return tmp_path / "images.npz"


def _command(images, workdir, *more):
    source = f"--config.data.source={images}"
    return [sys.executable, "-m", "reverie", "train", *SETTINGS, source, f"--workdir={workdir}", *more]


def _totals(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["total"] for line in lines if "total" in line}


@pytest.mark.slow
def test_workers_learn_without_waiting_and_a_run_goes_on_where_it_stopped_in_parts_too(images, tmp_path):
    whole = tmp_path / "run"
    optimizer = ("--config.optimizer.name=adam", "--config.schedule.rate=0.002")
    first = _command(images, whole, *optimizer, "--config.train.steps=40")
    assert subprocess.run(first, capture_output=True, timeout=200, check=False).returncode == 0
    more = _command(images, whole, *optimizer, "--config.train.steps=80", "--config.train.accumulate=2")
    result = subprocess.run(more, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    totals = _totals(whole)
    assert list(totals) == [20, 40, 60, 80] and totals[80] < 0.8 * totals[20]
    # The servers held the kernels in bands; a checkpoint holds them whole, as on one machine.
    import tensorflow as tf

    names = [name for name, _ in tf.train.list_variables(str(whole / "checkpoints" / "ckpt-80"))]
    assert any(name.startswith("model/stage_1/filters/compact_kernel") for name in names)


@pytest.mark.thorough
def test_what_asynchronous_steps_cannot_do_is_refused(images, tmp_path):
    refused = _command(images, tmp_path / "run", "--config.train.ema_decay=0.9", "--config.train.steps=5")
    result = subprocess.run(refused, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 2 and "ema_decay" in result.stderr


@pytest.mark.parametrize("content", ["{", '{"cluster": {"worker": ["localhost:1"]}}'])
def test_a_wrong_tf_config_is_one_clear_line(images, tmp_path, content, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", content)
    command = _command(images, tmp_path / "run")
    assert cli.main(["reverie", *command[command.index("train") :]]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "TF_CONFIG" in line and not (tmp_path / "run").exists()


class Cluster:
    """A chief, two workers and two parameter servers, each a process of its own."""

    def __init__(self, command, missing=()):
        self.command = command
        ports = free_ports(5)
        self.jobs = {"chief": ports[:1], "worker": ports[1:3], "ps": ports[3:]}
        self.processes = {}
        for job, index in (("worker", 0), ("worker", 1), ("ps", 0), ("ps", 1), ("chief", 0)):
            if job not in missing:
                self.start(job, index)

    def start(self, job, index):
        content = {"cluster": self.jobs, "task": {"type": job, "index": index}}
        self.processes[job, index] = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "TF_CONFIG": json.dumps(content)},
        )  # fmt: skip

    def kill(self, job, index):
        self.processes[job, index].send_signal(signal.SIGKILL)
        self.processes[job, index].wait()

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.mark.fault(
    "a parameter server killed",
    "the last checkpoint",
    "one line",
    6,
)
@pytest.mark.slow
def test_a_killed_worker_is_survived_and_a_killed_server_ends_the_job_at_its_checkpoint(images, tmp_path):
    run = tmp_path / "run"
    more = ("--config.train.steps=1500", "--config.train.checkpoint_every=100", "--config.optimizer.name=sgd",
            "--config.schedule.rate=0.0001")  # fmt: skip
    cluster = Cluster(_command(images, run, *more))
    try:
        wait_for(run / "checkpoints" / "ckpt-100.index")
        cluster.kill("worker", 0)
        time.sleep(2.0)
        cluster.start("worker", 0)
        wait_for(run / "checkpoints" / "ckpt-400.index")
        cluster.kill("ps", 1)
        chief = cluster.processes["chief", 0]
        status, output = chief.wait(120), chief.stdout.read()
        assert status == 6, output[-3000:]
        assert "resumes from the last checkpoint" in output, output[-2000:]
    finally:
        cluster.end()
    reached = max(int(path.stem.split("-")[1]) for path in (run / "checkpoints").glob("*.index"))
    assert 400 <= reached < 1500
    cluster = Cluster(_command(images, run, *more))
    try:
        assert cluster.processes["chief", 0].wait(200) == 0
    finally:
        cluster.end()
    totals = _totals(run)
    assert max(totals) == 1500 and totals[1500] < totals[20]


@pytest.mark.fault("all workers of ps lost", "the step reached", "one line, once train.cluster_timeout is over", 6)
@pytest.mark.slow
def test_a_chief_whose_workers_are_all_lost_saves_and_ends_in_time(images, tmp_path):
    run = tmp_path / "run"
    more = ("--config.train.steps=100000", "--config.train.checkpoint_every=100", "--config.optimizer.name=sgd",
            "--config.schedule.rate=0.0001", "--config.train.cluster_timeout=15")  # fmt: skip
    cluster = Cluster(_command(images, run, *more))
    try:
        wait_for(run / "checkpoints" / "ckpt-100.index")
        cluster.kill("worker", 0)
        cluster.kill("worker", 1)
        chief = cluster.processes["chief", 0]
        status, output = chief.wait(90), chief.stdout.read()
    finally:
        cluster.end()
    assert status == 6 and "no worker has done a step for 15 s" in output, output[-3000:]
    assert checkpoints.saved_step(run / "checkpoints") >= 100


@pytest.mark.fault("a chief without its cluster", "nothing was written", "one line with the addresses", 6)
@pytest.mark.slow
def test_a_chief_alone_names_whom_it_waited_for(images, tmp_path):
    more = ("--config.train.steps=10", "--config.train.cluster_timeout=4")
    cluster = Cluster(_command(images, tmp_path / "run", *more), missing=("worker", "ps"))
    try:
        chief = cluster.processes["chief", 0]
        status, output = chief.wait(90), chief.stdout.read()
    finally:
        cluster.end()
    assert status == 6 and all(address in output for address in cluster.jobs["worker"] + cluster.jobs["ps"])
    assert not (tmp_path / "run").exists()
