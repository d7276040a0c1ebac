"""api/openapi.yaml against the running server: schemathesis sends what the contract allows and what it forbids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from client import Bearer, Client, expect, pages
from conftest import Deploy
from feiqian import ROOT
from world import World

CONTRACT = ROOT / "api" / "openapi.yaml"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
)
PATHS = {  # a share for each test, so that none takes long
    "user": r"^/v1/users(?!/\{user_id\}/balances)",
    "order": r"^/v1/orders",
    "payment": r"^/(v1/(payments|refunds|topups|accounts|events|openapi|users/\{user_id\}/balances)|payment/)",
}
SECONDS = 150


# A method that HTTP knows and the path does not take is 405; one that this server has never heard of is 501.
CONFIGURATION = """[phases.coverage]
unexpected-methods = ["DELETE", "PUT", "PATCH", "TRACE"]
"""


def run(url: str, token: str, paths: str, folder: Path, examples: int) -> None:
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION, "utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "--config-file", str(configuration), "run", str(CONTRACT),
            "--url", url, "--header", f"Authorization: Bearer {token}",
            "--checks", ",".join(CHECKS), "--include-path-regex", paths,
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples),
            "--seed", "1", "--generation-deterministic", "--workers", "1", "--request-timeout", "40",
            "--no-color",
        ],
        cwd=folder,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-3000:]


def test_every_field_of_an_answer_is_in_the_contract(fq: World) -> None:
    schemas = yaml.safe_load(CONTRACT.read_text("utf-8"))["components"]["schemas"]
    held, sale = fq.authorized(), fq.sale()
    refund, user = fq.refund(sale.payment, 1), fq.user(email="a@example.com", phone="+8613800138000")
    account = fq.accounts(sale.payer)[0]["id"]
    answers = {
        "User": user,
        "Order": fq.get(sale.order),
        "Payment": held.payment,
        "Refund": refund,
        "Topup": fq.topup(sale.payer, 1, reference="t"),
        "Account": expect(fq.admin.get(f"/v1/accounts/{account}", at=user["created_at"])),
        "Entry": pages(fq.admin, f"/v1/accounts/{account}/entries")[0],
        "Event": expect(fq.admin.get("/v1/events", limit=1))["data"][0],
        "Balance": fq.balances(sale.payer)[0],
    }
    for name, answer in answers.items():
        assert set(answer) <= set(schemas[name]["properties"]), name
        assert set(schemas[name]["required"]) <= set(answer), name


@pytest.mark.parametrize("field", ["email", "phone", "locale", "metadata"])
def test_what_null_takes_away_may_be_null_in_the_contract(fq: World, field: str) -> None:
    schemas = yaml.safe_load(CONTRACT.read_text("utf-8"))
    update = {"$ref": "#/components/schemas/UserUpdate", "components": schemas["components"]}
    user = fq.user(email="b@example.com", phone="+8613800138001", locale="en", metadata={"a": "b"})
    changed = expect(fq.admin.patch(f"/v1/users/{user['id']}", {field: None}))
    assert not changed.get(field)
    Draft202012Validator(update).validate({field: None})


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("service", sorted(PATHS))
def test_schemathesis(deploy: Deploy, tmp_path: Path, service: str) -> None:
    own = deploy(start=False)
    if own.kind.shape == "split":
        pytest.skip("the same routes, decoded by the same code, are asked in one process")
    own.start()
    fq = World(own)
    client: Client = own.client("admin", "bearer")
    assert isinstance(client.credentials, Bearer)
    fq.refund(fq.sale().payment, 1)
    path = {"user": "/v1/users", "order": "/v1/orders"}.get(service, "/v1/payments")
    run(own.url_for(path), client.credentials.token, PATHS[service], tmp_path, 10)
    fq.sale()
    own.check_ledger()
    own.stop()
