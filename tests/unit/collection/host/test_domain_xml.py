"""Domain XML: whatever a tenant writes is text in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ansible_collections.freehold.cloud.plugins.module_utils.host import domain_xml, plan
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import HostTraits
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.collection.host.documents import PORT_ID, SERVER_ID, port, server

TRAITS = HostTraits("qemu", "qemu64", "netdev")
FILES = domain_xml.Files("/s", "/i/tiny", "raw")
ANY_TEXT = st.text(st.characters(codec=None))  # with lone surrogates, which JSON can carry


def tags(description: str) -> list[str]:
    return [element.tag for element in ET.fromstring(description).iter()]


@given(ANY_TEXT, ANY_TEXT)
@example("</title><devices/>", "]]>&lt;")
@example("{{ lookup('pipe', 'id') }}", "\x00\x1b\ud800")
@example("a\r\nb", "\ufffe")
def test_hostile_names_stay_text(name: str, description: str) -> None:
    plain = domain_xml.domain_xml(server(name="n", description="d"), TRAITS, FILES, None)
    hostile = domain_xml.domain_xml(
        server(name=f"n{name}", description=f"d{description}"), TRAITS, FILES, None
    )
    assert tags(hostile) == tags(plain)
    root = ET.fromstring(hostile)
    title = root.findtext("title") or ""
    assert title.startswith("n")
    assert not set(title) & set("\n\r\t")
    assert root.findtext("name") == f"fh-{SERVER_ID}"
    hostile.encode("utf-8")


def test_a_name_that_xml_can_hold_is_kept_as_it_is() -> None:
    name = "{{ 7 * 7 }} <b> & \"quotes\" '😀'"
    root = ET.fromstring(domain_xml.domain_xml(server(name=name), TRAITS, FILES, None))
    assert root.findtext("title") == name


def test_the_record_is_read_back() -> None:
    wanted = server(boot_serial=3)
    description = domain_xml.domain_xml(wanted, TRAITS, FILES, 2)
    record = domain_xml.find_record(description)
    assert record["boot_serial"] == "2"
    assert record["definition"] == plan.definition_of(wanted, TRAITS)
    assert record["drive"] == plan.drive_of(wanted)
    assert domain_xml.plugged_ports(description) == {PORT_ID}
    assert "boot_serial" not in domain_xml.find_record(
        domain_xml.domain_xml(wanted, TRAITS, FILES, None)
    )
    assert domain_xml.find_record("<domain/>") == {}


def test_the_image_below_a_disk_is_said_and_left_to_root() -> None:
    root = ET.fromstring(domain_xml.domain_xml(server(), TRAITS, FILES, None))
    (below,) = root.iterfind("devices/disk/backingStore")
    source = below.find("source")
    assert source is not None
    assert source.attrib == {"file": "/i/tiny"}
    assert below.find("format[@type='raw']") is not None
    assert source.find("seclabel[@model='dac'][@relabel='no']") is not None
    # An empty one ends the chain: nothing below it is looked for.
    end = below.find("backingStore")
    assert end is not None
    assert (list(end), end.attrib) == ([], {})


def test_offloads_are_off_in_user_space_only() -> None:
    def driver(datapath: str) -> ET.Element | None:
        return domain_xml.interface(port(), HostTraits("qemu", "qemu64", datapath)).find("driver")

    found = driver("netdev")
    assert found is not None
    assert {one.tag: set(one.attrib.values()) for one in found} == {
        "host": {"off"},
        "guest": {"off"},
    }
    assert driver("system") is None


def test_emulation_gets_a_small_translation_cache() -> None:
    def cache(virt_type: str) -> str | None:
        traits = HostTraits(virt_type, "host-passthrough", "system")
        root = ET.fromstring(domain_xml.domain_xml(server(), traits, FILES, None))
        assert root.get("type") == virt_type
        return root.findtext("features/tcg/tb-cache")

    assert cache("qemu") == "32"
    assert cache("kvm") is None
