# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's libvirt: one connection, shared by the threads that handle servers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.freehold.cloud.plugins.module_utils.document import CloudError
from ansible_collections.freehold.cloud.plugins.module_utils.host import domain_xml, priority
from ansible_collections.freehold.cloud.plugins.module_utils.host.seen import (
    ABSENT,
    CRASHED,
    OFF,
    ON,
    PAUSED,
    SUSPENDED,
)

try:
    import libvirt
except ImportError:
    libvirt = None

URI = "qemu:///system"
_POLL_S = 0.25
# A guest that is still booting does not hear the power button; it is pressed again.
_PRESS_AGAIN_S = 10


@contextlib.contextmanager
def libvirt_errors(what: str) -> Iterator[None]:
    """Tell libvirt's errors as ours: what failed, and libvirt's own words."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise CloudError(
            "LIBVIRT_FAILED", f"libvirt: {what} failed: {error}; see: journalctl -u libvirtd"
        ) from None


def _is_on_its_way(error: Any) -> bool:
    """Whether an interface has just gone, or QEMU still waits for the guest to let it go."""
    # QEMU has no code for the second, only these words.
    waits = "in the process of unplug" in str(error)
    return waits or error.get_error_code() == libvirt.VIR_ERR_DEVICE_MISSING


def _yield_to_host(domain: Any) -> None:
    if (pid := priority.process_of(domain.name())) is not None:
        priority.yield_to_host(pid)


class LibvirtHost:
    """Domains of one host by server id.

    Raises:
        CloudError: LIBVIRT_FAILED, from every method.
    """

    def __init__(self) -> None:
        if libvirt is None:
            raise CloudError(
                "LIBVIRT_MISSING", "Python's libvirt is missing; install python3-libvirt", "never"
            )
        # Errors are raised; libvirt would also print them to stderr, into the task's output.
        libvirt.registerErrorHandler(lambda *_: None, None)
        with libvirt_errors(f"the connection to {URI}"):
            self._connection = libvirt.open(URI)

    def _domain(self, server_id: str) -> Any | None:
        try:
            return self._connection.lookupByUUIDString(server_id)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _need(self, server_id: str) -> Any:
        domain = self._domain(server_id)
        if domain is None:
            raise CloudError("DOMAIN_MISSING", f"The domain of server {server_id} is gone")
        return domain

    def power(self, server_id: str) -> str:
        with libvirt_errors(f"reading the state of server {server_id}"):
            domain = self._domain(server_id)
            if domain is None:
                return ABSENT
            state, reason = domain.state()
            has_memory = domain.hasManagedSaveImage()
        if state == libvirt.VIR_DOMAIN_CRASHED or (
            state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED
        ):
            return CRASHED
        if state == libvirt.VIR_DOMAIN_SHUTOFF:
            return SUSPENDED if has_memory else OFF
        return (
            PAUSED if state in (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED) else ON
        )

    def definition(self, server_id: str) -> str | None:
        """The XML that the domain's next start will use."""
        with libvirt_errors(f"reading the definition of server {server_id}"):
            domain = self._domain(server_id)
            return domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if domain else None

    def running_xml(self, server_id: str) -> str | None:
        """The XML of the running domain; None when it is off."""
        with libvirt_errors(f"reading server {server_id}"):
            domain = self._domain(server_id)
            return domain.XMLDesc() if domain and domain.isActive() else None

    def server_ids(self) -> list[str]:
        """All domains that are ours, running or not."""
        with libvirt_errors("listing domains"):
            domains = self._connection.listAllDomains()
            return [
                domain.UUIDString()
                for domain in domains
                if domain.name() == domain_xml.domain_name(domain.UUIDString())
            ]

    def define(self, server_id: str, description: str) -> None:
        with libvirt_errors(f"defining server {server_id}"):
            self._connection.defineXMLFlags(description, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)

    def start(self, server_id: str) -> None:
        """Boot it, and from now on whenever the host boots; memory that was kept is forgotten.

        It stands still until it has yielded to the host: the first seconds of many guests at once
        are what delays the others.
        """
        with libvirt_errors(f"starting server {server_id}"):
            domain = self._need(server_id)
            domain.setAutostart(True)
            if not domain.isActive():
                domain.createWithFlags(
                    libvirt.VIR_DOMAIN_START_FORCE_BOOT | libvirt.VIR_DOMAIN_START_PAUSED
                )
            _yield_to_host(domain)
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()

    def pause(self, server_id: str) -> None:
        with libvirt_errors(f"pausing server {server_id}"):
            self._need(server_id).suspend()

    def unpause(self, server_id: str) -> None:
        with libvirt_errors(f"letting server {server_id} go on"):
            self._need(server_id).resume()

    def suspend(self, server_id: str) -> None:
        """Write its memory to disk and turn it off; it runs when it comes back."""
        with libvirt_errors(f"suspending server {server_id}"):
            domain = self._need(server_id)
            domain.setAutostart(False)
            domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)

    def resume(self, server_id: str) -> None:
        """Go on from the memory that ``suspend`` kept."""
        with libvirt_errors(f"resuming server {server_id}"):
            domain = self._need(server_id)
            domain.setAutostart(True)
            if not domain.isActive():
                domain.create()
            _yield_to_host(domain)

    def forget_memory(self, server_id: str) -> None:
        with libvirt_errors(f"forgetting the memory of server {server_id}"):
            domain = self._need(server_id)
            if domain.hasManagedSaveImage():
                domain.managedSaveRemove()

    def record(self, server_id: str, element: str) -> None:
        """Replace our metadata element in the definition, and in the running domain."""
        with libvirt_errors(f"recording the boot of server {server_id}"):
            domain = self._need(server_id)
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
            if domain.isActive():
                flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                element,
                "freehold",
                domain_xml.NAMESPACE,
                flags,
            )

    def shut_down(self, server_id: str, timeout_s: float) -> None:
        """Press the power button and wait; turn the guest off when the time is over.

        One that stands still does not hear it, as a guest whose start was cut off.
        """
        with libvirt_errors(f"shutting server {server_id} down"):
            domain = self._need(server_id)
            domain.setAutostart(False)
            deadline = time.monotonic() + timeout_s
            press = 0.0
            while domain.isActive() and time.monotonic() < deadline:
                if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                    break
                if time.monotonic() >= press:
                    with contextlib.suppress(libvirt.libvirtError):  # it may just have gone
                        domain.shutdown()
                    press = time.monotonic() + _PRESS_AGAIN_S
                time.sleep(_POLL_S)
        self.force_off(server_id)

    def force_off(self, server_id: str) -> None:
        with libvirt_errors(f"turning server {server_id} off"):
            domain = self._domain(server_id)
            try:
                if domain is not None:
                    domain.setAutostart(False)
                    if domain.isActive():
                        domain.destroy()
            except libvirt.libvirtError as error:
                # It went by itself between the question and the order.
                if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                    raise

    def undefine(self, server_id: str) -> None:
        flags = (
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        )
        with libvirt_errors(f"undefining server {server_id}"):
            domain = self._domain(server_id)
            if domain is not None:
                domain.undefineFlags(flags)

    def plug(self, server_id: str, interface: str) -> None:
        with libvirt_errors(f"plugging an interface into server {server_id}"):
            self._need(server_id).attachDeviceFlags(interface, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def unplug(self, server_id: str, interface: str) -> None:
        """Ask the guest to let an interface go; libvirt waits 5 s for it.

        The next look tells whether it did: one that boots or stands still does so later.
        """
        with libvirt_errors(f"unplugging an interface from server {server_id}"):
            domain = self._need(server_id)
            try:
                domain.detachDeviceFlags(interface, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                if not _is_on_its_way(error):
                    raise

    def copy_running_disk(self, server_id: str, path: str, timeout_s: float = 240) -> bool:
        """Copy the disk of a running domain as it is now, flat; False when it is off.

        The guest goes on meanwhile; what it writes after the beginning is not in the copy.
        """
        with libvirt_errors(f"copying the disk of server {server_id}"):
            domain = self._domain(server_id)
            if domain is None or not domain.isActive():
                return False
            domain.backupBegin(domain_xml.backup_xml(path), None, 0)
            deadline = time.monotonic() + timeout_s
            while domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                if time.monotonic() > deadline:
                    domain.abortJob()
                    raise CloudError(
                        "COPY_TOO_SLOW",
                        f"The disk of server {server_id} was not copied within {timeout_s:.0f} s",
                        "never",
                    )
                time.sleep(_POLL_S)
            done = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
            if not done.get("success", False):
                raise CloudError(
                    "COPY_FAILED",
                    f"The disk of server {server_id} could not be copied: "
                    f"{done.get('errmsg', 'libvirt does not say why')}",
                )
            return True

    def grow_running_disk(self, server_id: str, size_bytes: int) -> bool:
        """Grow the disk of a running domain; False when it is off."""
        with libvirt_errors(f"growing the disk of server {server_id}"):
            domain = self._domain(server_id)
            if domain is None or not domain.isActive():
                return False
            domain.blockResize("vda", size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            return True

    def facts(self) -> dict[str, int]:
        with libvirt_errors("asking for the host's facts"):
            _model, memory_mib, vcpus, *_rest = self._connection.getInfo()
            return {
                "vcpus": vcpus,
                "memory_mib": memory_mib,
                "hypervisor_version": self._connection.getVersion(),
            }
