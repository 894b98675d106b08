"""The contract of families, over every family that is registered."""

import dataclasses
import html
import importlib
import json
import random

import ml_collections
import numpy as np
import PIL.Image
import pytest
import reverie
import tensorflow as tf
from reverie import models
from reverie.errors import UserError
from reverie.evaluation import collapse, headlines, of_family
from reverie.experiments import kinds
from reverie.export import examples, graph_loader, serve_check, warmup
from reverie.export.endpoints import BESIDE, endpoints
from reverie.export.graph_loader import reason
from reverie.layers import Noise
from reverie.models import Capability, contract, limits, settings
from reverie.models.signature import first_rows
from reverie.training.checkpoints import weights_digest
from reverie.training.records import read_metrics

from ..killed import killed_at
from ..serving import Servable, serving
from .family_cases import CASES, by_case, losses_apart
from .request_cases import broken

# Capability -> what a model that has it answers to.
METHODS = {
    Capability.CALIBRATE: ("calibrate",),
    Capability.PREPARE: ("prepare",),
    Capability.CONSTRAIN: ("constraints",),
    Capability.PARTS: ("parts",),
    Capability.CHOOSE: ("choose",),
    Capability.STAGES: ("stages",),
    Capability.WORDS: ("symbols_to_images", "images_to_symbols", "concept", "imagine", "in_words", "sizes"),
    Capability.HEAD: ("head_variables", "all_variables", "network"),
    Capability.GREEDY: ("greedy_layers", "spread"),
    Capability.EXPLORE: ("page_functions",),
    Capability.MOMENTS: ("moment",),
}
families = pytest.mark.parametrize("name", models.families())


cases = by_case()
# What other fast tests show of these, in the same or in other words: tests/training/test_stages.py that stages resume,
# tests/test_scan_cli.py, test_streams_cli.py and models/test_sparse_run.py what their exports answer.
all_but_stages = by_case("scan")
exported = by_case("scan", "replay-bir", "sparse")
# And tests/export/test_serve_check.py, which is of xcov.
served = by_case(*CASES)


def test_every_registered_family_has_a_case_here():
    assert {case.family for case in CASES.values()} == set(models.families())


@families
@pytest.mark.contract("families", "settings round trip")
def test_settings_come_back_from_a_config_and_from_json_as_they_were(name):
    family = models.family(name)
    section = family.section()
    assert section.pop("family") == name
    attributes = {"attributes": (("color", ("red", "blue"), ""),)} if "attributes" in section else {}
    read = settings.read(family.settings, {**section, **attributes})
    again = settings.read(family.settings, json.loads(json.dumps({**section, **attributes})))
    assert read == again and dataclasses.is_dataclass(read)
    assert models.complete({"family": name}) == {"family": name, **section}


@families
@pytest.mark.contract("families", "settings explained")
def test_every_setting_says_what_it_means(name):
    def unexplained(kind) -> list:
        known, found = settings.meanings(kind), []
        for field in dataclasses.fields(kind):
            nested = field.default_factory
            found += [] if known.get(field.name) else [f"{kind.__name__}.{field.name}"]
            found += unexplained(nested) if dataclasses.is_dataclass(nested) else []
        return found

    assert unexplained(models.family(name).settings) == []
    for stage in models.family(name).stages.values():
        assert unexplained(stage) == []


@families
@pytest.mark.contract("families", "unknown settings refused")
def test_an_unknown_setting_is_refused_and_the_nearest_one_named(name):
    with pytest.raises(UserError, match="no setting 'image_shap'; expected image_shape"):
        models.build({**models.family(name).section(), "image_shap": 1})


@families
@pytest.mark.contract("families", "kinds and evaluation there")
def test_kinds_and_evaluation_that_are_named_are_there(name):
    family = models.family(name)
    assert set(family.kinds) <= set(kinds()) and family.summary
    evaluation = of_family(family)
    assert evaluation.HEADLINES and callable(evaluation.evaluate) and callable(evaluation.draw)
    assert all(isinstance(meaning, str) and meaning for meaning in evaluation.OPTIONS.values())


@cases
@pytest.mark.contract("families", "capabilities as declared")
def test_a_model_can_do_what_its_family_declares_and_nothing_else(case, trained_runs):
    run = trained_runs[case]
    assert isinstance(run.model, contract.Model)
    for capability, names in METHODS.items():
        declared = capability in run.family.capabilities
        answered = all(_answers(run.model, name) for name in names)
        assert declared == answered, f"{capability}: declared {declared}, answered {answered}"


