"""Who sees an image, and members of shared ones."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from freehold.access import Caller
from freehold.store import new_id
from tests.api.image.glance import DATA, IMAGES, active, create, names, patch, replace
from tests.support.service import Service, tenant


def _members(image: dict[str, str]) -> str:
    return f"{IMAGES}/{image['id']}/members"


@pytest.mark.parametrize("visibility", ["private", "shared"])
def test_another_tenants_image_is_answered_like_an_unknown_one(
    owner: TestClient, stranger: TestClient, visibility: str
) -> None:
    image_id = create(owner, visibility=visibility, tags=["t"])["id"]
    unknown = new_id()
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/file"),
        ("GET", "/members"),
        ("GET", "/members/someone"),
        ("DELETE", "/members/someone"),
        ("PUT", "/tags/x"),
        ("DELETE", "/tags/t"),
        ("POST", "/actions/deactivate"),
        ("POST", "/actions/reactivate"),
    ):
        theirs = stranger.request(method, f"{IMAGES}/{image_id}{path}")
        none = stranger.request(method, f"{IMAGES}/{unknown}{path}")
        assert theirs.status_code == none.status_code == 404, path
        assert theirs.text.replace(image_id, unknown) == none.text
    assert patch(stranger, image_id, replace("name", "x")).status_code == 404
    assert names(stranger) == names(stranger, "?visibility=all") == []
    assert names(stranger, f"?id={image_id}") == []


def test_a_public_image_is_everybodys_to_read_and_nobodys_to_change(
    operator: TestClient, stranger: TestClient
) -> None:
    image = active(operator, visibility="public")
    path = f"{IMAGES}/{image['id']}"
    assert names(stranger) == ["tiny"]
    assert stranger.get(f"{path}/file").content == DATA
    assert patch(stranger, image["id"], replace("name", "x")).status_code == 403
    assert stranger.delete(path).status_code == 403
    assert stranger.put(f"{path}/tags/x").status_code == 403
    assert stranger.post(f"{path}/actions/deactivate").status_code == 403


def test_a_community_image_is_found_by_those_who_ask(
    owner: TestClient, stranger: TestClient, operator: TestClient
) -> None:
    image = create(owner, visibility="community")
    assert names(owner) == ["tiny"]
    assert names(stranger) == names(operator) == []
    assert names(stranger, "?visibility=community") == ["tiny"]
    assert names(stranger, "?visibility=all") == names(operator, "?visibility=all") == ["tiny"]
    assert stranger.get(f"{IMAGES}/{image['id']}").status_code == 200


def test_only_an_operator_publishes(owner: TestClient, operator: TestClient) -> None:
    image = create(owner)
    assert patch(owner, image["id"], replace("visibility", "public")).status_code == 403
    assert patch(operator, image["id"], replace("visibility", "public")).status_code == 200


def test_a_member_sees_the_image_and_lists_it_when_taken(
    owner: TestClient, stranger: TestClient, stranger_caller: Caller
) -> None:
    image = active(owner)
    member = str(stranger_caller.project_id)
    offered = owner.post(_members(image), json={"member": member})
    assert (offered.status_code, offered.json()["status"]) == (200, "pending")
    assert offered.json()["schema"] == "/v2/schemas/member"
    assert stranger.get(f"{IMAGES}/{image['id']}/file").content == DATA
    assert names(stranger) == []
    assert names(stranger, "?visibility=shared&member_status=pending") == ["tiny"]

    path = f"{_members(image)}/{member}"
    taken = stranger.put(path, json={"status": "accepted"})
    assert (taken.status_code, taken.json()["status"]) == (200, "accepted")
    assert names(stranger) == names(stranger, "?visibility=shared") == ["tiny"]
    assert stranger.put(path, json={"status": "rejected"}).status_code == 200
    assert names(stranger) == []
    assert names(stranger, "?member_status=all") == ["tiny"]

    assert owner.delete(path).status_code == 204
    assert stranger.get(f"{IMAGES}/{image['id']}").status_code == 404


def test_a_member_changes_nothing_but_its_own_status(
    owner: TestClient, stranger: TestClient, stranger_caller: Caller
) -> None:
    image = create(owner)
    member = str(stranger_caller.project_id)
    for project in (member, "third"):
        assert owner.post(_members(image), json={"member": project}).status_code == 200
    assert stranger.post(_members(image), json={"member": "fourth"}).status_code == 403
    assert stranger.delete(f"{_members(image)}/{member}").status_code == 403
    assert patch(stranger, image["id"], replace("name", "x")).status_code == 403
    status = {"status": "accepted"}
    assert stranger.put(f"{_members(image)}/third", json=status).status_code == 404
    assert owner.put(f"{_members(image)}/{member}", json=status).status_code == 403


def test_members_know_of_themselves_only(
    owner: TestClient, stranger: TestClient, stranger_caller: Caller
) -> None:
    image = create(owner)
    member = str(stranger_caller.project_id)
    for project in (member, "third"):
        owner.post(_members(image), json={"member": project})

    def seen(client: TestClient) -> list[str]:
        return [entry["member_id"] for entry in client.get(_members(image)).json()["members"]]

    assert (seen(owner), seen(stranger)) == ([member, "third"], [member])
    assert stranger.get(f"{_members(image)}/{member}").status_code == 200
    assert stranger.get(f"{_members(image)}/third").status_code == 404


def test_an_offer_is_made_once_and_for_shared_images(owner: TestClient) -> None:
    image = create(owner)
    assert owner.post(_members(image), json={"member": "p"}).status_code == 200
    assert owner.post(_members(image), json={"member": "p"}).status_code == 409
    assert owner.post(_members(image), json={"project": "p"}).status_code == 400
    assert owner.put(f"{_members(image)}/p", json={"status": "maybe"}).status_code == 400
    private = create(owner, visibility="private")
    assert owner.post(_members(private), json={"member": "p"}).status_code == 403


def test_an_image_that_is_private_again_is_shared_with_nobody(
    owner: TestClient, stranger: TestClient, stranger_caller: Caller
) -> None:
    image = create(owner)
    owner.post(_members(image), json={"member": stranger_caller.project_id})
    assert stranger.get(f"{IMAGES}/{image['id']}").status_code == 200
    assert patch(owner, image["id"], replace("visibility", "private")).status_code == 200
    assert stranger.get(f"{IMAGES}/{image['id']}").status_code == 404


def test_a_reader_reads_and_does_not_write(service: Service, owner_caller: Caller) -> None:
    image = create(service.client(owner_caller))
    reader = service.client(tenant("reader", project_id=owner_caller.project_id))
    assert names(reader) == ["tiny"]
    assert patch(reader, image["id"], replace("name", "x")).status_code == 403
    assert reader.delete(f"{IMAGES}/{image['id']}").status_code == 403
