"""The OVSDB client with a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import DATABASE
from ansible_collections.freehold.cloud.plugins.module_utils.ovsdb_client import (
    OvsdbClient,
    Refused,
)

from tests.contract.ovn.servers import Northbound, ovsdb_server
from tests.support.network_documents import cloud

INSERT = {"op": "insert", "table": "Logical_Switch", "row": {"name": "one"}}


def test_a_refused_operation_undoes_those_before_it(northbound: Northbound) -> None:
    with northbound.client() as client:
        with pytest.raises(Refused) as refused:
            client.transact(DATABASE, [INSERT, {**INSERT, "row": {"name": 5}}])
        assert refused.value.index == 1
        assert northbound.rows("Logical_Switch") == []
        # The connection is still good.
        assert client.transact(DATABASE, [INSERT])[0]["uuid"]


def test_a_refused_commit_is_told(northbound: Northbound) -> None:
    twice = {"op": "insert", "table": "Port_Group", "row": {"name": "same"}}
    with northbound.client() as client, pytest.raises(Refused) as refused:
        client.transact(DATABASE, [twice, twice])
    assert refused.value.error == "constraint violation"


def test_a_database_that_is_not_there_is_told(northbound: Northbound) -> None:
    with northbound.client() as client, pytest.raises(Refused, match="unknown database"):
        client.transact("No_Such_Database", [INSERT])


def test_a_server_of_something_else_is_told(folder: Path) -> None:
    with ovsdb_server(folder, "ovn-sb") as remotes:
        wrong = Northbound(remotes["ovn-sb"])
        with pytest.raises(CloudError, match="unknown database") as error:
            wrong.converge(cloud())
    assert error.value.code == "OVN_REFUSED"


def test_a_long_answer_comes_whole(northbound: Northbound) -> None:
    name = "ü" * 1_000_000
    with northbound.client() as client:
        client.transact(DATABASE, [{**INSERT, "row": {"name": name}}])
    assert northbound.rows("Logical_Switch")[0]["name"] == name


def test_nobody_listening_says_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match="systemctl status ovn-central") as error:
        OvsdbClient(f"unix:{tmp_path}/nothing.sock")
    assert (error.value.code, error.value.retry) == ("OVSDB_UNREACHABLE", "later")
