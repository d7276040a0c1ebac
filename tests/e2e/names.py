"""Every name of the server that api.md leaves open, in one place: settings, flags, fields.

To follow a change of a setting's name, change it here and nowhere else.
"""

# Settings, as environment variables.
SERVICE_URLS = {
    "user": "FEIQIAN_USER_URL",
    "order": "FEIQIAN_ORDER_URL",
    "payment": "FEIQIAN_PAYMENT_URL",
}
SERVICE_KEY_FILE = "FEIQIAN_SERVER_SERVICE_KEY_FILE"
MASTER_KEY_FILE = "FEIQIAN_CRYPTO_MASTER_KEY_FILE"
SIGNING_KEY_FILE = "FEIQIAN_CRYPTO_SIGNING_KEY_FILE"  # PEM; answers are signed with it
RATE = "FEIQIAN_SERVER_RATE_PER_KEY"  # requests a second
RATE_BURST = "FEIQIAN_SERVER_RATE_BURST"
CHECKOUT_URL = "FEIQIAN_ORDER_CHECKOUT_URL"  # where payers are sent
FAILURES = "FEIQIAN_SERVER_FAILURES_PER_MINUTE"  # wrong signatures from one address; 0: no limit
ADMIN_LISTEN = "FEIQIAN_SERVER_ADMIN_LISTEN"
ORIGIN = "FEIQIAN_SERVER_ORIGIN"
TLS_CERTIFICATE = "FEIQIAN_TLS_CERTIFICATE_FILE"
TLS_PRIVATE_KEY = "FEIQIAN_TLS_PRIVATE_KEY_FILE"

# Commands whose flags api.md leaves open.
BACKUP = ("db", "backup")
BACKUP_TO = "--to"
ROTATE_DATA = ("keys", "rotate-data")

# Moves the business clock of a process in sandbox mode: {"advance_s": N}.
CLOCK = "/sandbox/clock"

SERVICES = ("user", "order", "payment")

# The status of every code of the contract.
CODES = {
    "malformed_json": 400,
    "unknown_field": 400,
    "missing_field": 400,
    "invalid_field": 400,
    "amount_not_positive": 400,
    "bad_request": 400,
    "signature_missing": 401,
    "signature_invalid": 401,
    "signature_expired": 401,
    "nonce_reused": 401,
    "key_unknown": 401,
    "key_revoked": 401,
    "insufficient_balance": 402,
    "card_declined": 402,
    "channel_declined": 402,
    "not_allowed": 403,
    "risk_blocked": 403,
    "user_not_found": 404,
    "order_not_found": 404,
    "payment_not_found": 404,
    "refund_not_found": 404,
    "topup_not_found": 404,
    "account_not_found": 404,
    "event_not_found": 404,
    "route_not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "request_timeout": 408,
    "length_required": 411,
    "precondition_failed": 412,
    "content_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "expectation_failed": 417,
    "request_header_fields_too_large": 431,
    "not_implemented": 501,
    "http_version_not_supported": 505,
    "order_already_paid": 409,
    "order_not_payable": 409,
    "payment_not_refundable": 409,
    "reference_taken": 409,
    "idempotency_in_progress": 409,
    "state_conflict": 409,
    "amount_mismatch": 422,
    "currency_mismatch": 422,
    "payer_mismatch": 422,
    "payer_is_payee": 422,
    "refund_exceeds_payment": 422,
    "capture_exceeds_payment": 422,
    "idempotency_key_reused": 422,
    "user_frozen": 422,
    "bulk_aborted": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}


def service_of(path: str) -> str:
    """The service that serves a path in split operation: the one whose data it shows."""
    if path.startswith("/v1/users") and not path.endswith("/balances"):
        return "user"
    if path.startswith("/v1/orders"):
        return "order"
    return "payment"
