"""An online backup, taken under load, restored and verified."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

import names
from client import expect, pages
from conftest import Deploy, postgres_for
from feiqian import Deployment
from world import World


class Busy:
    """A shop that goes on selling while something else happens."""

    def __init__(self, fq: World) -> None:
        self._fq = fq
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Busy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert self._fault is None, self._fault

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._fq.sale(1)
        except BaseException as fault:  # shown when the block ends
            self._fault = fault


def back_up(own: Deployment, backup: Path) -> None:
    """One command a data folder; one for all where a URL stands for all three databases."""
    apart = own.kind.shape == "split" and own.kind.store == "sqlite"
    for service in names.SERVICES if apart else ("payment",):
        place = backup / service if apart else backup
        place.parent.mkdir(exist_ok=True)
        done = own.cli(*names.BACKUP, names.BACKUP_TO, place, service=service)
        assert done.returncode == 0, done.stdout + done.stderr


def restore(deploy: Deploy, own: Deployment, backup: Path, request: pytest.FixtureRequest) -> Deployment:
    """A second deployment on what was backed up, under the same master key."""
    environment = {names.MASTER_KEY_FILE: own.environment[names.MASTER_KEY_FILE]}
    server = postgres_for(own.kind, request)
    if server is None:
        restored = backup.with_name("restored")
        shutil.copytree(backup, restored)
        return deploy(environment=environment, data=str(restored))
    url = server.new_url()
    for service in names.SERVICES:
        dump = next(path for path in backup.rglob("*") if path.is_file() and service in path.name)
        server.restore(dump, f"{url.rpartition('/')[2]}_{service}")
    return deploy(environment=environment, data=url)


@pytest.mark.timeout(240)
def test_an_online_backup_is_restored_and_verified(deploy: Deploy, request: pytest.FixtureRequest) -> None:
    own = deploy(own_master_key=True)
    fq = World(own)
    before = [fq.sale(100) for _ in range(5)]
    fq.refund(before[0].payment, 40)
    user = fq.user(email="kept@example.com", password="correct horse battery")
    backup = own.folder / "backup"
    with Busy(fq):
        back_up(own, backup)

    restored = restore(deploy, own, backup, request)
    again = World(restored)
    for sale in before[1:]:
        assert again.get(sale.payment) == sale.payment
        assert again.get(sale.order)["status"] == "paid"
    assert again.get(before[0].payment)["amount_refunded"] == 40
    assert again.get(user) == user
    path = f"/v1/users/{user['id']}/verify_password"
    assert expect(again.admin.post(path, {"password": "correct horse battery"}))["valid"] is True
    assert all(payment["status"] == "succeeded" for payment in pages(again.admin, "/v1/payments"))
    restored.check_ledger()
    again.sale()
    restored.stop()
    restored.check_ledger()
    own.stop()


def test_a_backup_does_not_overwrite(deploy: Deploy) -> None:
    own = deploy(own_master_key=True)
    fq = World(own)
    fq.sale()
    backup = own.folder / "backup"
    back_up(own, backup)
    service = "payment"
    place = backup / service if (backup / service).exists() else backup
    done = own.cli(*names.BACKUP, names.BACKUP_TO, place, service=service)
    assert done.returncode == 3, (done.returncode, done.stdout)
    own.stop()
