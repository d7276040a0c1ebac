"""A small HTTP client for the tests: says exactly what is sent and hides nothing of what comes back."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import names
import signing
from signing import Header, Request, SigningKey

TIMEOUT_S = 40.0  # the server gives itself 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    @property
    def replayed(self) -> bool:
        value = self.header("Idempotent-Replayed")
        assert value in (None, "true"), value
        return value == "true"

    def __str__(self) -> str:
        return f"{self.status} {self.body.decode('utf-8', 'replace')[:2000]}"


class Credentials(Protocol):
    def headers(self, request: Request) -> tuple[Header, ...]: ...


class Anonymous:
    def headers(self, request: Request) -> tuple[Header, ...]:
        return ()


@dataclass(frozen=True)
class Bearer:
    token: str

    def headers(self, request: Request) -> tuple[Header, ...]:
        return (("Authorization", f"Bearer {self.token}"),)


@dataclass(frozen=True)
class Signed:
    """Signs each request anew: created now, with a fresh nonce."""

    key_id: str
    key: SigningKey

    def headers(self, request: Request) -> tuple[Header, ...]:
        digest: tuple[Header, ...] = ()
        if request.body:
            digest = (("Content-Digest", signing.content_digest(request.body)),)
        request = request.with_headers(*digest)
        parameters: list[signing.Parameter] = [("created", int(time.time()))]
        if request.method not in ("GET", "HEAD"):
            parameters.append(("nonce", uuid.uuid4().hex))
        parameters.append(("keyid", self.key_id))
        components = signing.required_components(request)
        return digest + signing.signature_headers(request, self.key.sign, components, parameters)


AUTO = "\0auto"  # make an Idempotency-Key for each write


def target(path: str, **query: Any) -> str:
    """Path and query; `from_` stands for the parameter `from`."""
    pairs = [(name.rstrip("_"), value) for name, value in query.items() if value is not None]
    return f"{path}?{urllib.parse.urlencode(pairs)}" if pairs else path


class Client:
    """Calls as one key. Safe to use from many threads: each has its own connections."""

    def __init__(
        self,
        url_for: Callable[[str], str],
        credentials: Credentials,
        headers: Iterable[Header] = (),
        key_id: str = "",
    ) -> None:
        self.url_for = url_for
        self.credentials = credentials
        self.extra = tuple(headers)
        self.key_id = key_id
        self._local = threading.local()

    def speaking(self, language: str) -> Client:
        header = ("Accept-Language", language)
        return Client(self.url_for, self.credentials, (*self.extra, header), self.key_id)

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        key: str | None = AUTO,
        headers: Iterable[Header] = (),
        credentials: Credentials | None = None,
        retry: bool = True,
    ) -> Answer:
        """One call. `body` is JSON unless it is bytes; `key` is the Idempotency-Key (None: none).

        A kept connection that the server has closed meanwhile is replaced once, unless `retry` is off.
        """
        authority = urllib.parse.urlsplit(self.url_for(target.partition("?")[0])).netloc
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = [*self.extra, *headers]
        there = {name.lower() for name, _ in given}
        if content is not None and "content-type" not in there:
            given.append(("Content-Type", "application/json"))
        if method not in ("GET", "HEAD") and key is not None and "idempotency-key" not in there:
            given.append(("Idempotency-Key", uuid.uuid4().hex if key == AUTO else key))
        request = Request(method, target, authority, tuple(given), content or b"")
        for attempt in (1, 2):
            connection, fresh = self._connection(authority)
            signed = (credentials or self.credentials).headers(request)
            try:
                return self._exchange(connection, request.with_headers(*signed))
            except (http.client.RemoteDisconnected, ConnectionError):
                self._drop(authority)
                if fresh or not retry or attempt == 2:
                    raise
            except BaseException:
                self._drop(authority)
                raise
        raise AssertionError("unreachable")

    def get(self, path: str, **query: Any) -> Answer:
        return self.request("GET", target(path, **query))

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> Answer:
        return self.request("PATCH", path, body, **options)

    def _connection(self, authority: str) -> tuple[http.client.HTTPConnection, bool]:
        kept: dict[str, http.client.HTTPConnection] = self._local.__dict__.setdefault("kept", {})
        fresh = authority not in kept
        if fresh:
            connection = http.client.HTTPConnection(authority, timeout=TIMEOUT_S)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept[authority] = connection
        return kept[authority], fresh

    def _drop(self, authority: str) -> None:
        connection = self._local.kept.pop(authority, None)
        if connection is not None:
            connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> Answer:
        connection.putrequest(request.method, request.target, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value.encode("utf-8"))
        if request.body or request.method not in ("GET", "HEAD"):
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body or None)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if response.will_close:
            self._drop(request.authority)
        return answer


def host_port(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None and parts.port is not None, url
    return parts.hostname, parts.port


def send_raw(url: str, data: bytes, *, within: float = 2.0) -> tuple[bytes, bool]:
    """Sends bytes on a fresh connection; what came back until close or `within` s, and whether it closed."""
    received = bytearray()
    deadline = time.monotonic() + within
    with socket.create_connection(host_port(url), timeout=5) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass  # closed while we were sending: what it said before is still read
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                some = connection.recv(65536)
            except TimeoutError:
                return bytes(received), False
            except ConnectionError:
                return bytes(received), True
            if not some:
                return bytes(received), True
            received += some
    return bytes(received), False


class _Bytes:
    """What http.client needs of a socket, over bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any, **__: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


