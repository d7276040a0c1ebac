"""Starts that fail, at night: what is said must name what to mend."""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

import names
from conftest import Deploy
from feiqian import BINARY, Deployment, clean_environment, command
from postgres import Postgres
from test_operations import certificate
from world import World

NEWER = 1000  # a migration that this binary does not know


def claim_newer_schema(deployment: Deployment, request: pytest.FixtureRequest) -> None:
    """As if a later version, which lets no older program run beside it, had migrated the payments."""
    where = deployment.data("payment")
    statement = f"INSERT INTO schema_migration VALUES ({NEWER}, 0, {NEWER})"
    if deployment.kind.store == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        postgres.sql(where.rpartition("/")[2] + "_payment", statement)
        return
    with closing(sqlite3.connect(Path(where) / "payment.db")) as connection, connection:
        connection.execute(statement)


def test_an_older_binary_refuses_a_newer_schema(deploy: Deploy, request: pytest.FixtureRequest) -> None:
    own = deploy()
    World(own).sale()
    own.stop()
    claim_newer_schema(own, request)
    others = dict.fromkeys(names.SERVICE_URLS.values(), "http://127.0.0.1:1")
    services = [] if own.kind.shape == "one" else ["--services", "payment"]
    listen = ["--listen", "127.0.0.1:0", *services]
    for words, code in (
        (["serve", *listen], 3),
        (["serve", *listen, "--store-migrate", "false"], 3),
        (["db", "check"], 1),
        (["db", "migrate"], 3),
        (["ledger", "verify"], 3),
    ):
        done = command(
            *words, "--data", own.data("payment"), environment={**own.environment, **others}, timeout=30
        )
        assert done.returncode == code and "ready" not in done.stdout, (words, done.returncode, done.stderr)
        told = next(line for line in done.stderr.splitlines() if "newer version" in line)
        assert "install that version" in told and "payment" in told, told
        numbers = dict(re.findall(r'"?(schema|oldest_allowed|this_version)"?[=:](\d+)', told))
        assert numbers["schema"] == numbers["oldest_allowed"] == str(NEWER), told
        assert 0 < int(numbers["this_version"]) < NEWER, told
        if words[0] != "serve":
            assert "the payment database does not fit this version" in done.stderr, done.stderr


# The configuration: found before anything is opened, and by `config check` too.

FAULTS = [
    ("FEIQIAN_SERVER_LISTEN", "127.0.0.1:65536", "server.listen"),
    ("FEIQIAN_SERVER_LISTEN", "127.0.0.1", "server.listen"),
    ("FEIQIAN_SERVER_ADMIN_LISTEN", "9090", "server.admin_listen"),
    ("FEIQIAN_SERVER_ORIGIN", "pay.example", "server.origin"),
    ("FEIQIAN_SERVER_ORIGIN", "https://pay.example/", "server.origin"),
    ("FEIQIAN_ORDER_CHECKOUT_URL", "http://pay.example:0", "order.checkout_url"),
    ("FEIQIAN_SERVER_DATA", "mysql://db/feiqian", "server.data"),
    ("FEIQIAN_SERVER_SERVICES", "user,shop", "server.services"),
]


@pytest.mark.parametrize(("name", "value", "setting"), FAULTS)
def test_a_wrong_address_is_named_before_the_start(
    binary: Path, name: str, value: str, setting: str, tmp_path: Path
) -> None:
    for language, word in (("C", "must be"), ("zh_CN.UTF-8", "应")):
        environment = {"FEIQIAN_SERVER_DATA": str(tmp_path / "data"), name: value, "LC_ALL": language}
        checked = command("config", "check", environment=environment)
        assert checked.returncode == 1, checked.stdout
        assert f"{setting} = {value}" in checked.stderr and word in checked.stderr, checked.stderr
        served = command("serve", environment=environment, timeout=20)
        assert served.returncode == 2 and f"{setting} = {value}" in served.stderr, served.stderr
    assert not (tmp_path / "data").exists()


def test_who_looks_into_one_database_need_not_name_the_peers(binary: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert command("db", "migrate", "--data", data).returncode == 0
    for words in (["ledger", "verify"], ["db", "check"], ["db", "backup", "--to", tmp_path / "backup"]):
        done = command(*words, "--data", data, "--server-services", "payment")
        assert done.returncode == 0, done.stderr
    served = command("serve", "--data", data, "--services", "payment", timeout=20)
    assert served.returncode == 2 and "user.url" in served.stderr, served.stderr


# Files and ports: the setting or the file is named, and why.


@pytest.mark.parametrize("setting", ["server.service_key_file", "crypto.signing_key_file"])
@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("folder", "Is a directory"), ("x" * 100000, "too long")]
)
def test_a_key_file_that_cannot_be_read_is_named(
    binary: Path, tmp_path: Path, setting: str, content: str | None, reason: str
) -> None:
    path = tmp_path / "key"
    if content == "folder":
        path.mkdir()
    elif content:
        path.write_text(content)
    environment = {"FEIQIAN_" + setting.upper().replace(".", "_"): str(path)}
    done = command(
        "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", environment=environment, timeout=20
    )
    assert done.returncode == 3
    assert f'"setting":"{setting}","path":"{path}"' in done.stderr and reason in done.stderr, done.stderr


