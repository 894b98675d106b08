"""What the tests of the contracts share: one trained run of every family, and the names of what they show.

A test marked `contract(table, column)` is a cell of that table, in the row of its parameter (that which `row=` names,
where there are several); see `tests/conftest.py`.
"""

import pathlib
import warnings

import pytest
import reverie

from .family_cases import CASES


@pytest.fixture(autouse=True)
def _cell(request):
    """Which cell of which table a test fills."""
    marker = request.node.get_closest_marker("contract")
    if marker and hasattr(request.node, "callspec"):
        table, column = marker.args
        given = {name: value for name, value in request.node.callspec.params.items() if isinstance(value, str)}
        row = given.get(marker.kwargs.get("row", ""), request.node.callspec.id)
        request.node.user_properties.append(("contract", [table, row, column.format(**given)]))


class TrainedRuns:
    """Runs of the cases, each trained once."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._runs: dict[str, reverie.Run] = {}

    def __getitem__(self, name: str) -> reverie.Run:
        if name not in self._runs:
            folder = self.folder / name
            folder.mkdir()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._runs[name] = reverie.train(CASES[name].config(folder), folder / "run")
        return self._runs[name]


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory):
    return TrainedRuns(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="session")
def versions(trained_runs):
    """case -> its published version, made once, with every artifact and warm-up."""
    made: dict = {}

    def version(case: str):
        if case not in made:
            made[case] = trained_runs[case].export(name=case)
        return made[case]

    return version


@pytest.fixture(scope="session")
def graphs(versions):
    """case -> its published version as a server loads it, once: what takes time is each signature's first call."""
    made: dict = {}

    def graph(case: str):
        if case not in made:
            made[case] = reverie.export.GraphModel(versions(case))
        return made[case]

    return graph
