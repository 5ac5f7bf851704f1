"""Requests with secrets in them, good and bad, and all that the service then holds or said."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, select, text

from tests.api.isolation.stage import Stage

IDENTITY = "/identity/v3"
COMPUTE = "/compute/v2.1"
FLAWS = ("list", "object", "number's neighbour", "too long")
"""Ways in which a value that should be text is wrong."""


@dataclass
class Evidence:
    """What was planted, and what was found.

    Attributes:
        secrets: Name → the value as a tenant writes it.
        answers: Every answer: what was asked, status, headers and body as text.
        log: All that was logged, SQLAlchemy's statements included.
        columns: ``table.column`` → all its values as text.
        files: The database's files as bytes; empty when it is elsewhere.
        told: What operators are told of jobs and targets.
    """

    secrets: dict[str, str]
    answers: list[tuple[str, int, str]] = field(default_factory=list)
    log: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    files: bytes = b""
    told: str = ""

    def holders(self, name: str) -> set[str]:
        """The columns that hold a secret in readable form."""
        return {where for where, held in self.columns.items() if self.shows(name, held)}

    def shows(self, name: str, where: str) -> bool:
        """Whether a text has a secret, as it is or in base64."""
        return any(form in where for form in forms(self.secrets[name]))


def forms(secret: str) -> tuple[str, str]:
    """How a secret may look where it is readable."""
    return secret, base64.b64encode(secret.encode()).decode()


def wrong(secret: str, flaw: str) -> Any:
    """A value around a secret that no field for text takes."""
    return {
        "list": [secret],
        "object": {"value": secret},
        "number's neighbour": {secret: 1},
        "too long": secret * 5000,
    }[flaw]


@contextmanager
def logged() -> Iterator[StringIO]:
    """All logging of this process, statements of the database included."""
    kept = StringIO()
    handler = logging.StreamHandler(kept)
    root, statements = logging.getLogger(), logging.getLogger("sqlalchemy.engine")
    before = (root.level, statements.level)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    statements.setLevel(logging.INFO)
    try:
        yield kept
    finally:
        root.setLevel(before[0])
        statements.setLevel(before[1])
        root.removeHandler(handler)


class Planter:
    """Sends secrets to a stage and keeps every answer."""

    def __init__(self, stage: Stage, evidence: Evidence) -> None:
        self.stage, self.evidence = stage, evidence

    def ask(self, expected: int, persona: str, method: str, path: str, body: Any = None) -> Any:
        """One request, whose status is known."""
        answer = self.stage.ask(persona, method, path, body)
        assert answer.status_code == expected, f"{method} {path}: {answer.text[:400]}"
        self.keep(f"{method} {path}", answer)
        return answer

    def keep(self, what: str, answer: Any) -> None:
        """Remember an answer."""
        said = f"{dict(answer.headers)}{answer.text}"
        self.evidence.answers.append((what, answer.status_code, said))

    def flawed(self, persona: str, method: str, path: str, shape: str, secret: str) -> None:
        """The request with each wrong value in the place of ``@`` in its body's JSON."""
        for flaw in FLAWS:
            body = json.loads(shape.replace('"@"', json.dumps(wrong(secret, flaw))))
            self.ask(400, persona, method, path, body)

    def passwords(self) -> None:
        """Users and logins."""
        secret = self.evidence.secrets["password"]
        users = f"{IDENTITY}/users"
        body = {"user": {"name": "planted", "password": secret}}
        user = self.ask(201, "admin", "POST", users, body).json()["user"]["id"]
        self.ask(409, "admin", "POST", users, body)
        self.ask(400, "admin", "POST", users, body | {"password": secret})
        self.flawed("admin", "POST", users, '{"user": {"name": "p", "password": "@"}}', secret)
        self.flawed("admin", "PATCH", f"{users}/{user}", '{"user": {"password": "@"}}', secret)
        change = f"{users}/{user}/password"
        pair = {"original_password": secret + "?", "password": secret}
        self.ask(401, "anonymous", "POST", change, {"user": pair})
        shape = '{"user": {"original_password": "x", "password": "@"}}'
        self.flawed("anonymous", "POST", change, shape, secret)
        login = f"{IDENTITY}/auth/tokens"
        shape = json.dumps(self._login("password", user={"id": user, "password": "@"}))
        self.ask(401, "anonymous", "POST", login, json.loads(shape.replace("@", secret + "?")))
        done = self.ask(201, "anonymous", "POST", login, json.loads(shape.replace("@", secret)))
        self.evidence.secrets["token"] = done.headers["X-Subject-Token"]
        for flaw in FLAWS[:3]:  # however long a wrong password is, it is just wrong
            body = json.loads(shape.replace('"@"', json.dumps(wrong(secret, flaw))))
            self.ask(400, "anonymous", "POST", login, body)

    def _login(self, method: str, **how: Any) -> dict[str, Any]:
        return {"auth": {"identity": {"methods": [method], method: how}}}

    def tokens(self) -> None:
        """A real token, and one that is none, in every place for tokens."""
        login = f"{IDENTITY}/auth/tokens"
        stage = self.stage
        for value, status in ((self.evidence.secrets["token"], 200), (self._bad_token, 404)):
            subject = {"headers": {"X-Subject-Token": value}}
            self.keep("GET token", shown := stage.ask("admin", "GET", login, **subject))
            assert shown.status_code == status
        stage.tokens["impostor"] = self._bad_token
        self.ask(401, "impostor", "GET", f"{COMPUTE}/servers")
        self.ask(404, "anonymous", "POST", login, self._login("token", id=self._bad_token))
        shape = json.dumps(self._login("token", id="@"))
        for flaw in FLAWS[:3]:
            body = json.loads(shape.replace('"@"', json.dumps(wrong(self._bad_token, flaw))))
            self.ask(400, "anonymous", "POST", login, body)
        subject = {"headers": {"X-Subject-Token": self.evidence.secrets["token"]}}
        assert stage.ask("admin", "DELETE", login, **subject).status_code == 204

    @property
    def _bad_token(self) -> str:
        return self.evidence.secrets["token that is none"]

    def credentials(self) -> None:
        """Application credentials, EC2 pairs, and secrets kept for other systems."""
        user, secrets = self.stage.things["users"], self.evidence.secrets
        path = f"{IDENTITY}/users/{user}/application_credentials"
        secret = secrets["application secret"]
        body = {"application_credential": {"name": "planted", "secret": secret}}
        made = self.ask(201, "member", "POST", path, body).json()["application_credential"]
        self.ask(409, "member", "POST", path, body)
        shape = '{"application_credential": {"name": "other", "secret": "@"}}'
        self.flawed("member", "POST", path, shape, secret)
        login = self._login("application_credential", id=made["id"], secret=secret + "?")
        self.ask(401, "anonymous", "POST", f"{IDENTITY}/auth/tokens", login)
        generated = {"application_credential": {"name": "generated"}}
        shown = self.ask(201, "member", "POST", path, generated).json()["application_credential"]
        secrets["generated application secret"] = shown["secret"]
        pair = {"tenant_id": self.stage.things["projects"]}
        pairs = f"{IDENTITY}/users/{user}/credentials/OS-EC2"
        made = self.ask(201, "member", "POST", pairs, pair).json()["credential"]
        secrets["EC2 secret"] = made["secret"]
        self.ask(400, "member", "POST", pairs, pair | {"secret": secrets["blob"]})
        self._blobs(user, secrets["blob"])

    def _blobs(self, user: str, blob: str) -> None:
        path = f"{IDENTITY}/credentials"
        wish = {"type": "cert", "blob": blob, "user_id": user}
        made = self.ask(201, "member", "POST", path, {"credential": wish}).json()["credential"]
        keys = json.dumps({"access": "planted", "secret": blob})
        pair = {"project_id": self.stage.things["projects"], "type": "ec2", "blob": keys}
        self.ask(201, "member", "POST", path, {"credential": wish | pair})
        self.ask(409, "member", "POST", path, {"credential": wish | pair})
        self.ask(400, "member", "POST", path, {"credential": wish | pair | {"blob": blob}})
        shape = json.dumps({"credential": wish | {"blob": "@"}})
        self.flawed("member", "POST", path, shape, blob)
        shape = '{"credential": {"blob": "@"}}'
        self.flawed("member", "PATCH", f"{path}/{made['id']}", shape, blob)

    def servers(self) -> None:
        """What goes into guests, and key pairs that are made for tenants."""
        secrets, things = self.evidence.secrets, self.stage.things
        wish = {
            "name": "planted",
            "imageRef": things["images"],
            "flavorRef": things["flavors"],
            "networks": "none",
            "user_data": forms(secrets["user data"])[1],
            "adminPass": secrets["administrator's password"],
            "metadata": {"note": secrets["metadata"]},
        }
        path = f"{COMPUTE}/servers"
        made = self.ask(202, "member", "POST", path, {"server": wish}).json()["server"]["id"]
        for name, secret in (
            ("user_data", wish["user_data"]),
            ("user_data", secrets["user data"]),
            ("metadata", secrets["metadata"]),
        ):
            place = {"note": "@"} if name == "metadata" else "@"
            shape = json.dumps({"server": wish | {name: place}})
            self.flawed("member", "POST", path, shape, secret)
        for flaw in FLAWS[:3]:
            bad = {"adminPass": wrong(secrets["administrator's password"], flaw)}
            self.ask(400, "member", "POST", path, {"server": wish | bad})
        files = [{"path": "/etc/key", "contents": forms(secrets["personality"])[1]}]
        self.ask(400, "member", "POST", path, {"server": wish | {"personality": files}})
        bad = wish | {"flavorRef": "no-such-flavor"}
        self.ask(400, "member", "POST", path, {"server": bad})
        self.stage.converge()
        action = f"{path}/{made}/action"
        rebuild = {"imageRef": things["images"], "adminPass": secrets["administrator's password"]}
        self.ask(202, "member", "POST", action, {"rebuild": rebuild})
        self.stage.converge()
        self.ask(200, "member", "GET", f"{path}/{made}")
        keypair = {"name": "planted", "type": "ssh"}
        body = {"keypair": keypair}
        old = {"headers": {"OpenStack-API-Version": "compute 2.79"}}
        answer = self.stage.ask("member", "POST", f"{COMPUTE}/os-keypairs", body, **old)
        assert answer.status_code == 201, answer.text
        private = answer.json()["keypair"]["private_key"]
        secrets["private key"] = private.splitlines()[3]

    def broken(self) -> None:
        """The same while the database refuses to take it: honest errors that nobody foresaw."""
        renamed = (
            ("servers", "random_seed"),
            ("passwords", "changed_at"),
            ("credentials", "sealed"),
        )
        with self.stage.service.store.write() as session:
            for table, column in renamed:
                session.execute(text(f"ALTER TABLE {table} RENAME COLUMN {column} TO gone"))
        secrets, things = self.evidence.secrets, self.stage.things
        wish = {
            "name": "broken",
            "imageRef": things["images"],
            "flavorRef": things["flavors"],
            "networks": "none",
            "user_data": forms(secrets["user data"])[1],
        }
        self.ask(500, "member", "POST", f"{COMPUTE}/servers", {"server": wish})
        user = {"name": "broken", "password": secrets["password"]}
        self.ask(500, "admin", "POST", f"{IDENTITY}/users", {"user": user})
        blob = {"type": "cert", "blob": secrets["blob"], "user_id": things["users"]}
        self.ask(500, "member", "POST", f"{IDENTITY}/credentials", {"credential": blob})


def collect(stage: Stage, log: StringIO, evidence: Evidence) -> None:
    """Read everything that is left of the requests."""
    jobs = stage.ask("admin", "GET", "/v1/jobs?limit=100").json()["jobs"]
    told = [stage.ask("admin", "GET", f"/v1/jobs/{job['id']}").text for job in jobs]
    told.append(stage.ask("admin", "GET", "/v1/targets").text)
    evidence.told = "".join(told)
    evidence.log = log.getvalue()
    store = stage.service.store
    tables = MetaData()
    tables.reflect(store.engine)
    with store.read() as session:
        for table in tables.sorted_tables:
            for row in session.execute(select(table)).mappings():
                for column, value in row.items():
                    where = f"{table.name}.{column}"
                    evidence.columns[where] = f"{evidence.columns.get(where, '')}\n{value}"
    if store.is_sqlite:
        file = Path(store.url.removeprefix("sqlite:///"))
        evidence.files = b"".join(f.read_bytes() for f in file.parent.glob(f"{file.name}*"))