@cases
@pytest.mark.contract("families", "settable after training")
def test_what_can_be_set_anew_changes_no_weight_and_no_code(case, trained_runs):
    run = trained_runs[case]
    assert run.family.settable <= set(settings.meanings(run.family.settings))
    images = tf.constant(np.random.default_rng(0).random((3, *run.model.config.image_shape)), tf.float32)
    for name in run.family.settable:
        other = reverie.load(run.folder, settings={name: 2})
        assert getattr(other.model.config, name) == 2 and other.config.model[name] == 2
        assert weights_digest(other.model) == weights_digest(run.model)
        for part, code in run.model.encode(images).items():
            np.testing.assert_array_equal(other.model.encode(images)[part], code)
    if others := sorted(set(settings.meanings(run.family.settings)) - run.family.settable):
        with pytest.raises(UserError, match=f"{others[0]} cannot be set anew; of a trained {run.family.name} that"):
            reverie.load(run.folder, settings={others[0]: 1})


def _answers(model, name: str) -> bool:
    found = getattr(model, name, None)
    return found is not None if name in ("sizes", "network") else callable(found)


@by_case("sparse")
@pytest.mark.contract("families", "a page of what is there")
def test_a_page_names_functions_that_the_model_has_and_holds_nothing_but_plain_values(case, trained_runs):
    run = trained_runs[case]
    if Capability.EXPLORE not in run.family.capabilities:
        with pytest.raises(UserError, match="declares no page; expected one of .*xcov"):
            run.explore()
        return
    functions = run.model.page_functions()
    data = run.kind.evaluation_data(run.config, run.folder, run.model, run.step)
    shown = of_family(run.family).explore(run.model, data)
    content = json.loads(json.dumps(shown.to_dict([*functions, *shown.moments]), allow_nan=False))
    assert content["panels"] and content["pictures"]["count"] == len(content["labels"])
    assert all(signature.lite for signature in functions.values())
    for panel in content["panels"]:
        assert panel["kind"] in ("code", "imagine", "times", "words", "neurons")
        named = [panel.get(key) for key in ("encode", "decode", "words", "concept", "compose", "maps")]
        assert {name for name in named if name} <= set(functions)
        for key, inputs in (("encode", [panel.get("images")]), ("decode", [panel.get("input")])):
            if panel["kind"] == "code" and panel[key]:
                heads = panel["heads"] or {}
                assert key == "decode" or not heads or heads["output"] or heads["input"]
                wanted = [*inputs, heads.get("input") if key == "decode" else ""]
                assert {name for name in wanted if name} == set(functions[panel[key]].inputs)
        then = {moment["function"] for moment in panel.get("moments", ()) if "function" in moment}
        assert then <= {*functions, *shown.moments} and (Capability.MOMENTS in run.family.capabilities or not then)
        assert all(unit["low"] < unit["high"] and 0 < unit["says"] <= 1 for unit in panel.get("units", ()))


@all_but_stages
@pytest.mark.contract("families", "exact resume")
def test_a_run_killed_at_a_random_step_resumes_to_the_weights_of_an_unbroken_one(case, trained_runs, tmp_path):
    whole = trained_runs[case]
    total = whole.outcome.step
    stop = random.Random(case).randrange(5, total - 5)  # Calls are of five steps at most: one is left to be cut.
    config = CASES[case].config(tmp_path)
    with killed_at(stop):
        reverie.train(config, tmp_path / "run")
    resumed = reverie.train(config, tmp_path / "run")
    assert resumed.outcome.step == total
    # The same bits are those of deterministic runs; without, threads may sum in another order.
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=5e-5, rtol=1e-3)


@all_but_stages
@pytest.mark.contract("families", "one device = two replicas")
def test_two_replicas_take_the_steps_of_one_device(case, tmp_path, monkeypatch, record_property):
    if CASES[case].drawn:
        pytest.skip(CASES[case].drawn)
    # What is drawn differs from replica to replica, so nothing is drawn here: the rest must be the same.
    monkeypatch.setattr(Noise, "normal", lambda self, stream, shape, dtype=np.float32: _constant(shape, 0.0))
    monkeypatch.setattr(Noise, "uniform", lambda self, stream, shape, dtype=np.float32: _constant(shape, 0.4))
    weights = []
    for strategy in ("one", "mirrored"):
        config = CASES[case].config(tmp_path)
        # Adam divides a gradient by its own size, and so makes much of what rounding leaves of a zero: not with this.
        config.optimizer = {"name": "adam", "epsilon": 0.1}
        config.train.log_every = 1
        run = reverie.train(config, tmp_path / strategy, strategy=strategy)
        weights.append(run.model.get_weights())
    apart, _ = losses_apart(tmp_path / "one", tmp_path / "mirrored", CASES[case].met)
    record_property("apart", apart)
    assert apart < 1e-4
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-3)


