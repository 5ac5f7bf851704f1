# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Domain XML as a tree built from data: what a tenant wrote is text in it, and nothing else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.host.plan import (
    definition_of,
    drive_of,
)
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import HostTraits

NAMESPACE = "https://freehold.cloud/xmlns/1"
INTEGRATION_BRIDGE = "br-int"
TCG_CACHE_MIB = 32  # QEMU's own default takes 80 MiB more of every guest

ET.register_namespace("freehold", NAMESPACE)

# XML 1.0 has no way to write these, not even escaped; and a libvirt title is one line.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAKS = re.compile("[\t\n\r\u0085\u2028\u2029]+")

_NO_HOST_OFFLOADS = ("csum", "gso", "tso4", "tso6", "ecn", "ufo", "mrg_rxbuf")
_NO_GUEST_OFFLOADS = ("csum", "tso4", "tso6", "ecn", "ufo")


@dataclass(frozen=True)
class Files:
    """What a server's disks are: its own folder, and the image that its disk stands on."""

    folder: str
    base: str
    base_format: str


def xml_text(value: str) -> str:
    """Text with what XML cannot hold replaced, and nothing else changed."""
    return _NOT_XML.sub("\ufffd", value)


def xml_line(value: str) -> str:
    return _LINE_BREAKS.sub(" ", xml_text(value))


def domain_name(server_id: str) -> str:
    """Unique on every host, and ours by its look; tenants' names are titles."""
    return f"fh-{server_id}"


def interface_name(port_id: str) -> str:
    """Linux allows 15 characters; 11 of the port's id, as elsewhere in the field."""
    return f"tap{port_id[:11]}"


