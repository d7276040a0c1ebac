"""Fixtures: which shapes of deployment a run tests, and the servers it tests them on.

pytest tests/e2e                           one process on SQLite, and split on PostgreSQL
pytest tests/e2e --all-shapes              the other two combinations as well
pytest tests/e2e --shape one --store postgres
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client import Client
from feiqian import BINARY, Deployment, Kind
from postgres import Postgres
from world import World

SHAPES = ("one", "split")
STORES = ("sqlite", "postgres")
DEFAULT = [Kind("one", "sqlite"), Kind("split", "postgres")]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("feiqian")
    group.addoption("--shape", action="append", choices=SHAPES, help="only this shape")
    group.addoption("--store", action="append", choices=STORES, help="only this store")
    group.addoption("--all-shapes", action="store_true", help="every shape on every store")
    group.addoption("--seed", type=int, default=None, help="repeat a run of the random tests")


def kinds(config: pytest.Config) -> list[Kind]:
    shapes, stores = config.getoption("--shape"), config.getoption("--store")
    if shapes or stores or config.getoption("--all-shapes"):
        return [Kind(*pair) for pair in itertools.product(shapes or SHAPES, stores or STORES)]
    return DEFAULT


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", kinds(metafunc.config), ids=str, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no server goes first: it says soonest when the tests themselves are wrong."""
    items.sort(key=lambda item: "kind" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure shows the end of the logs of the servers it used."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for value in getattr(item, "funcargs", {}).values():
        deployment = getattr(value, "deployment", value)
        if isinstance(deployment, Deployment):
            for name, server in deployment.servers.items():
                report.sections.append((f"log of {name}", server.output()[-3000:]))
            return


@pytest.fixture(scope="session")
def binary() -> Path:
    assert BINARY.exists(), f"{BINARY} is missing: build it, or set FEIQIAN_BINARY"
    return BINARY


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def postgres_for(kind: Kind, request: pytest.FixtureRequest) -> Postgres | None:
    if kind.store != "postgres":
        return None
    server: Postgres = request.getfixturevalue("postgres")
    return server


@pytest.fixture(scope="session")
def deployment(
    kind: Kind, binary: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The deployment that most tests share: nothing may depend on what others left there."""
    shared = Deployment(kind, tmp_path_factory.mktemp(str(kind)), postgres_for(kind, request))
    try:
        shared.start()
        yield shared
        shared.check_ledger()  # after all that the tests did to it
        shared.stop()
    finally:
        shared.kill()


@pytest.fixture(scope="session")
def fq(deployment: Deployment) -> World:
    return World(deployment)


@pytest.fixture(scope="session")
def bearer(deployment: Deployment) -> Client:
    """An admin that calls with a bearer key."""
    return deployment.client("admin", "bearer")


Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(kind: Kind, binary: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deploy]:
    """Makes deployments of a test's own, started, and ends them with the test."""
    made: list[Deployment] = []

    def make(*, start: bool = True, **options: Any) -> Deployment:
        folder = tmp_path / f"deployment-{len(made)}"
        own = Deployment(kind, folder, postgres_for(kind, request), **options)
        made.append(own)
        if start:
            own.start()
        return own

    try:
        yield make
    finally:
        for own in made:
            own.kill()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """For random tests: new each day of work by hand, printed on failure, repeatable by --seed."""
    import random

    given = request.config.getoption("--seed")
    chosen = given if given is not None else random.SystemRandom().randrange(2**32)
    print(f"repeat with --seed {chosen}")
    return chosen
