"""How long each list of the contract takes to answer, asked one after the other by signed reads."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

ASKED_TIMES = 40
LIMIT = "100"  # the largest page of the contract


class Reader:
    """One kept-alive connection that signs its reads (RFC 9421, hmac-sha256)."""

    def __init__(self, url: str, key: Path) -> None:
        self.authority = urlsplit(url).netloc
        described = json.loads(key.read_text("utf-8"))
        self.key_id, self.secret = described["id"], base64.b64decode(described["secret"])
        self.connection = http.client.HTTPConnection(self.authority, timeout=60)

    def get(self, path: str, query: str = "") -> tuple[int, Any, float]:
        """The status, the answer, and the milliseconds between asking and the answer's last byte."""
        covered = '("@method" "@authority" "@path" "@query")'
        parameters = f'{covered};created={int(time.time())};keyid="{self.key_id}";alg="hmac-sha256"'
        base = (
            f'"@method": GET\n"@authority": {self.authority}\n"@path": {path}\n"@query": ?{query}\n'
            f'"@signature-params": {parameters}'
        )
        signature = base64.b64encode(hmac.new(self.secret, base.encode(), hashlib.sha256).digest()).decode()
        headers = {"Signature-Input": f"fq={parameters}", "Signature": f"fq=:{signature}:"}
        began = time.perf_counter()
        self.connection.request("GET", path + ("?" + query if query else ""), headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body or b"null"), (time.perf_counter() - began) * 1000


def questions(reader: Reader) -> list[tuple[str, str, dict[str, str]]]:
    """Every list with its filters: name, path, query. What they name is taken from the newest payment."""
    status, page, _ = reader.get("/v1/payments", "limit=1")
    if status != 200 or not page["data"]:
        return []
    payment = page["data"][0]
    order = payment["order_id"]
    payer = payment.get("user_id") or payment.get("payer_id")
    _, order_row, _ = reader.get(f"/v1/orders/{order}")
    payee = order_row.get("payee_id", payer)
    _, accounts, _ = reader.get("/v1/accounts", "limit=1")
    account = accounts["data"][0]["id"] if accounts and accounts.get("data") else ""
    created = payment["created_at"]
    asked: list[tuple[str, str, dict[str, str]]] = []
    for name in ("users", "orders", "payments", "refunds", "topups", "accounts"):
        asked.append((name, f"/v1/{name}", {}))
    for name in ("orders", "payments", "topups"):
        asked.append((f"{name}, of one user", f"/v1/{name}", {"user_id": payer}))
        asked.append((f"{name}, a reference", f"/v1/{name}", {"reference": "none-such"}))
        asked.append((f"{name}, created before", f"/v1/{name}", {"created_to": created}))
        asked.append((f"{name}, created from", f"/v1/{name}", {"created_from": created}))
    for name, common, rare in (("orders", "paid", "cancelled"), ("payments", "succeeded", "failed")):
        asked.append((f"{name}, the usual status", f"/v1/{name}", {"status": common}))
        asked.append((f"{name}, a rare status", f"/v1/{name}", {"status": rare}))
    asked.append(("payments, of one merchant", "/v1/payments", {"user_id": payee}))
    asked.append(("payments, of one order", "/v1/payments", {"order_id": order}))
    asked.append(
        ("payments, of one user, a rare status", "/v1/payments", {"user_id": payer, "status": "failed"})
    )
    asked.append(("refunds, of one payment", "/v1/refunds", {"payment_id": payment["id"]}))
    asked.append(("balances of a user", f"/v1/users/{payer}/balances", {}))
    asked.append(("entries of a payment", f"/v1/payments/{payment['id']}/entries", {}))
    if account:
        asked.append(("entries of an account", f"/v1/accounts/{account}/entries", {}))
    asked.append(("events, from the beginning", "/v1/events", {}))
    return asked


def ask(reader: Reader, name: str, path: str, query: dict[str, str]) -> dict[str, Any]:
    """Asks for the first page and then for the pages behind it, so that it is not one cached page that is timed."""
    paged = not path.endswith("/balances")
    times: list[float] = []
    first_status, after = 0, ""
    step = "from" if path == "/v1/events" else "after"
    for _ in range(ASKED_TIMES):
        parameters = dict(query)
        if paged:
            parameters["limit"] = LIMIT
            if after:
                parameters[step] = after
        status, page, took_ms = reader.get(path, urlencode(parameters))
        first_status = first_status or status
        if status != 200:
            break
        times.append(took_ms)
        after = page.get("next") or "" if isinstance(page, dict) else ""
    times.sort()
    return {
        "list": name,
        "path": path + ("?" + urlencode(query) if query else ""),
        "status": first_status,
        "asked": len(times),
        "p50_ms": round(times[len(times) // 2], 2) if times else None,
        "max_ms": round(times[-1], 2) if times else None,
    }


def measure(url: str, key: Path) -> list[dict[str, Any]]:
    reader = Reader(url, key)
    return [ask(reader, *question) for question in questions(reader)]