@by_case("scan", "sparse", "xcov")
@pytest.mark.contract("families", "compiled by XLA = as a graph")
def test_compiled_steps_are_those_of_the_graph(case, tmp_path, monkeypatch):
    if CASES[case].drawn:
        pytest.skip("XLA draws other numbers from the same key")
    # So here too nothing is drawn. This is also what there is of a TPU's compiler on this side of one.
    monkeypatch.setattr(Noise, "normal", lambda self, stream, shape, dtype=np.float32: _constant(shape, 0.0))
    monkeypatch.setattr(Noise, "uniform", lambda self, stream, shape, dtype=np.float32: _constant(shape, 0.4))
    weights = []
    for jit in (False, True):
        config = CASES[case].config(tmp_path)
        config.optimizer = {"name": "adam", "epsilon": 0.1}
        config.train.jit = jit
        weights.append(reverie.train(config, tmp_path / f"{jit}").model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-3)


@by_case(*CASES)
@pytest.mark.contract("families", "mixed_bfloat16 learns alike")
def test_products_in_sixteen_bits_teach_nearly_the_same(case, tmp_path):
    totals, runs = [], []
    for precision in ("float32", "mixed_bfloat16"):
        config = CASES[case].config(tmp_path)
        config.train.log_every, config.train.precision = 1, precision
        runs.append(reverie.train(config, tmp_path / precision))
        totals.append([line["total"] for line in read_metrics(tmp_path / precision) if "total" in line])
    whole, mixed = map(np.asarray, totals)
    assert (whole != mixed).any()  # Something was computed in sixteen bits.
    np.testing.assert_allclose(mixed, whole, rtol=0.05, atol=0.02 * np.abs(whole).max())
    assert {variable.dtype for variable in runs[1].model.variables} <= {"float32", "int32", "int64"}
    for one, other in zip(*(run.model.get_weights() for run in runs), strict=True):
        assert np.isfinite(other).all() and one.shape == other.shape


@by_case("scan", "sparse", "replay-bir")
@pytest.mark.contract("families", "accumulated = whole batch")
def test_steps_in_two_parts_are_those_of_the_whole_batch_or_refused_with_the_reason(case, tmp_path):
    def config(accumulate: int, changes: dict):
        made = CASES[case].config(tmp_path)
        made.optimizer = {"name": "adam", "epsilon": 0.1}
        made.train.accumulate, made.train.log_every = accumulate, 1
        made.update_from_flattened_dict(changes)
        return made

    for changes, why in CASES[case].whole_batch:
        with pytest.raises(UserError, match=f"train.accumulate is 2, but {why}.*; expected 1"):
            reverie.train(config(2, changes), tmp_path / f"refused {len(changes)}")
    if CASES[case].in_parts is None:
        pytest.skip("refused: the objective is one of the whole batch")
    weights, totals = [], []
    for accumulate in (1, 2):
        made = config(accumulate, CASES[case].in_parts)
        weights.append(reverie.train(made, tmp_path / f"{accumulate}").model.get_weights())
        totals.append([line["total"] for line in read_metrics(tmp_path / f"{accumulate}") if "total" in line])
    # The same rows drew the same numbers: losses of every step agree, not only what comes of them.
    np.testing.assert_allclose(*totals, rtol=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("case", ["xcov", "scan", "beta_tcvae", "factor_vae"])
def test_an_objective_of_all_rows_of_a_step_refuses_a_single_row(case, tmp_path):
    config = CASES[case].config(tmp_path)
    config.train.batch_size = 1
    for stage in config.get("stages", {}).values():
        if isinstance(stage, ml_collections.ConfigDict):
            stage.batch_size = 1
    why = CASES[case].whole_batch[0][1]
    with pytest.raises(UserError, match=f"has 1 row a replica, but {why}.*; expected a batch_size of 2 or more"):
        reverie.train(config, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name, case in CASES.items() if case.drawn])
@pytest.mark.contract("families", "compiled by XLA = as a graph")
def test_a_step_that_draws_is_compiled_too(case, tmp_path):
    config = CASES[case].config(tmp_path)
    config.train.jit = True
    run = reverie.train(config, tmp_path / "run")
    assert run.outcome.step == config.train.steps * 3 and all(np.isfinite(w).all() for w in run.model.get_weights())


def _constant(shape, value: float):
    return tf.fill(shape, tf.constant(value))


