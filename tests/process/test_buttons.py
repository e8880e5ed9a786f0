"""Emergency stop and re-arming, as who has no gate hears them: the process that takes goals."""

import pytest

from astro_jax.process.buttons import Buttons
from astro_jax.wire.topics import E_STOP, REARM

DOWN, UP = (E_STOP, True), (E_STOP, False)
ARM, UNARM = (REARM, True), (REARM, False)


@pytest.mark.parametrize(
    ("heard", "holds"),
    [
        ([], False),
        ([UP], False),
        ([ARM], False),
        ([DOWN], True),
        ([DOWN, UP], True),  # let go is not armed
        ([DOWN, ARM], True),
        ([DOWN, ARM, UP], True),  # armed while it was pressed
        ([DOWN, UP, ARM], False),
        ([DOWN, UP, UNARM], True),
        ([ARM, DOWN, UP], True),  # armed before it was pressed
        ([DOWN, UP, ARM, DOWN], True),
        ([DOWN, UP, ARM, DOWN, UP], True),
        ([DOWN, UP, DOWN, UP, ARM], False),
        ([DOWN, DOWN, UP, ARM, UP], False),
    ],
)
@pytest.mark.parametrize("asked", ["at the end", "all the time"])
def test_the_stop_holds_until_it_is_let_go_and_armed_again(heard, holds, asked):
    buttons = Buttons()
    for topic, data in heard:
        buttons.hear(topic, {"data": data})
        if asked == "all the time":
            buttons.holds()
    assert buttons.holds() is holds
    assert buttons.holds() is holds
