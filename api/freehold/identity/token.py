"""Tokens: issued, shown, checked and revoked at ``/v3/auth/tokens``."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from freehold.access import Caller, Rule
from freehold.access.tokens import revoke
from freehold.errors import NotAuthenticated, NotFound
from freehold.http import Call, Reply, Routes
from freehold.identity.application_credential import token_entry
from freehold.identity.authentication import Login, NewToken, ScopeRef, log_in
from freehold.identity.catalog import catalog
from freehold.identity.lockout import Lockout
from freehold.identity.scope import require_one, role_refs, scoped
from freehold.identity.trust_login import delegated, spend
from freehold.identity.version import VERSION
from freehold.store import lock

log = logging.getLogger(__name__)

_OWN = "rule:admin_required or user_id:%(target.token.user_id)s"

RULES = [
    Rule("identity:validate_token", f"{_OWN} or rule:service", "GET /v3/auth/tokens"),
    Rule("identity:check_token", f"{_OWN} or rule:service", "HEAD /v3/auth/tokens"),
    Rule("identity:revoke_token", _OWN, "DELETE /v3/auth/tokens"),
    Rule("service", "role:service", "A service that checks its clients' tokens"),
]


def issue_token(call: Call, body: NewToken) -> Reply:
    """Log in, or change the scope of a login."""
    tokens = call.access.tokens
    try:
        login = log_in(call.session, tokens, _lockout(call), body.auth.identity, call.now)
        caller, ends, spends = _caller(call, login, body.auth.scope)
    except (NotAuthenticated, NotFound):
        client = call.request.client.host if call.request.client else "unknown"
        log.warning("%s login refused, from %s", call.request.state.request_id, client)
        raise
    token, whole = tokens.issue(caller, call.now, ends, session=call.session)
    reply = _reply(call, token, whole, status=201)
    if spends is not None:
        # What the token says was read in one snapshot; only the count needs a transaction.
        call.write(lambda: spend(call.session, spends))
    return reply


def _caller(
    call: Call, login: Login, wanted: ScopeRef | None
) -> tuple[Caller, datetime | None, str | None]:
    """The caller of a new token, when it ends, and the trust of which it is one of some uses."""
    ends = [login.expires_at, login.credential.expires_at if login.credential else None]
    trust, spends = None, None
    if wanted is not None and wanted.trust is not None:
        require_one(wanted)
        given = delegated(call.session, login, wanted.trust.id, call.now)
        login, scope, roles, trust = given.login, given.scope, given.roles, given.trust
        ends.append(given.expires_at)
        spends = trust.trust_id if given.is_counted else None
    else:
        scope, roles = scoped(call.session, login, wanted)
    caller = Caller(
        user_id=login.user_id,
        user_name=login.user_name,
        user_domain_id=login.domain_id,
        user_domain_name=login.domain_name,
        scope=scope,
        roles=roles,
        methods=login.methods,
        audit_ids=login.audit_ids,
        application_credential_id=login.credential.id if login.credential else None,
        trust=trust,
    )
    if limits := [end for end in ends if end is not None]:
        latest = call.now + timedelta(seconds=call.access.tokens.lifetime_s)
        return caller, min(latest, *limits), spends
    return caller, None, spends


def _lockout(call: Call) -> Lockout:
    return Lockout(call.store, call.config.lockout_attempts, call.config.lockout_s)


def show_token(call: Call) -> Reply:
    """What a token says; 404 for one that is not good."""
    token, subject = _subject(call)
    rule = "identity:check_token" if call.request.method == "HEAD" else "identity:validate_token"
    call.enforce(rule, {"target.token.user_id": subject.user_id})
    return _reply(call, token, subject)


def revoke_token(call: Call) -> Reply:
    """Make a token void; tokens made from it by rescoping stay good."""
    lock(call.session, "identity", "token", call.request.headers.get("x-subject-token", ""))
    _, subject = _subject(call)
    call.enforce("identity:revoke_token", {"target.token.user_id": subject.user_id})
    revoke(call.session, call.now, audit_id=subject.audit_ids[0], user_id=subject.user_id)
    call.audit("revoke", "token", subject.audit_ids[0])
    return Reply(status=204)


def _subject(call: Call) -> tuple[str, Caller]:
    token = call.request.headers.get("x-subject-token", "")
    if token and token == call.request.headers.get("x-auth-token"):
        return token, call.caller
    try:
        return token, call.access.tokens.read(call.session, token, call.now)
    except NotAuthenticated as error:
        raise NotFound("Could not find token.") from error


def _reply(call: Call, token: str, caller: Caller, status: int = 200) -> Reply:
    body = document(call.session, caller, with_catalog="nocatalog" not in call.params)
    return Reply(
        {"token": body}, status=status, headers={"X-Subject-Token": token, "Vary": "X-Auth-Token"}
    )


def document(session: Session, caller: Caller, *, with_catalog: bool) -> dict[str, Any]:
    """The token's content (API reference, "Authentication and token management")."""
    scope = caller.scope
    shown: dict[str, Any] = {
        "methods": list(caller.methods),
        "user": {
            "domain": {"id": caller.user_domain_id, "name": caller.user_domain_name},
            "id": caller.user_id,
            "name": caller.user_name,
            "password_expires_at": None,
        },
        "audit_ids": list(caller.audit_ids),
        "expires_at": _time(caller.expires_at),
        "issued_at": _time(caller.issued_at),
    }
    if scope == type(scope)():
        return shown
    if scope.project_id is not None:
        domain = {"id": scope.domain_id, "name": scope.domain_name}
        shown["project"] = {"domain": domain, "id": scope.project_id, "name": scope.project_name}
        shown["is_domain"] = False
    elif scope.system:
        shown["system"] = {"all": True}
    else:
        shown["domain"] = {"id": scope.domain_id, "name": scope.domain_name}
    if caller.application_credential_id is not None:
        shown["application_credential"] = token_entry(session, caller.application_credential_id)
    if (trust := caller.trust) is not None:
        shown["OS-TRUST:trust"] = {
            "id": trust.trust_id,
            "impersonation": trust.impersonation,
            "trustor_user": {"id": trust.trustor_user_id},
            "trustee_user": {"id": trust.trustee_user_id},
        }
    shown["roles"] = role_refs(session, caller.roles)
    if with_catalog:
        shown["catalog"] = catalog(session, scope.project_id)
    return shown


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


ROUTES = Routes(VERSION)
_PATH = "/auth/tokens"
ROUTES.add("POST", _PATH, issue_token, policy=None, status=201, writes=False)
ROUTES.add("GET", _PATH, show_token, policy="logged_in")
ROUTES.add("HEAD", _PATH, show_token, policy="logged_in")
ROUTES.add("DELETE", _PATH, revoke_token, policy="logged_in", status=204)
