"""JSON that parsers disagree on: each body of the vectors over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from client import refused
from feiqian import vectors
from world import World

CASES: list[dict[str, Any]] = vectors("json-hazards")["cases"]


def body_of(case: dict[str, Any]) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "parts" in case:
        return "".join(text * times for text, times in case["parts"]).encode("utf-8")
    text: str = case["text"]
    return text.encode("utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_hazard(fq: World, case: dict[str, Any]) -> None:
    answer = fq.admin.post("/v1/orders", body_of(case))
    if case["expect"] == "accept":
        refused(answer, "user_not_found")  # every check of the body passed: the payee is nobody's id
        return
    code = answer.json()["code"]
    assert code in (case["code"], case.get("code_also")), answer
    refused(answer, code)


@pytest.mark.parametrize("path", ["/v1/users", "/v1/payments", "/v1/refunds", "/v1/topups"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1,"a":1}', b"\xff", b"{}x", b"\xef\xbb\xbf{}"])
def test_every_endpoint_parses_alike(fq: World, path: str, body: bytes) -> None:
    answer = fq.admin.post(path, body)
    code = answer.json()["code"]
    if body == b"[]":
        assert code in ("malformed_json", "invalid_field"), answer
    else:
        refused(answer, "malformed_json")
