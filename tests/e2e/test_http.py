"""HTTP itself: malformed requests over the socket, limits, keep-alive, pipelining, slow senders."""

from __future__ import annotations

import base64
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from client import Bearer, Client, ask_raw, expect, host_port, parse_answer, refused, send_raw
from feiqian import vectors
from world import World

CASES: list[dict[str, Any]] = vectors("http-malformed")["cases"]
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def raw_bytes(case: dict[str, Any]) -> bytes:
    if "parts" in case:
        return "".join(text * times for text, times in case["parts"]).encode("latin-1")
    bytes_: str = case["bytes"]
    return bytes_.encode("latin-1")


Results = dict[str, tuple[bytes, bool]]


@pytest.fixture(scope="module")
def results(fq: World) -> Results:
    """All cases, each on its own connection, many at a time: most of the time is waiting for silence."""
    url = fq.deployment.url_for("/v1/orders")
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda case: send_raw(url, raw_bytes(case)), CASES)
        return {case["id"]: answer for case, answer in zip(CASES, answers, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_raw_requests_get_what_the_vectors_name(results: Results, case: dict[str, Any]) -> None:
    received, closed = results[case["id"]]
    statuses = [int(status) for status in STATUS_LINE.findall(received)]
    assert len(statuses) <= case["answers_at_most"], f"smuggled: {received!r}"
    if case["close"]:
        assert closed, f"not closed: {received!r}"
        if not statuses:
            return
    assert statuses, f"no answer; closed: {closed}"
    assert statuses[0] in case["expect"], received


def test_the_server_is_well_after_all_that(fq: World, results: Results) -> None:
    assert len(results) == len(CASES)
    fq.sale()


def authority(fq: World, path: str = "/healthz") -> str:
    host, port = host_port(fq.deployment.url_for(path))
    return f"{host}:{port}"


def get(fq: World, path: str = "/healthz", *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {authority(fq)}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def authorization(bearer: Client) -> str:
    assert isinstance(bearer.credentials, Bearer)
    return f"Authorization: Bearer {bearer.credentials.token}"


def test_pipelined_requests_are_answered_in_order(fq: World) -> None:
    paths = ["/healthz", "/v1/nothing", "/v1/payments", "/healthz", "/v1/nowhere"]
    received, _ = send_raw(fq.deployment.url_for("/healthz"), b"".join(get(fq, p) for p in paths))
    statuses = [int(status) for status in STATUS_LINE.findall(received)]
    assert statuses == [200, 404, 401, 200, 404]


def test_a_connection_is_kept(fq: World) -> None:
    with socket.create_connection(host_port(fq.deployment.url_for("/healthz")), timeout=10) as one:
        for _ in range(5):
            one.sendall(get(fq))
            received = b""
            while b"\r\n\r\n" not in received:
                received += one.recv(4096)
            assert received.startswith(b"HTTP/1.1 200 ")


def test_connection_close_is_obeyed(fq: World) -> None:
    received, closed = send_raw(fq.deployment.url_for("/healthz"), get(fq, "/healthz", "Connection: close"))
    assert closed and received.startswith(b"HTTP/1.1 200 ")


def test_a_request_may_come_byte_by_byte(fq: World) -> None:
    with socket.create_connection(host_port(fq.deployment.url_for("/healthz")), timeout=10) as one:
        for byte in get(fq):
            one.sendall(bytes([byte]))
        assert one.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_head_is_get_without_a_body(fq: World) -> None:
    request = get(fq).replace(b"GET", b"HEAD", 1)
    received, _ = send_raw(fq.deployment.url_for("/healthz"), request, within=1)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body == b""


def test_expect_continue_invites_the_body(fq: World, bearer: Client) -> None:
    body = b'{"name":"x"}'
    head = (
        f"POST /v1/users HTTP/1.1\r\nHost: {authority(fq, '/v1/users')}\r\n{authorization(bearer)}\r\n"
        f"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(host_port(fq.deployment.url_for("/v1/users")), timeout=10) as one:
        one.sendall(head)
        assert one.recv(4096).startswith(b"HTTP/1.1 100 ")
        one.sendall(body)
        assert one.recv(4096).startswith(b"HTTP/1.1 201 ")


def test_expect_continue_is_refused_early(fq: World) -> None:
    head = (
        f"POST /v1/orders HTTP/1.1\r\nHost: {authority(fq, '/v1/orders')}\r\n"
        "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    ).encode()
    answer = ask_raw(fq.deployment.url_for("/v1/orders"), head)
    refused(answer, "content_too_large")


def test_chunked_bodies_are_taken(fq: World, bearer: Client) -> None:
    head = (
        f"POST /v1/users HTTP/1.1\r\nHost: {authority(fq, '/v1/users')}\r\n{authorization(bearer)}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    body = b'5;x=y\r\n{"nam\r\n7\r\ne":"x"}\r\n0\r\nX-Trailer: y\r\n\r\n'
    expect(ask_raw(fq.deployment.url_for("/v1/users"), head + body), 201)


def test_a_chunked_body_is_limited_too(fq: World) -> None:
    head = (
        f"POST /v1/orders HTTP/1.1\r\nHost: {authority(fq, '/v1/orders')}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    answer = ask_raw(fq.deployment.url_for("/v1/orders"), head + chunk * 5 + b"0\r\n\r\n")
    refused(answer, "content_too_large")


def test_body_limits(fq: World) -> None:
    body = b'{"name":"x"}'
    full = body + b" " * (64 * 1024 - len(body))
    expect(fq.admin.post("/v1/users", full), 201)
    refused(fq.admin.post("/v1/users", full + b" "), "content_too_large")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/json; charset=latin1", "application/jsonx", ""],
)
def test_other_media_types_are_refused(fq: World, bearer: Client, content_type: str) -> None:
    answer = bearer.post("/v1/users", b'{"name":"x"}', headers=[("Content-Type", content_type)])
    refused(answer, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_json_in_utf8_is_taken(fq: World, content_type: str) -> None:
    headers = [("Content-Type", content_type)]
    expect(fq.admin.post("/v1/users", '{"name":"茶"}'.encode(), headers=headers), 201)


def test_a_content_coding_is_refused(fq: World, bearer: Client) -> None:
    answer = bearer.post("/v1/users", b"\x1f\x8b", headers=[("Content-Encoding", "gzip")])
    refused(answer, "unsupported_media_type")


@pytest.mark.parametrize(
    "accept", ["", "application/json", "*/*", "application/*;q=0.5", "text/html, */*;q=0.1"]
)
def test_what_is_acceptable(fq: World, accept: str) -> None:
    expect(fq.admin.request("GET", "/v1/users", headers=[("Accept", accept)]))


def test_what_is_not_acceptable(fq: World) -> None:
    refused(fq.admin.request("GET", "/v1/users", headers=[("Accept", "text/html")]), "not_acceptable")


def test_a_method_that_a_path_does_not_have(fq: World) -> None:
    answer = fq.admin.request("DELETE", "/v1/payments/pay_0123456789012")
    refused(answer, "method_not_allowed")
    allowed = {one.strip() for one in (answer.header("Allow") or "").split(",")}
    assert "GET" in allowed and "DELETE" not in allowed and "POST" not in allowed


@pytest.mark.parametrize("given", ["abc-1.2_X", "x" * 128])
def test_a_sane_request_id_is_taken_over(fq: World, given: str) -> None:
    answer = fq.admin.request("GET", "/v1/users", headers=[("Request-Id", given)])
    assert answer.header("Request-Id") == given
    answer = fq.admin.request("GET", "/v1/users/usr_0123456789012", headers=[("Request-Id", given)])
    assert refused(answer, "user_not_found")["request_id"] == given


@pytest.mark.parametrize("given", ["x" * 129, "a b", "a\tb", "<script>", ""])
def test_any_other_request_id_is_replaced(fq: World, given: str) -> None:
    answer = fq.admin.request("GET", "/v1/users", headers=[("Request-Id", given)])
    made = answer.header("Request-Id") or ""
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", made) and made != given


def test_answers_are_not_stored_by_caches(fq: World) -> None:
    answer = fq.admin.get("/v1/users")
    assert answer.header("Cache-Control") == "no-store" and answer.header("Content-Encoding") is None


def test_a_repeated_singleton_is_refused(fq: World, bearer: Client) -> None:
    for extra in ("Idempotency-Key: a\r\nIdempotency-Key: a\r\n", f"{authorization(bearer)}\r\n",
                  "Content-Type: application/json\r\n"):  # fmt: skip
        head = (
            f"POST /v1/users HTTP/1.1\r\nHost: {authority(fq, '/v1/users')}\r\n{authorization(bearer)}\r\n"
            f"Content-Type: application/json\r\n{extra}Content-Length: 12\r\n\r\n"
        ).encode()
        answer = ask_raw(fq.deployment.url_for("/v1/users"), head + b'{"name":"x"}')
        assert answer.status == 400, (extra, answer)


def test_a_head_that_never_ends_is_cut_off(fq: World) -> None:
    """10 s for a head: then 408 and close, however busily the sender drips."""
    start = time.monotonic()
    with socket.create_connection(host_port(fq.deployment.url_for("/healthz")), timeout=15) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        received = b""
        one.settimeout(1)
        while time.monotonic() - start < 20:
            try:
                some = one.recv(4096)
            except TimeoutError:
                one.sendall(b"X-Drip: y\r\n")
                continue
            if not some:
                break
            received += some
    took = time.monotonic() - start
    assert 8 < took < 15, took
    refused(parse_answer(received), "request_timeout")


def test_ten_thousand_bytes_of_path_do_no_harm(fq: World) -> None:
    answer = ask_raw(fq.deployment.url_for("/healthz"), get(fq, "/" + "a" * 20_000))
    assert answer.status in (414, 431)  # the vectors take either, as the whole head is too large too


def test_a_nul_never_reaches_a_route(fq: World) -> None:
    secret = base64.b64encode(b"x").decode()
    answer = ask_raw(fq.deployment.url_for("/healthz"), get(fq, f"/v1/users/%00{secret}"))
    assert answer.status == 400


def test_options_tells_what_a_path_takes(fq: World) -> None:
    answer = fq.deployment.anonymous().request("OPTIONS", "/v1/payments")
    assert answer.status == 204 and answer.body == b""
    assert {"GET", "HEAD", "POST", "OPTIONS"} == set((answer.header("Allow") or "").split(", "))
    refused(fq.deployment.anonymous().request("OPTIONS", "/v1/nothing"), "route_not_found")