def parse_answer(data: bytes, method: str = "GET") -> Answer:
    """The first answer in raw bytes."""
    response = http.client.HTTPResponse(_Bytes(data), method=method)  # type: ignore[arg-type]
    response.begin()
    return Answer(response.status, response.headers, response.read())


def ask_raw(url: str, data: bytes, *, within: float = 5.0) -> Answer:
    """One raw request and its answer; reads until it is whole, the peer closes, or `within` s."""
    received = bytearray()
    deadline = time.monotonic() + within
    with socket.create_connection(host_port(url), timeout=5) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                some = connection.recv(65536)
            except ConnectionError:
                break
            if not some:
                break
            received += some
            head, end, body = bytes(received).partition(b"\r\n\r\n")
            length = [
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ]
            if end and length and len(body) >= length[0]:
                break
    assert received, "closed without an answer"
    return parse_answer(bytes(received))


# What a test says about an answer.


def expect(answer: Answer, status: int = 200) -> Any:
    """The answer's JSON, if it has this status."""
    assert answer.status == status, f"expected {status}, got {answer}"
    assert (answer.header("Content-Type") or "").startswith("application/json"), answer.headers
    return answer.json()


def check_problem(problem: dict[str, Any], code: str, param: str | None = None) -> None:
    """A problem document that names this code, with everything the contract wants in it."""
    assert problem.get("code") == code, problem
    assert problem["status"] == names.CODES[code], problem
    assert problem["type"].endswith(code), problem
    assert problem["title"] and problem["detail"] and problem["request_id"], problem
    if param is not None:
        assert problem.get("param") == param, problem


def refused(answer: Answer, code: str, param: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal with this code, and its status."""
    assert answer.status == names.CODES[code], f"expected {code}, got {answer}"
    media_type = (answer.header("Content-Type") or "").partition(";")[0]
    assert media_type == "application/problem+json", answer.headers
    problem: dict[str, Any] = answer.json()
    check_problem(problem, code, param)
    assert problem["request_id"] == answer.header("Request-Id"), answer.headers
    return problem


def eventually(
    ask: Callable[[], Any],
    until: Callable[[Any], bool] = bool,
    *,
    within: float = 15.0,
    every: float = 0.05,
) -> Any:
    """Asks until the answer is as wanted; fails with the last one."""
    deadline = time.monotonic() + within
    while True:
        value = ask()
        if until(value):
            return value
        assert time.monotonic() < deadline, f"not within {within} s; last: {value}"
        time.sleep(every)


def pages(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """Everything of a list, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(10_000):
        page = expect(client.get(path, **query, after=after))
        assert page["object"] == "list", page
        found += page["data"]
        if not page["has_more"]:
            return found
        after = page["next"]
        assert after, page
    raise AssertionError("the list does not end")


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Runs `work(0)` … `work(count - 1)` in threads let go at one moment; their results in order."""
    results: list[Any] = [None] * count
    faults: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(index: int) -> None:
        try:
            gate.wait(timeout=30)
            results[index] = work(index)
        except BaseException as fault:  # handed to the test below
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 120
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        assert not thread.is_alive(), "a client never got an answer"
    if faults:
        raise faults[0]
    return results
