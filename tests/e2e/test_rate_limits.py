"""Limits per key: off by default, and where set, 429 with Retry-After, for that key alone."""

from __future__ import annotations

import names
from client import Bearer, Client, eventually, expect, refused
from conftest import Deploy
from world import World


def test_no_limit_by_default(fq: World) -> None:
    for _ in range(300):
        expect(fq.admin.get("/v1/users", limit=1))


def test_a_limit_per_key(deploy: Deploy) -> None:
    own = deploy(environment={names.RATE: "10", names.RATE_BURST: "5"})
    greedy, modest = own.client("read"), own.client("read")
    answers = [greedy.get("/v1/users", limit=1) for _ in range(60)]
    limited = [answer for answer in answers if answer.status != 200]
    assert limited and answers[0].status == 200
    for answer in limited:
        refused(answer, "rate_limited")
        wait = int(answer.header("Retry-After") or "")
        assert 1 <= wait <= 60
    expect(modest.get("/v1/users", limit=1))
    eventually(lambda: greedy.get("/v1/users", limit=1).status, lambda status: status == 200)
    own.stop()


def test_a_limited_write_changed_nothing(deploy: Deploy) -> None:
    own = deploy(environment={names.RATE: "5", names.RATE_BURST: "5"})
    fq = World(own)
    made = 0
    for _ in range(40):
        answer = fq.admin.post("/v1/users", {"name": "x"})
        if answer.status == 201:
            made += 1
        else:
            refused(answer, "rate_limited")
    reader = own.client("read")
    assert len(expect(reader.get("/v1/users", limit=100))["data"]) == made < 40
    own.stop()


def test_guessing_signatures_is_slowed_down(deploy: Deploy) -> None:
    own = deploy(environment={names.FAILURES: "20"})
    honest = own.client("read")
    wrong = Client(own.url_for, Bearer("fq_test_guess"))
    answers = [wrong.get("/v1/users") for _ in range(40)]
    refused(answers[0], "key_unknown")
    refused(answers[-1], "rate_limited")
    assert int(answers[-1].header("Retry-After") or "") >= 1
    expect(honest.get("/v1/users"))  # a right signature is not held to it
    own.stop()
