"""The stage's credentials, policy documents and trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.isolation.stage import Stage


def keep_credentials(stage: Stage) -> None:
    """One of each kind for the member, and one document of the operator's."""
    user = stage.things["users"]
    kept = {"policy": {"type": "text/plain", "blob": "spare"}}
    own = {"credential": {"type": "cert", "blob": "owners-own", "user_id": user}}
    pairs = f"/identity/v3/users/{user}/credentials/OS-EC2"
    pair = stage.make(pairs, {"tenant_id": stage.things["projects"]})
    stage.things |= {
        "policies": stage.make("/identity/v3/policies", kept, "admin")["id"],
        "credentials": stage.make("/identity/v3/credentials", own)["id"],
        "OS-EC2": pair["access"],
    }
    stage.private |= {stage.things["credentials"], pair["access"], pair["secret"]}


def keep_trust(stage: Stage, member_role: str, reader: str) -> None:
    """The member trusts the reader."""
    wish = {
        "trustor_user_id": stage.things["users"],
        "trustee_user_id": reader,
        "project_id": stage.things["projects"],
        "roles": [{"id": member_role}],
        "impersonation": True,
    }
    made = stage.make("/identity/v3/OS-TRUST/trusts", {"trust": wish})
    stage.things |= {"trusts": made["id"], "trustee": reader, "member_role": member_role}
    stage.private.add(made["id"])
