"""The verb `serve-check`: real requests to a TensorFlow Serving address."""

import pathlib

from ..errors import ParityError
from .command import Command, integer, needed, string


def _define(values, _):
    string("grpc", "", "host:port of the gRPC API.", values)
    string("rest", "", "http://host:port of the REST API.", values)
    string("name", "", "The model's name on the server; that of --saved_model's folder by default.", values)
    string("saved_model", "", "Folder of the version being served, to compare numbers with.", values)
    integer("requests", 20, "Timed requests.", values, least=1, most=1_000_000)


def _run(values, _):
    from .. import experiments

    name = values.name or pathlib.Path(values.saved_model).absolute().parent.name
    if not values.saved_model:
        needed(values, "name")
    findings = experiments.serve_check(name, values.grpc, values.rest, values.saved_model, values.requests)
    for finding in findings:
        print(f"{'ok  ' if finding.passed else 'FAIL'} {finding.check}: {finding.detail}")
    failed = sum(not finding.passed for finding in findings)
    if failed:
        raise ParityError(f"{failed} of {len(findings)} checks failed")


COMMAND = Command("Sends real requests to a TensorFlow Serving address.", _define, _run)