@pytest.mark.parametrize("wrong", ["certificate", "key"])
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_certificate_that_cannot_be_used_is_named(
    binary: Path, tmp_path: Path, wrong: str, content: str | None
) -> None:
    chain, private = certificate(tmp_path)
    path = private if wrong == "key" else chain
    path.unlink()
    if content:
        path.write_text(content)
    environment = {
        "FEIQIAN_TLS_CERTIFICATE_FILE": str(chain),
        "FEIQIAN_TLS_PRIVATE_KEY_FILE": str(private),
    }
    done = command(
        "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", environment=environment, timeout=20
    )
    assert done.returncode == 3 and f"TLS: {path}: " in done.stderr, done.stderr
    assert content or "No such file" in done.stderr, done.stderr


def test_the_port_that_is_taken_is_named(binary: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command(
            *["serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0"],
            environment={"FEIQIAN_SERVER_ADMIN_LISTEN": f"127.0.0.1:{port}"},
            timeout=20,
        )
    assert done.returncode == 3 and f"127.0.0.1:{port}: Address already in use" in done.stderr


# The master key.


def test_live_mode_says_that_it_makes_no_master_key(binary: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = command("serve", "--data", data, "--listen", "127.0.0.1:0", "--mode", "live", timeout=20)
    assert done.returncode == 3 and not (data / "master.key").exists()
    assert f'"path":"{data}/master.key"' in done.stderr and "in live mode none is made" in done.stderr


def test_another_master_key_is_named(binary: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ["keys", "create", "--data", data, "--scope", "admin", "--algorithm", "bearer"]
    assert command(*words).returncode == 0
    key = data / "master.key"
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    done = command("serve", "--data", data, "--listen", "127.0.0.1:0", timeout=20)
    assert done.returncode == 3 and f'"path":"{key}"' in done.stderr, done.stderr
    assert "another master key" in done.stderr
    key.unlink()
    done = command("serve", "--data", data, "--listen", "127.0.0.1:0", timeout=20)
    assert done.returncode == 3 and "there is no such file" in done.stderr, done.stderr


def test_a_checkout_url_leads_to_the_port_that_it_got(deploy: Deploy) -> None:
    own = deploy(environment={names.CHECKOUT_URL: ""})  # at port 0, where all is in one process
    fq = World(own)
    order = fq.order(fq.user(roles=["merchant"]))
    url = own.url_for("/v1/orders")
    assert order["checkout_url"] == f"{url}/checkout/{order['id']}"
    own.stop()


# Commands that only look.


def test_a_misspelt_database_is_not_made_by_looking(deploy: Deploy, request: pytest.FixtureRequest) -> None:
    own = deploy(start=False)
    for words in (["keys", "list"], ["keys", "revoke", "key_0123456789ABC"], ["keys", "rotate-data"]):
        done = own.cli(*words)
        assert done.returncode == 3 and done.stderr, (words, done.returncode, done.stdout)
    if own.kind.store == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        name = own.data("user").rpartition("/")[2] + "_user"
        assert postgres.sql("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []
    else:
        assert not Path(own.data("user")).exists()


def test_a_database_of_another_user_is_not_called_missing(binary: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("root alone can be somebody else")
    data = tmp_path / "data"
    assert command("db", "migrate", "--data", data).returncode == 0
    for folder in (data, *data.parents[:-2]):  # what leads there, not what is in it
        folder.chmod(folder.stat().st_mode | 0o011)
    done = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", BINARY, "db", "check", "--data", data],
        capture_output=True, text=True, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 3 and "may not read" in done.stderr, done.stderr


def test_another_services_database_is_refused(deploy: Deploy) -> None:
    own = deploy()
    if own.kind.store != "sqlite" or own.kind.shape != "one":
        pytest.skip("files are copied by mistake, databases of a server hardly")
    own.stop()
    folder = Path(own.data("payment"))
    for end in ("", "-wal", "-shm"):
        shutil.copy(folder / f"user.db{end}", folder / f"order.db{end}")
    done = command("serve", "--data", str(folder), "--listen", "127.0.0.1:0", timeout=30)
    assert done.returncode == 3 and "another service's database" in done.stderr, done.stderr


def test_an_empty_database_is_not_an_error_within(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path / "empty"), "--listen", "127.0.0.1:0"]
    done = command("serve", *data, "--store-migrate", "false", timeout=30)
    assert done.returncode == 3 and "feiqian db migrate" in done.stderr, done.stderr
