"""Version documents are what a client reads first, without a token."""

from __future__ import annotations

import pytest

from tests.support.service import Service


@pytest.mark.parametrize("path", ["/identity", "/identity/"])
def test_the_list_is_offered_as_multiple_choices(service: Service, path: str) -> None:
    answer = service.client().get(path, follow_redirects=False)
    assert answer.status_code == 300
    (version,) = answer.json()["versions"]["values"]
    assert version["id"].startswith("v3.")
    assert version["links"] == [
        {"rel": "self", "href": f"{service.config.public_url}/identity/v3/"}
    ]


@pytest.mark.parametrize("path", ["/identity/v3", "/identity/v3/"])
def test_the_single_document_says_stable(service: Service, path: str) -> None:
    answer = service.client().get(path, follow_redirects=False)
    assert answer.status_code == 200
    assert answer.json()["version"]["status"] == "stable"


def test_a_bad_token_does_not_hide_the_versions(service: Service) -> None:
    answer = service.client().get("/identity/v3", headers={"X-Auth-Token": "rubbish"})
    assert answer.status_code == 200
