"""Ann, who trusts, and Bob, who is trusted: what the tests of trusts are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from httpx2 import Response
from starlette.testclient import TestClient

from tests.api.identity.conftest import Cloud, password_body

TRUSTS = "/identity/v3/OS-TRUST/trusts"
TOKENS = "/identity/v3/auth/tokens"


@dataclass
class Trusting:
    """Ann is a member of the project ``demo``; Bob and Cy have nothing.

    Attributes:
        users: Ids by name.
        grant: The path of Ann's assignment.
    """

    cloud: Cloud
    users: dict[str, str]
    project_id: str
    grant: str
    ann: TestClient

    def wish(self, **fields: Any) -> dict[str, Any]:
        """Body of a trust of Ann's in Bob."""
        told = {
            "trustor_user_id": self.users["ann"],
            "trustee_user_id": self.users["bob"],
            "project_id": self.project_id,
            "impersonation": True,
            "roles": [{"name": "member"}],
        }
        return {"trust": {**told, **fields}}

    def make(self, client: TestClient | None = None, **fields: Any) -> dict[str, Any]:
        """Let Ann (or another) make one."""
        answer = (client or self.ann).post(TRUSTS, json=self.wish(**fields))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["trust"]
        return made

    def login(self, trust_id: str, name: str = "bob") -> Response:
        """Log in with a trust."""
        scope = {"OS-TRUST:trust": {"id": trust_id}}
        body = password_body(name, "secret", scope)
        answer: Response = self.cloud.anonymous().post(TOKENS, json=body)
        return answer

    def enter(self, trust_id: str, name: str = "bob") -> TestClient:
        """A client that acts by the trust."""
        answer = self.login(trust_id, name)
        assert answer.status_code == 201, answer.text
        client = self.cloud.anonymous()
        client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        return client


def trusting(cloud: Cloud) -> Trusting:
    """Make them."""
    ann, grant = cloud.member()
    users = {"ann": ann["id"]}
    for name in ("bob", "cy"):
        users[name] = cloud.make("user", name=name, password="secret")["id"]
    project_id = grant.split("/projects/")[1].split("/")[0]
    return Trusting(cloud, users, project_id, grant, cloud.client("ann", "secret", project="demo"))


def is_good(client: TestClient) -> bool:
    """Whether the client's token still is."""
    status = client.get("/identity/v3/auth/projects").status_code
    assert status in (200, 401)
    return bool(status == 200)
