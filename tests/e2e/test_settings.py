"""Settings that no other test turns: each value changes what is seen from outside."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from client import host_port
from conftest import Deploy
from feiqian import Kind, command
from world import World

Probe = Callable[[World], Any]
HELD = 24  # connections at once
ENDS_WITHIN_S = 4.0
RATE_SEEN_WITHIN_S = 8.0  # the first 5 s are not looked at
HALF_A_HEAD = b"GET /"
HALF_A_BODY = (
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
)
TOO_SLOW_FOR_SOME = HALF_A_BODY.replace(b"50", b"9000") + b" " * 4900  # 500 bytes a second for 9.8 s
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(autouse=True)
def once(kind: Kind) -> None:
    if kind != Kind("one", "sqlite"):
        pytest.skip("the same code reads the same settings everywhere")


def seconds_between(earlier: str, later: str) -> int:
    return round((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())


def order_lifetime(fq: World) -> int:
    order = fq.order(fq.merchant())
    return seconds_between(order["created_at"], order["expires_at"])


def authorization_lifetime(fq: World) -> int:
    payment = fq.authorized().payment
    return seconds_between(payment["created_at"], payment["capture_before"])


def fee_of_100_yuan(fq: World) -> int:
    return int(fq.sale(10000).payment["fee"])


def three_in_bulk(fq: World) -> int:
    items = [fq.payment_body(fq.order(fq.merchant(), 100), fq.payer(1000))] * 3
    return fq.admin.post("/v1/payments/bulk", {"payments": items}).status


def body_of_3_kib(fq: World) -> int:
    return fq.admin.post(
        "/v1/users", {"name": "x", "metadata": {f"k{i}": "v" * 400 for i in range(8)}}
    ).status


def clock_moved(fq: World) -> int:
    return fq.admin.post("/sandbox/clock", {"advance_s": 1}).status


def connection(fq: World) -> socket.socket:
    return socket.create_connection(host_port(fq.deployment.url_for("/")), timeout=ENDS_WITHIN_S)


def is_cut(one: socket.socket) -> bool:
    try:
        while one.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def one_of_many_is_cut(fq: World) -> bool:
    """Whichever: the server makes room by closing one that idles. It never speaks first."""
    held = [connection(fq) for _ in range(HELD)]
    try:
        ended, _, _ = select.select(held, [], [], ENDS_WITHIN_S)
        return bool(ended)
    finally:
        for one in held:
            one.close()


def is_cut_after(sent: bytes, within: float = ENDS_WITHIN_S) -> Probe:
    def probe(fq: World) -> bool:
        with connection(fq) as one:
            one.settimeout(within)
            one.sendall(sent)
            return is_cut(one)

    return probe


def threads(fq: World) -> int:
    process = fq.deployment.server_of("/v1/payments").process
    assert process
    return sum(1 for _ in Path(f"/proc/{process.pid}/task").iterdir())


TABLE: list[tuple[str, str, Probe, Any]] = [
    ("ORDER_EXPIRES_IN", "2h", order_lifetime, 7200),
    ("PAYMENT_AUTHORIZATION_LIFETIME", "2h", authorization_lifetime, 7200),
    ("PAYMENT_FEE_BPS", "250", fee_of_100_yuan, 250),
    ("PAYMENT_BULK_ITEMS_MAX", "2", three_in_bulk, 400),
    ("SERVER_BODY_BYTES_MAX", "1KiB", body_of_3_kib, 413),
    ("SANDBOX_CLOCK", "false", clock_moved, 404),
    ("SERVER_CONNECTIONS_MAX", "16", one_of_many_is_cut, True),
    ("SERVER_HEAD_TIMEOUT", "200ms", is_cut_after(HALF_A_HEAD), True),
    ("SERVER_BODY_TIMEOUT", "200ms", is_cut_after(HALF_A_BODY), True),
    ("SERVER_BODY_RATE_MIN", "1MiB", is_cut_after(TOO_SLOW_FOR_SOME, RATE_SEEN_WITHIN_S), True),
    ("SERVER_IDLE_TIMEOUT", "1s", is_cut_after(WHOLE), True),
]


@pytest.mark.parametrize(("name", "value", "probe", "seen"), TABLE, ids=[row[0] for row in TABLE])
def test_a_setting_changes_what_is_seen(
    deploy: Deploy, name: str, value: str, probe: Probe, seen: Any
) -> None:
    standard = deploy()
    before = probe(World(standard))
    standard.stop()
    own = deploy(environment={f"FEIQIAN_{name}": value})
    assert probe(World(own)) == seen != before
    own.stop()


@pytest.mark.parametrize(
    ("name", "few", "many"),
    [
        ("SERVER_THREADS", "1", "7"),
        ("STORE_READER_THREADS", "1", "5"),
        ("CRYPTO_ARGON2_AT_ONCE", "1", "9"),
    ],
)
def test_a_setting_is_a_number_of_threads(deploy: Deploy, name: str, few: str, many: str) -> None:
    counts = []
    for value in (few, many):
        own = deploy(environment={f"FEIQIAN_{name}": value})
        counts.append(threads(World(own)))
        own.stop()
    assert counts[1] - counts[0] >= int(many) - int(few)


def test_the_fewest_nonces_that_are_allowed_will_do(deploy: Deploy) -> None:
    own = deploy(environment={"FEIQIAN_CRYPTO_NONCES_MAX": "4096"})
    World(own).sale()
    own.stop()


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("language", ["", "en", "zh-CN"])
def test_the_language(binary: Path, tmp_path: Path, locale: str, language: str) -> None:
    """What is set counts; where nothing is set, the locale."""
    environment = {"LC_ALL": locale, "FEIQIAN_SERVER_DATA": str(tmp_path / "nothing")}
    if language:
        environment["FEIQIAN_LOG_LANGUAGE"] = language
    done = command("keys", "revoke", "key_0", environment=environment)
    chinese = any("\u4e00" <= character <= "\u9fff" for character in done.stderr)
    assert done.returncode != 0 and done.stderr
    assert chinese == ((language or locale[:2]) in ("zh-CN", "zh")), done.stderr


def test_each_service_has_a_place_of_its_own(binary: Path, tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("user", "order", "payment")}
    environment = {f"FEIQIAN_{name.upper()}_DATA": str(place) for name, place in places.items()}
    assert command("db", "migrate", environment=environment).returncode == 0
    for name, place in places.items():
        assert {one.name.removesuffix("-index.db").removesuffix(".db") for one in place.glob("*.db")} == {
            name
        }