def _child(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def record_element(
    server: Mapping[str, Any], traits: HostTraits, boot_serial: int | None, namespace: str = ""
) -> ET.Element:
    """What the next look must know of this one; kept in the domain's metadata.

    Without a namespace it is as virDomainSetMetadata wants it, which adds the namespace itself.
    """
    attributes = {
        "id": server["id"],
        "generation": str(server["generation"]),
        "project": xml_line(server["project_id"]),
        "disk_serial": str(server["disk_serial"]),
        "definition": definition_of(server, traits),
        "drive": drive_of(server),
    }
    if boot_serial is not None:
        attributes["boot_serial"] = str(boot_serial)
    return ET.Element(f"{namespace}server", attributes)


def domain_xml(
    server: Mapping[str, Any], traits: HostTraits, files: Files, boot_serial: int | None
) -> str:
    """A server's whole domain definition.

    Args:
        server: Its entry in the document.
        traits: What the host can do.
        files: Where its disk, config drive, console log and image are.
        boot_serial: The serial it was last started with, to be kept.
    """
    domain = ET.Element("domain", {"type": traits.virt_type})
    _child(domain, "name", domain_name(server["id"]))
    _child(domain, "uuid", server["id"])
    if title := xml_line(server["name"]).strip():
        _child(domain, "title", title)
    if server["description"]:
        _child(domain, "description", xml_text(server["description"]))
    record = record_element(server, traits, boot_serial, f"{{{NAMESPACE}}}")
    _child(domain, "metadata").append(record)
    _child(domain, "memory", str(server["flavor"]["memory_mib"]), unit="MiB")
    _child(domain, "vcpu", str(server["flavor"]["vcpus"]))
    _machine(domain, traits)
    for event, answer in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _child(domain, f"on_{event}", answer)
    devices = _child(domain, "devices")
    _disks(devices, files)
    for port in server["ports"]:
        devices.append(interface(port, traits))
    _console(devices, files.folder)
    rng = _child(devices, "rng", model="virtio")
    _child(rng, "backend", "/dev/urandom", model="random")
    _child(_child(devices, "memballoon", model="virtio"), "stats", period="10")
    return ET.tostring(domain, encoding="unicode")


def _machine(domain: ET.Element, traits: HostTraits) -> None:
    os_ = _child(domain, "os")
    _child(os_, "type", "hvm", arch="x86_64", machine="pc")
    _child(os_, "boot", dev="hd")
    features = _child(domain, "features")
    _child(features, "acpi")
    _child(features, "apic")
    if traits.virt_type == "qemu":
        _child(_child(features, "tcg"), "tb-cache", str(TCG_CACHE_MIB), unit="MiB")
    if traits.cpu_model in ("host-model", "host-passthrough", "maximum"):
        _child(domain, "cpu", mode=traits.cpu_model)
    else:
        cpu = _child(domain, "cpu", mode="custom", match="exact")
        _child(cpu, "model", traits.cpu_model, fallback="allow")
    _child(domain, "clock", offset="utc")


def _disks(devices: ET.Element, files: Files) -> None:
    disk = _child(devices, "disk", type="file", device="disk")
    _child(disk, "driver", name="qemu", type="qcow2", cache="none", discard="unmap")
    _child(disk, "source", file=f"{files.folder}/disk.qcow2")
    _base(disk, files)
    _child(disk, "target", dev="vda", bus="virtio")
    drive = _child(devices, "disk", type="file", device="cdrom")
    _child(drive, "driver", name="qemu", type="raw")
    _child(drive, "source", file=f"{files.folder}/config.iso")
    _child(drive, "target", dev="hda", bus="ide")
    _child(drive, "readonly")


def _base(disk: ET.Element, files: Files) -> None:
    """The image below a disk: said, so that no header is asked for it, and left to root.

    Libvirt gives the files of a chain to QEMU's user and takes only the topmost back. The image
    would then be open to be written by every guest that breaks out of its QEMU, and all disks on
    this host that stand on it with it.
    """
    base = _child(disk, "backingStore", type="file")
    _child(base, "format", type=files.base_format)
    source = _child(base, "source", file=files.base)
    _child(source, "seclabel", model="dac", relabel="no")
    _child(base, "backingStore")


def _console(devices: ET.Element, folder: str) -> None:
    """A terminal for interactive use, everything it shows also in a file."""
    serial = _child(devices, "serial", type="pty")
    _child(serial, "log", file=f"{folder}/console.log", append="off")
    _child(serial, "target", port="0")


def interface(port: Mapping[str, Any], traits: HostTraits) -> ET.Element:
    """A port's interface on the integration bridge; OVN knows it by ``interfaceid``.

    The user-space datapath forwards packets as they are: with offloads on, a guest leaves checksums
    to nobody, and TCP fails where ping works.
    """
    element = ET.Element("interface", {"type": "bridge"})
    _child(element, "mac", address=port["mac"])
    _child(element, "source", bridge=INTEGRATION_BRIDGE)
    switch = _child(element, "virtualport", type="openvswitch")
    _child(switch, "parameters", interfaceid=port["id"])
    _child(element, "target", dev=interface_name(port["id"]))
    _child(element, "model", type="virtio")
    if traits.datapath == "netdev":
        driver = _child(element, "driver", name="qemu")
        _child(driver, "host", **dict.fromkeys(_NO_HOST_OFFLOADS, "off"))
        _child(driver, "guest", **dict.fromkeys(_NO_GUEST_OFFLOADS, "off"))
    if port["mtu"]:
        _child(element, "mtu", size=str(port["mtu"]))
    return element


def backup_xml(path: str) -> str:
    """What libvirt's backup needs to copy a server's disk, and only that, into a new file."""
    backup = ET.Element("domainbackup", {"mode": "push"})
    disks = _child(backup, "disks")
    disk = _child(disks, "disk", name="vda", type="file", backup="yes")
    _child(disk, "driver", type="qcow2")
    _child(disk, "target", file=path)
    _child(disks, "disk", name="hda", backup="no")
    return ET.tostring(backup, encoding="unicode")


def interface_xml(port: Mapping[str, Any], traits: HostTraits) -> str:
    return ET.tostring(interface(port, traits), encoding="unicode")


def _parsed(description: str) -> ET.Element:
    # Written by the host's own libvirt, so there is no entity or include to be afraid of.
    return ET.fromstring(description)  # noqa: S314


def find_record(description: str) -> Mapping[str, str]:
    """What ``record_element`` kept, from a domain's XML; empty for a domain that is not ours."""
    element = _parsed(description).find(f"metadata/{{{NAMESPACE}}}server")
    return {} if element is None else dict(element.attrib)


def plugged_ports(description: str) -> frozenset[str]:
    """Ports whose interfaces a domain's XML has."""
    parameters = _parsed(description).iterfind("devices/interface/virtualport/parameters")
    return frozenset(one.attrib["interfaceid"] for one in parameters if "interfaceid" in one.attrib)


def interface_of(description: str, port_id: str) -> str | None:
    """The XML of one port's interface as the domain has it."""
    for element in _parsed(description).iterfind("devices/interface"):
        parameters = element.find("virtualport/parameters")
        if parameters is not None and parameters.get("interfaceid") == port_id:
            return ET.tostring(element, encoding="unicode")
    return None