@cases
@pytest.mark.contract("families", "endpoints in NumPy")
def test_every_endpoint_takes_numpy_and_gives_numpy(case, trained_runs):
    run = trained_runs[case]
    shape = run.image_shape
    bytes_ = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    codes = run.encode(bytes_)
    assert all(len(value) == 3 and np.isfinite(value).all() for value in codes.values())
    for name, value in run.encode(bytes_ / np.float32(255)).items():
        np.testing.assert_allclose(value, codes[name], atol=1e-6)
    if "reconstruct" in run.endpoints:
        assert run.reconstruct(bytes_).shape == (3, *shape)
    if "generate" in run.endpoints:
        made, again = (run.generate(4, seed=7)["images"] for _ in range(2))
        assert made.shape == (4, *shape) and np.array_equal(made, again)
        assert not np.array_equal(made, run.generate(4, seed=8)["images"])
    with pytest.raises(UserError, match=r"images have shape .*; expected \[n, "):
        run.encode(bytes_[:, :2])
    with pytest.raises(UserError, match="divide by 255"):
        run.encode(bytes_.astype(np.float32))


@exported
@pytest.mark.contract("families", "parity of every artifact")
def test_every_artifact_agrees_with_the_model_and_is_listed(case, trained_runs, versions):
    version, signatures = versions(case), trained_runs[case].model.signatures()
    served = {*graph_loader.definitions(version)} - set(BESIDE)
    agreed = {(one.artifact, one.signature) for one in version.agreements}
    lite = {path.name: path.stem.rsplit("_", 1)[0] for path in (version.folder / "lite").glob("*.tflite")}
    assert agreed == {("saved_model", name) for name in served} | set(lite.items()) and set(signatures) <= served
    assert set(lite.values()) == {name for name, signature in signatures.items() if signature.lite}
    assert all(one.difference <= one.bound for one in version.agreements)


@exported
@pytest.mark.contract("families", "warm-up of every signature")
def test_warm_up_covers_every_signature_that_is_served(case, versions, graphs):
    folder = versions(case).folder
    served = set(graphs(case).signatures)
    assert {"serving_default", "encode_bytes"} < served and set(examples.read(folder)) == served
    assert warmup.replay(folder, graphs(case)) == len(warmup.BATCH_SIZES) * len(served)


@cases
@pytest.mark.contract("families", "a range for every input")
def test_every_input_of_numbers_has_a_range(case, trained_runs):
    for name, signature in trained_runs[case].model.signatures().items():
        assert {*signature.inputs} - {"count", "seed"} == {*signature.ranges}, name
        for key, (least, greatest) in signature.ranges.items():
            assert np.all(np.isfinite(least)) and np.all(np.asarray(greatest) >= least), f"{name}: {key}"


@exported
@pytest.mark.contract("families", "every fault of a request refused")
def test_a_request_with_one_fault_is_refused_by_the_graph_in_a_sentence(case, trained_runs, versions):
    version = versions(case)
    max_batch = json.loads((version.folder / "metadata.json").read_text())["max_batch"]
    servable, requests = Servable(version.folder.parent, case), examples.read(version)
    answered, told, tried = [], [], 0
    for name, signature in endpoints(trained_runs[case].model).items():
        servable.run(name, requests[name])
        for request, said in broken(signature, requests[name], max_batch):
            tried += 1
            try:
                servable.run(name, request)
            except tf.errors.InvalidArgumentError as error:
                if reason(error) != said:
                    told.append((name, said, error.message))
            else:
                answered.append((name, said))
    servable.close()
    assert (answered, told) == ([], []) and tried > 20


@exported
@pytest.mark.contract("families", "joined requests = each alone")
def test_requests_that_a_server_joins_are_answered_as_each_alone(case, trained_runs, versions, graphs):
    graph, model = graphs(case), trained_runs[case].model
    known = json.loads((versions(case).folder / "metadata.json").read_text())["signatures"]
    for name, inputs in examples.read(versions(case)).items():
        without_rows = {"count", "seed", "task"} & set(inputs)
        assert not (known[name]["batchable"] and without_rows), name
        if known[name]["batchable"]:
            requests = [first_rows(inputs, 1), {key: value[-2:] for key, value in inputs.items()}]
            joined = {key: np.concatenate([request[key] for request in requests]) for key in inputs}
            together = graph.call(name, **joined)
            for request, rows in zip(requests, (slice(0, 1), slice(1, None)), strict=True):
                for key, value in graph.call(name, **request).items():
                    bound = 1e-5 * known[name]["amplification"] * max(1.0, np.abs(value).max())
                    np.testing.assert_allclose(together[key][rows], value, atol=bound, err_msg=f"{name}: {key}")
    drawing = {name: one for name, one in model.signatures().items() if "seed" in one.inputs}
    for name, signature in drawing.items():
        inputs = examples.read(versions(case))[f"{name}_each"]
        seeds = inputs.pop("seeds")
        answer = graph.call(f"{name}_each", seeds=seeds, **inputs)
        for row, seed in enumerate(seeds):
            rows = {key: value[row : row + 1] for key, value in inputs.items()}
            for key, value in signature.function(count=np.int32(1), seed=seed, **rows).items():
                np.testing.assert_allclose(answer[key][row : row + 1], value, atol=1e-5, err_msg=f"{name}: {key}")


