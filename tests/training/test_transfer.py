"""Settings of the section `transfer` that are refused."""

import pytest
from reverie.errors import UserError
from reverie.training.transfer import TransferSettings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rate": -1e-4}, "transfer.rate is -0.0001; expected a finite number above 0"),
        ({"rate": float("nan")}, "transfer.rate is nan; expected a finite number above 0"),
        ({"head_steps": -1}, "transfer.head_steps is -1; expected 0 or more"),
    ],
)
def test_what_is_no_rate_and_no_number_of_steps_is_refused_by_its_own_name(settings, said):
    with pytest.raises(UserError, match=said):
        TransferSettings(**settings)
