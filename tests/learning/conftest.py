import pytest

from tests.learning.planted import made


@pytest.fixture(scope="session")
def planted():
    """See ``planted.made``."""
    return made()