@exported
@pytest.mark.contract("families", "codes at the limits answered")
def test_codes_at_their_limits_are_answered_with_finite_numbers(case, trained_runs, versions, graphs):
    graph = graphs(case)
    for name, signature in trained_runs[case].model.signatures().items():
        for key in [key for key, limit in signature.ranges.items() if limit == limits.CODES]:
            request = examples.read(versions(case))[name]
            for sign in (-1.0, 1.0):
                ends = np.where(np.arange(request[key].size).reshape(request[key].shape) % 2, sign, -1.0) * 1e6
                for code in (np.full_like(request[key], sign * 1e6), ends.astype(np.float32)):
                    answer = graph.call(name, **{**request, key: code})
                    assert all(np.isfinite(value).all() for value in answer.values()), name


@served
@pytest.mark.contract("families", "serve-check over gRPC and REST")
def test_serve_check_passes_on_both_protocols(case, versions):
    folder = versions(case).folder
    with serving(folder.parent, case) as (grpc, rest):
        findings = serve_check.check(case, grpc, rest, saved_model=str(folder), requests=1)
    assert [finding for finding in findings if not finding.passed] == []
    checked = {finding.check.removesuffix(" equals the local SavedModel") for finding in findings}
    for endpoint in examples.read(folder):
        assert {f"grpc: {endpoint}", f"rest: {endpoint}", f"grpc and rest agree: {endpoint}"} <= checked


@all_but_stages
@pytest.mark.contract("families", "report, a caption a picture")
def test_the_report_shows_the_headlines_and_a_caption_for_every_picture(case, trained_runs, monkeypatch):
    run = trained_runs[case]
    for module, name, value in (("scan", "_CASES", 8), ("replay", "_MADE", 60), ("replay", "_LIKELIHOOD_IMAGES", 20)):
        monkeypatch.setattr(importlib.import_module(f"reverie.evaluation.{module}"), name, value)
    numbers = run.evaluate()
    assert json.loads((run.folder / "evaluation.json").read_text())["step"] == run.step
    assert all(np.isfinite(value) for value in numbers.values() if isinstance(value, float))
    captions = json.loads((run.folder / "pictures" / "captions.json").read_text())
    drawn = {path.stem for path in (run.folder / "pictures").glob("*.png")}
    assert drawn == set(captions) and drawn
    page = run.report().read_text()
    for name, caption in captions.items():
        assert len(caption) > 20 and f'alt="{name.replace("_", " ")}"' in page
        assert np.asarray(PIL.Image.open(run.folder / "pictures" / f"{name}.png")).std() > 1
    shown = [headline for name, headline in headlines(run.family).items() if name in numbers]
    assert shown and all(html.escape(said) in page for headline in shown for said in headline[:2])


@cases
@pytest.mark.contract("families", "collapse told")
def test_a_network_of_zeros_is_said_to_have_collapsed_and_a_healthy_one_is_not(case, trained_runs):
    run = trained_runs[case]
    data = run.kind.evaluation_data(run.config, run.folder, run.model, run.step)
    images = run.kind.judged(run.config, run.folder, run.model, run.step, data)
    assert collapse.told(collapse.measure(run.model, images), run.step) == []
    dead = models.build(run.kind.model_section(run.config), run.config.seed)
    for mine, theirs in zip(dead.weights, run.model.weights, strict=True):
        mine.assign(np.zeros(mine.shape) if mine.trainable else theirs)
    found = collapse.told(collapse.measure(dead, images), 5000)
    assert any("of encode are the same for every image" in sentence for sentence in found)
    assert ("collapsed: all reconstructions are the same picture" in found) == ("reconstruct" in run.endpoints)


def test_the_same_settings_and_seed_give_the_same_weights():
    digests = {weights_digest(models.build({"family": "xcov"}, 3)) for _ in range(2)}
    assert len(digests) == 1
