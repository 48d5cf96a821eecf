from collections.abc import Iterator

import pytest

from tests.sandbox.running import RunningUtility, utility


@pytest.fixture(scope="session")
def utility_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUtility]:
    with utility(tmp_path_factory.mktemp("utility")) as running:
        yield running


@pytest.fixture
def a_utility(utility_process: RunningUtility) -> Iterator[RunningUtility]:
    yield utility_process
    utility_process.fault("none")
