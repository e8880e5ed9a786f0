"""Everything that can happen has its words."""

import itertools

from astro_jax.play.words import REASONS, STATUSES, doing
from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason, Status


def test_everything_has_its_words():
    assert REASONS.keys() == set(Reason)
    assert STATUSES.keys() == set(Status)
    for status, mode, reason in itertools.product(Status, Mode, Reason):
        tone, says = doing(status, mode, reason, 0.3, 0.3, goal=True, arrived=False)
        assert says
        fine = status == Status.OK and mode in (Mode.RUNNING, Mode.SLOWED)
        assert (tone == "stop") == (not fine)
        assert doing(status, mode, reason, 0.0, 0.0, goal=False, arrived=False)[0] == "stop"
    well = (Status.OK, Mode.RUNNING, Reason.CLEAR)
    assert "Waiting" in doing(*well, 0.05, 0.0, goal=True, arrived=False)[1]
    assert "way" in doing(*well, 0.05, 0.6, goal=True, arrived=False)[1]
