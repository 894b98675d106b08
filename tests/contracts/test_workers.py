"""Every family over several processes: the steps of as many replicas, and nothing lost with any of them."""

import json
import random
import signal

import ml_collections
import numpy as np
import pytest
import reverie
from reverie.training import checkpoints

from .. import experiment
from ..cluster import Workers, python, wait_for
from .family_cases import CASES, losses_apart

# A second family that fits together otherwise is enough on every change; all are slow tests.
THOROUGH = ("xcov", "sparse")
cases = pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=pytest.mark.thorough if name in THOROUGH else pytest.mark.slow) for name in CASES],
)
# One of them on every change, all of them with the slow tests of `make test-slow`.
KILLED = [
    pytest.param(case, count, marks=pytest.mark.thorough if (case, count) == ("xcov", 2) else pytest.mark.slow)
    for count in (2, 3)
    for case in ("xcov", "replay-bir-si", "scan", "sparse")
]
LIMIT = {"train.cluster_timeout": 20.0}


def _worker(case: str, workdir, **settings) -> list[str]:
    return python("tests.contracts.worker", case, workdir, json.dumps({**LIMIT, **settings}))


def _divisible(case: str, folder, count: int) -> dict[str, int]:
    """Batch sizes of a case, each raised to what so many workers can share."""
    folder.mkdir()
    config = CASES[case].config(folder)
    sizes = {"train.batch_size": config.train.batch_size}
    for name, stage in config.get("stages", {}).items():
        if isinstance(stage, ml_collections.ConfigDict):  # Beside the stages stand settings of all of them.
            sizes[f"stages.{name}.batch_size"] = stage.batch_size
    return {name: -(-size // count) * count for name, size in sizes.items() if size % count}


@cases
@pytest.mark.contract("families", "two workers = two replicas")
def test_two_workers_take_the_steps_of_two_replicas(case, tmp_path, record_property):
    (tmp_path / "data").mkdir()
    config = CASES[case].config(tmp_path / "data")
    reverie.train(config, tmp_path / "replicas", overrides={"train.log_every": 1}, strategy="mirrored")
    with Workers(_worker(case, tmp_path / "workers", **{"train.log_every": 1}), 2) as workers:
        ended = workers.ends()
    assert {code for code, _ in ended.values()} == {0}, ended
    apart, steps = losses_apart(tmp_path / "replicas", tmp_path / "workers")
    assert steps >= 20
    record_property("apart", apart)
    assert apart < 1e-4


def _whole(case: str, workdir, count: int, settings: dict) -> str:
    """Digest of the weights of a run that nothing happened to."""
    with Workers(_worker(case, workdir, **settings), count) as workers:
        ended = workers.ends()
    assert {code for code, _ in ended.values()} == {0}, ended
    return checkpoints.weights_digest(experiment.load(workdir)[1])


@pytest.mark.fault(
    "a worker of multi_worker killed",
    "the step reached; the resumed run ends in the bits of an unbroken one",
    "one line",
    6,
)
@pytest.mark.parametrize(("case", "count"), KILLED)
def test_a_lost_worker_ends_the_run_in_time_and_the_same_command_goes_on(case, count, tmp_path):
    settings = _divisible(case, tmp_path / "data", count)
    unbroken = _whole(case, tmp_path / "whole", count, settings)
    chance = random.Random(f"{case}{count}")
    victim = chance.randrange(count)
    with Workers(_worker(case, tmp_path / "run", **settings), count) as workers:
        wait_for(tmp_path / "run" / "checkpoints" / "checkpoint")
        workers.kill(victim)
        ended = workers.ends(120.0)
    left = [ended[index] for index in range(count) if index != victim]
    for code, said in left:
        # The others may have been at the end already.
        assert code in (0, 6), said
        assert code == 0 or "a worker was lost; start the same command again on all of them" in said
    with Workers(_worker(case, tmp_path / "run", **settings), count) as workers:
        ended = workers.ends()
        assert {code for code, _ in ended.values()} == {0}, ended
    assert checkpoints.weights_digest(experiment.load(tmp_path / "run")[1]) == unbroken


LONG = {"train.steps": 100_000, "train.checkpoint_every": 200, "train.steps_per_call": 20}


@pytest.mark.fault(
    "SIGTERM to one worker of multi_worker",
    "the step reached, one for all",
    "where it was saved",
    143,
)
@pytest.mark.thorough
def test_a_signal_to_one_worker_stops_all_of_them_at_one_step(tmp_path):
    with Workers(_worker("xcov", tmp_path / "run", **LONG), 2) as workers:
        wait_for(tmp_path / "run" / "checkpoints" / "ckpt-200.index")
        workers.send(1, signal.SIGTERM)
        ended = workers.ends()
    assert {code for code, _ in ended.values()} == {128 + signal.SIGTERM}, ended
    step = json.loads((tmp_path / "run" / "run.json").read_text())["step"]
    assert checkpoints.saved_step(tmp_path / "run" / "checkpoints") == step > 200


@pytest.mark.fault(
    "the first worker of multi_worker killed",
    "the last checkpoint",
    "one line",
    6,
)
@pytest.mark.slow
def test_what_a_lost_chief_had_saved_is_whole_and_the_others_end_in_time(tmp_path):
    with Workers(_worker("xcov", tmp_path / "run", **LONG), 2) as workers:
        wait_for(tmp_path / "run" / "checkpoints" / "ckpt-200.index")
        workers.kill(0)
        ended = workers.ends(60.0)
    assert ended[1][0] == 6 and "a worker was lost" in ended[1][1]
    reached = checkpoints.saved_step(tmp_path / "run" / "checkpoints")
    assert reached >= 200
    more = {**LONG, "train.steps": reached + 20}
    with Workers(_worker("xcov", tmp_path / "run", **more), 2) as workers:
        ended = workers.ends()
        assert {code for code, _ in ended.values()} == {0}, ended


@pytest.mark.fault(
    "a worker late, or missing",
    "nothing was written",
    "nothing, or one line with its address",
    6,
)
@pytest.mark.slow
def test_a_late_worker_is_waited_for_and_a_missing_one_is_named_when_time_is_up(tmp_path):
    with Workers(_worker("xcov", tmp_path / "run"), 2, late=(1,)) as workers:
        with pytest.raises(TimeoutError):
            wait_for(tmp_path / "run", 8.0)
        workers.start(1)
        ended = workers.ends()
        assert {code for code, _ in ended.values()} == {0}, ended
    with Workers(_worker("xcov", tmp_path / "alone", **{"train.cluster_timeout": 5.0}), 2, late=(1,)) as workers:
        code, said = workers.ends(60.0)[0]
    assert code == 6 and "no answer from localhost:" in said and "within 5 s (train.cluster_timeout)" in said
    assert not (tmp_path / "alone").exists()


def test_who_agrees_alone_agrees_with_itself():
    import tensorflow as tf
    from reverie.training.agreement import Agreement

    agreement = Agreement(tf.distribute.get_strategy())
    assert agreement.leads
    np.testing.assert_array_equal(agreement.gathered(15, 3), [[15, 3]])
