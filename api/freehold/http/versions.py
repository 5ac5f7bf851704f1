"""Version documents and microversions.

Header forms: ``OpenStack-API-Version: compute 2.53`` and the older
``X-OpenStack-Nova-API-Version: 2.53`` (API reference, "Microversions").
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from freehold.errors import BadRequest, NotAcceptable

_FORM = re.compile(r"([1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True, order=True)
class Microversion:
    """``major.minor``, ordered by number."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Microversion:
        """Read ``2.53``.

        Raises:
            BadRequest: It has another form.
        """
        if not (match := _FORM.fullmatch(text)):
            raise BadRequest(
                f"API Version String {text[:64]} is of invalid format. "
                "Must be of format MajorNum.MinorNum."
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def at_least(self, text: str) -> bool:
        """Whether this version has what came with ``text``."""
        return self >= _known(text)


@functools.cache
def _known(text: str) -> Microversion:
    # Only what our own code names comes here, some fifty versions.
    return Microversion.parse(text)


@dataclass(frozen=True)
class ApiVersion:
    """One major version of one API, for version documents and negotiation.

    Args:
        service_type: As the catalogue names it, such as ``compute``.
        id: ``v2.1``.
        prefix: Path below the public URL, such as ``/compute/v2.1``.
        minimum, maximum: Microversion range, None where the API has none.
        legacy_header: The API's older microversion header.
        updated: Date of the version's last change, ISO 8601.
    """

    service_type: str
    id: str
    prefix: str
    updated: str
    minimum: Microversion | None = None
    maximum: Microversion | None = None
    legacy_header: str | None = None

    def negotiate(self, headers: Headers) -> Microversion | None:
        """The microversion to answer in; the minimum when the client names none.

        Raises:
            BadRequest: Not of the form ``2.53``.
            NotAcceptable: Outside the range.
        """
        if self.minimum is None or self.maximum is None:
            return None
        asked = self._asked(headers)
        if asked is None:
            return self.minimum
        if asked == "latest":
            return self.maximum
        version = Microversion.parse(asked)
        if not self.minimum <= version <= self.maximum:
            raise NotAcceptable(
                f"Version {version} is not supported by the API. Minimum is {self.minimum} and "
                f"maximum is {self.maximum}."
            )
        return version

    def _asked(self, headers: Headers) -> str | None:
        for value in headers.getlist("openstack-api-version"):
            for part in value.split(","):
                words = part.split()
                if len(words) == 2 and words[0] == self.service_type:
                    return words[1].lower()
        if self.legacy_header and (older := headers.get(self.legacy_header)):
            return older.strip().lower()
        return None

    def headers(self, version: Microversion | None) -> dict[str, str]:
        """What an answer says about the microversion it is in."""
        if version is None:
            return {}
        said = {
            "OpenStack-API-Version": f"{self.service_type} {version}",
            "Vary": "OpenStack-API-Version",
        }
        if self.legacy_header:
            said[self.legacy_header] = str(version)
            said["Vary"] += f", {self.legacy_header}"
        return said

    def document(self, public_url: str, status: str = "CURRENT") -> dict[str, Any]:
        """The version document's entry."""
        entry: dict[str, Any] = {
            "id": self.id,
            "status": status,
            "updated": self.updated,
            "links": [{"rel": "self", "href": f"{public_url}{self.prefix}/"}],
        }
        if self.minimum is not None:
            entry |= {"version": str(self.maximum), "min_version": str(self.minimum)}
        return entry
