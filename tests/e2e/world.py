"""What a test says of the business: users, orders, payments; each made fresh, with sane defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from client import Answer, Client, expect, pages
from feiqian import Deployment

Json = dict[str, Any]


@dataclass(frozen=True)
class Sale:
    """An order that was paid, and who took part."""

    payer: Json
    payee: Json
    order: Json
    payment: Json


class World:
    def __init__(self, deployment: Deployment, admin: Client | None = None) -> None:
        self.deployment = deployment
        self.admin = admin or deployment.client("admin")

    def client(self, scope: str, algorithm: str = "hmac-sha256") -> Client:
        return self.deployment.client(scope, algorithm)

    def user(self, *roles: str, balance: int = 0, currency: str = "CNY", **fields: Any) -> Json:
        body: Json = {"name": "王小明", "roles": list(roles) or ["payer", "merchant"], **fields}
        user: Json = expect(self.admin.post("/v1/users", body), 201)
        if balance:
            self.topup(user, balance, currency)
        return user

    def payer(self, balance: int = 0, currency: str = "CNY", **fields: Any) -> Json:
        return self.user("payer", balance=balance, currency=currency, **fields)

    def merchant(self, **fields: Any) -> Json:
        return self.user("merchant", **fields)

    def topup(self, user: Json, amount: int, currency: str = "CNY", **fields: Any) -> Json:
        body = {"user_id": user["id"], "amount": amount, "currency": currency, "method": "sandbox"}
        made: Json = expect(self.admin.post("/v1/topups", {**body, **fields}), 201)
        assert made["status"] == "succeeded", made
        return made

    @staticmethod
    def order_body(payee: Json, amount: int = 1999, currency: str = "CNY", **fields: Any) -> Json:
        body = {"payee_id": payee["id"], "amount": amount, "currency": currency}
        return {**body, "description": "龙井茶", **fields}

    def order(self, payee: Json, amount: int = 1999, currency: str = "CNY", **fields: Any) -> Json:
        body = self.order_body(payee, amount, currency, **fields)
        made: Json = expect(self.admin.post("/v1/orders", body), 201)
        return made

    def orders(self, payee: Json, count: int, amount: int = 100) -> list[Json]:
        """Many orders, by bulk."""
        body = {"orders": [self.order_body(payee, amount)] * count}
        results = expect(self.admin.post("/v1/orders/bulk", body))["data"]
        assert [result["status"] for result in results] == [201] * count, results[:3]
        return [result["body"] for result in results]

    @staticmethod
    def payment_body(order: Json, payer: Json, **fields: Any) -> Json:
        body = {"order_id": order["id"], "user_id": payer["id"], "method": "balance"}
        return {**body, "amount": order["amount"], "currency": order["currency"], **fields}

    def try_pay(self, order: Json, payer: Json, client: Client | None = None, **fields: Any) -> Answer:
        return (client or self.admin).post("/v1/payments", self.payment_body(order, payer, **fields))

    def pay(self, order: Json, payer: Json, client: Client | None = None, **fields: Any) -> Json:
        made: Json = expect(self.try_pay(order, payer, client, **fields), 201)
        return made

    def sale(self, amount: int = 1999, currency: str = "CNY", **fields: Any) -> Sale:
        """A payer with just enough pays a merchant's order."""
        payee = self.merchant()
        payer = self.payer(amount, currency)
        order = self.order(payee, amount, currency)
        payment = self.pay(order, payer, **fields)
        return Sale(payer, payee, order, payment)

    def authorized(self, amount: int = 1999) -> Sale:
        sale = self.sale(amount, capture="manual")
        assert sale.payment["status"] == "authorized", sale.payment
        return sale

    def refund(self, payment: Json, amount: int | None = None, **fields: Any) -> Json:
        body = {"payment_id": payment["id"], **fields}
        if amount is not None:
            body["amount"] = amount
        made: Json = expect(self.admin.post("/v1/refunds", body), 201)
        assert made["status"] == "succeeded", made
        return made

    def balances(self, user: Json, client: Client | None = None) -> list[Json]:
        found: list[Json] = expect((client or self.admin).get(f"/v1/users/{user['id']}/balances"))
        assert isinstance(found, list), found
        return found

    def balance(self, user: Json, currency: str = "CNY") -> tuple[int, int, int]:
        """available, pending, held."""
        for row in self.balances(user):
            if row["currency"] == currency:
                return row["available"], row["pending"], row["held"]
        return 0, 0, 0

    def get(self, resource: Json) -> Json:
        """A resource as it is now."""
        path = {"user": "users", "order": "orders", "payment": "payments", "refund": "refunds"}
        kind = path.get(resource["object"], "topups")
        found: Json = expect(self.admin.get(f"/v1/{kind}/{resource['id']}"))
        return found

    def act(self, resource: Json, verb: str, body: Json | None = None) -> Json:
        kind = {"user": "users", "order": "orders", "payment": "payments"}[resource["object"]]
        done: Json = expect(self.admin.post(f"/v1/{kind}/{resource['id']}/{verb}", body))
        return done

    def accounts(self, user: Json) -> list[Json]:
        return pages(self.admin, "/v1/accounts", user_id=user["id"], limit=100)

    def check_balances_from_entries(self, user: Json) -> None:
        """Each of a user's balances is what its entries add up to."""
        shown = {row["currency"]: row for row in self.balances(user)}
        for account in self.accounts(user):
            entries = pages(self.admin, f"/v1/accounts/{account['id']}/entries", limit=100)
            total = 0
            for entry in entries:
                assert entry["currency"] == account["currency"], entry
                assert account["id"] in (entry["debit_account"], entry["credit_account"]), entry
                assert entry["debit_account"] != entry["credit_account"], entry
                assert entry["amount"] > 0, entry
                sign = 1 if entry["credit_account"] == account["id"] else -1
                total += sign * entry["amount"]
            assert total == account["balance"], account
            assert shown[account["currency"]][account["kind"]] == total, (account, shown)
