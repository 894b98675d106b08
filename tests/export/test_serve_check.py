import pytest
from reverie.cli import main
from reverie.errors import UserError
from reverie.export import serve_check

from ..serving import serving


@pytest.fixture(scope="module")
def addresses(published):
    with serving(published.parent, "xcov") as addresses:
        yield addresses


def test_a_right_server_passes_every_check_on_both_protocols(addresses, published):
    findings = serve_check.check("xcov", *addresses, saved_model=str(published), requests=5)
    assert [finding for finding in findings if not finding.passed] == []
    checks = {finding.check for finding in findings}
    for signature in ("encode", "reconstruct", "classify", "generate", "encode_bytes"):
        for protocol in ("grpc", "rest"):
            assert f"{protocol}: {signature} equals the local SavedModel" in checks
        assert f"grpc and rest agree: {signature}" in checks
    assert "grpc: refuses NaN pixels" in checks and "rest: refuses NaN pixels" in checks


def test_another_models_numbers_are_noticed(addresses, trained_model, real_images, tmp_path):
    from .conftest import publish

    kept = trained_model.get_weights()
    trained_model.set_weights([weights * 1.1 for weights in kept])
    other = publish(trained_model, tmp_path / "m", real_images, lite_variants=(), with_warmup=False)
    trained_model.set_weights(kept)
    findings = serve_check.check("xcov", addresses[0], saved_model=str(other), requests=1)
    failed = {finding.check for finding in findings if not finding.passed}
    assert "grpc: encode equals the local SavedModel" in failed


def test_the_command_prints_each_check_and_reports_failure_by_its_exit_code(addresses, published, capsys):
    arguments = [f"--grpc={addresses[0]}", f"--rest={addresses[1]}", f"--saved_model={published}", "--requests=2"]
    assert main(["reverie", "serve-check", *arguments]) == 0
    assert "ok   grpc: latency of encode, 1 image: p50" in capsys.readouterr().out


def test_nobody_there_and_unknown_models_are_told_in_one_line(addresses):
    with pytest.raises(UserError, match="needs --grpc"):
        serve_check.check("xcov")
    with pytest.raises(UserError, match=r"127.0.0.1:9: no answer for model 'xcov' \(UNAVAILABLE"):
        serve_check.check("xcov", grpc="127.0.0.1:9", timeout=2.0)
    with pytest.raises(UserError, match="no answer for model 'xcov'"):
        serve_check.check("xcov", rest="http://127.0.0.1:9", timeout=2.0)
    with pytest.raises(UserError, match="no answer for model 'other'.*NOT_FOUND"):
        serve_check.check("other", grpc=addresses[0])
    with pytest.raises(UserError, match="no answer for model 'other'.*404"):
        serve_check.check("other", rest=addresses[1])
