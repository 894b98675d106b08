"""`serve-check` on a tiny export of every family, with the version at hand and without it."""

import contextlib

import numpy as np
import pytest
from reverie import models
from reverie.export import Provenance, examples, export, serve_check
from reverie.export.endpoints import endpoints
from reverie.pipelines import served_files

from ..serving import serving

ATTRIBUTES = (("color", ("red", "green", "blue", "white"), ""), ("place", ("top", "middle", "bottom"), ""))
REPLAY = {"family": "replay", "image_shape": (5, 4, 1), "classes": 6, "tasks": 3, "hidden": (9, 7), "latents": 3}
SPARSE = {"image_shape": (16, 16, 1), "field": 5, "maps": 2, "pool": 3, "contrast": 3, "stages": 1, "whitening": "none"}
VISION = {"channels": (4, 4), "hidden": 8, "latents": 3}
WORDS = {"image_shape": (8, 8, 3), "attributes": ATTRIBUTES, "symbols": {"hidden": 6}}

FAMILIES = {
    "xcov": {"family": "xcov", "image_shape": (8, 8, 1), "heads": {"a": 2, "b": 3}, "encoder": (8,), "decoder": (8,)},
    "replay": {**REPLAY, "gating": 0.5},
    "replay_unconditional": {**REPLAY, "conditional": False, "gating": 0.0},
    "replay_classifier": {**REPLAY, "generator": False},
    "replay_task": {**REPLAY, "blocks": 3, "gate_by": "task", "task_gating": 0.5},
    "scan": {
        "family": "scan",
        **WORDS,
        "vision": {**VISION, "likelihood": "features"},
        "denoising": {"channels": (4, 4), "bottleneck": 6},
        "recombination": {"hidden": 6},
    },
    "jmvae": {"family": "jmvae", **WORDS, "vision": {**VISION, "likelihood": "bernoulli"}},
    "telbo": {"family": "telbo", **WORDS, "vision": {**VISION, "likelihood": "bernoulli"}},
    "sparse": {"family": "sparse", **SPARSE},
    "sparse_classifier": {"family": "sparse_classifier", **SPARSE, "heads": {"label": 3}},
}


# With the version at hand every family is tried in tests/contracts/test_families.py.
THOROUGH = ("xcov",)
SLOW = ("replay", "replay_classifier", "replay_task", "scan", "jmvae", "telbo", "sparse", "sparse_classifier")


@contextlib.contextmanager
def served(name: str, base, max_batch: int = 32):
    """Publishes a tiny model of a family and serves it; yields (gRPC address, REST address, version, signatures)."""
    settings = FAMILIES[name]
    model = models.build(settings)
    shape = settings["image_shape"]
    if settings["family"] == "replay":
        model.seen.assign(np.ones(model.config.classes, np.float32))
        model.tasks_seen.assign(3.0)
    version = export(
        model,
        base / name,
        np.random.default_rng(0).random((8, *shape), np.float32),
        Provenance({"model": {"family": settings["family"]}, "data": {"source": "tiny"}, "seed": 0}, 1, "test"),
        max_batch=max_batch,
        lite_variants=(),
        with_warmup=False,
        from_bytes=lambda contents: served_files.served_images(contents, shape, "none", 10_000),
    )
    with serving(base / name, name) as (grpc, rest):
        yield grpc, rest, version, {*endpoints(model), "encode_bytes"}


def _marks(name: str) -> list:
    return [pytest.mark.slow] * (name in SLOW) + [pytest.mark.thorough] * (name in THOROUGH)


@pytest.mark.parametrize("name", [pytest.param(name, marks=_marks(name)) for name in FAMILIES])
@pytest.mark.thorough
def test_every_signature_of_every_family_answers_on_both_protocols(name, tmp_path):
    with served(name, tmp_path) as (grpc, rest, version, signatures):
        with_version = serve_check.check(name, grpc, rest, saved_model=str(version), requests=1)
        without = serve_check.check(name, grpc, rest, requests=1)
        assert set(examples.read(version)) == signatures
    assert [finding for finding in (*with_version, *without) if not finding.passed] == []
    compared = {f"{protocol}: {signature}" for protocol in ("grpc", "rest") for signature in signatures}
    agreed = {f"grpc and rest agree: {signature}" for signature in signatures}
    of_protocol = {f"{protocol}: {check}" for protocol in ("grpc", "rest") for check in
                   ("model status", "refuses NaN pixels", "latency of encode, 1 image")}  # fmt: skip
    assert {finding.check for finding in without} == compared | agreed | of_protocol
    assert {finding.check for finding in with_version} == {
        *(f"{check} equals the local SavedModel" for check in compared), *agreed, *of_protocol
    }  # fmt: skip


@pytest.mark.thorough
def test_a_server_that_admits_one_row_is_checked_with_one(tmp_path):
    with served("xcov", tmp_path, max_batch=1) as (grpc, _, version, _):
        for folder in ("", str(version)):
            findings = serve_check.check("xcov", grpc, saved_model=folder, requests=1)
            assert [finding for finding in findings if not finding.passed] == []


@pytest.mark.thorough
def test_the_version_of_another_family_fails_in_findings_and_not_in_a_traceback(tmp_path):
    with served("xcov", tmp_path) as (grpc, rest, _, _), served("replay_task", tmp_path) as (_, _, other, _):
        findings = serve_check.check("xcov", grpc, rest, saved_model=str(other), requests=1)
    failed = {finding.check: finding.detail for finding in findings if not finding.passed}
    assert "axis 1 must be 8" in failed["grpc: encode equals the local SavedModel"]
    assert "task" in failed["rest: classify equals the local SavedModel"]
    assert failed["grpc: latency of encode, 1 image"] == "encode gave no answer"
    assert "grpc: model status" not in failed
