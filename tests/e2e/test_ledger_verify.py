"""`feiqian ledger verify`: silent on a whole ledger, and names the batch when somebody has been at the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import tamper
from conftest import Deploy
from world import World


def busy(fq: World) -> None:
    for _ in range(4):
        sale = fq.sale(100)
        fq.refund(sale.payment, 40)
    fq.act(fq.authorized(100).payment, "capture", {"amount": 60})
    fq.act(fq.authorized(100).payment, "cancel")


def test_a_whole_ledger_beside_a_running_server(fq: World) -> None:
    busy(fq)
    done = fq.deployment.verify_ledger()
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_empty_ledger(deploy: Deploy) -> None:
    own = deploy()
    own.check_ledger()
    own.stop()
    own.check_ledger()


CHANGES = [
    tamper.change_a_transfer,
    tamper.remove_a_transfer,
    tamper.change_a_balance,
    tamper.change_an_event,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_tampered_row_is_found(deploy: Deploy, change: Callable[[Path], None]) -> None:
    own = deploy(start=False)
    if own.kind.store != "sqlite":
        pytest.skip("edits an SQLite file; the other store is verified by the same code")
    own.start()
    busy(World(own))
    own.stop()
    own.check_ledger()
    change(Path(own.data("payment")) / "payment.db")
    done = own.verify_ledger()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    if change is not tamper.change_a_balance:  # a balance belongs to no one batch
        assert re.search(r"batch \d+", said), said
