"""One worker of a run of `family_cases`: `python -m tests.contracts.worker CASE WORKDIR SETTINGS`."""

import json
import pathlib
import sys
import tempfile

import reverie
from reverie.errors import UserError

from .family_cases import CASES


def main(case: str, workdir: str, settings: str) -> int:
    with tempfile.TemporaryDirectory() as own:
        config = CASES[case].config(pathlib.Path(own))
        try:
            run = reverie.train(
                config, workdir, overrides=json.loads(settings), strategy="multi_worker", deterministic=True
            )
        except UserError as error:
            print(error)
            return error.exit_code
    assert run.outcome is not None
    return run.outcome.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
