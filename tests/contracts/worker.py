"""One process of a run of `family_cases`: `python -m tests.contracts.worker CASE WORKDIR SETTINGS [STRATEGY]`."""

import json
import os
import pathlib
import sys
import tempfile

import reverie
from reverie.errors import UserError

from .family_cases import CASES


def main(case: str, workdir: str, settings: str, strategy: str = "multi_worker") -> int:
    with tempfile.TemporaryDirectory() as own:
        config = CASES[case].config(pathlib.Path(own))
        written = pathlib.Path(config.data.source)
        if written.is_file():  # The same in every process, and at one place for the run that is resumed.
            config.data.source = f"{workdir}-data{written.suffix}"
            os.replace(written, config.data.source)
        try:
            run = reverie.train(config, workdir, overrides=json.loads(settings), strategy=strategy, deterministic=True)
        except UserError as error:
            print(error)
            return error.exit_code
    assert run.outcome is not None
    return run.outcome.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
