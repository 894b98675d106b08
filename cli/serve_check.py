"""The verb `serve-check`: real requests to a TensorFlow Serving address."""

from ..errors import ParityError
from .command import Command, integer, string


def _define(values, _):
    string("grpc", "", "host:port of the gRPC API.", values)
    string("rest", "", "http://host:port of the REST API.", values)
    string("name", "xcov", "The model's name on the server.", values)
    string("saved_model", "", "Folder of the version being served, to compare numbers with.", values)
    integer("requests", 20, "Timed requests.", values)


def _run(values, _):
    from .. import experiments

    findings = experiments.serve_check(values.name, values.grpc, values.rest, values.saved_model, values.requests)
    for finding in findings:
        print(f"{'ok  ' if finding.passed else 'FAIL'} {finding.check}: {finding.detail}")
    failed = sum(not finding.passed for finding in findings)
    if failed:
        raise ParityError(f"{failed} of {len(findings)} checks failed")


COMMAND = Command("Sends real requests to a TensorFlow Serving address.", _define, _run)
