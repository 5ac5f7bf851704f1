"""What a tenant may write when making or changing a server, by microversion.

One model names every field there ever was; a table says from and up to which microversion each is
known. A field outside its time is refused like an unknown one, as nova's schemas do.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from freehold.errors import BadRequest
from freehold.http import Call, Whole

MAX_USER_DATA = 65535
MAX_COUNT = 1000
HOSTNAME = re.compile(r"^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$")
FQDN = re.compile(r"^[a-zA-Z0-9._-]*$")


def _is_printable(char: str) -> bool:
    category = unicodedata.category(char)
    return not category.startswith("C") and (not category.startswith("Z") or category == "Zs")


def printable(text: str) -> str:
    """Refuse control characters (tabs and line ends among them), NUL and half surrogates."""
    if not all(map(_is_printable, text)):
        raise ValueError("must consist of printable characters")
    return text


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise ValueError("must not start or end with whitespace")
    return printable(text)


def _data(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return text


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be base64") from error
    return text


def _user_data(text: str) -> str:
    # Clients wrap base64 at 76 columns; the drive gets it in one piece.
    return _base64("".join(text.split()))


Data = AfterValidator(_data)
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_trimmed)]
Description = Annotated[str, Field(max_length=255), AfterValidator(printable)]
MetaKey = Annotated[str, Field(pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}$")]
MetaValue = Annotated[str, Field(max_length=255), Data]
Metadata = dict[MetaKey, MetaValue]
Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^,/]*$"), AfterValidator(_data)]
UserData = Annotated[str, Field(max_length=MAX_USER_DATA), AfterValidator(_user_data)]
DiskConfig = Literal["AUTO", "MANUAL"]


class Body(BaseModel):
    """A field that may be left out has None as its default; a written null is refused unless the
    API says that it stands for something (``nullable``)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)
    nullable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, value in data.items():
                if value is None and name not in cls.nullable:
                    raise ValueError(f"{name} must not be null")
        return data


class NetworkWish(Body):
    """One entry of ``networks``: a network, perhaps with an address, or a port."""

    nullable = frozenset({"port"})

    uuid: UUID | None = None
    port: UUID | None = None
    fixed_ip: IPv4Address | IPv6Address | None = None
    tag: Tag | None = None


class GroupName(Body):
    """One entry of ``security_groups``: a name or an id."""

    name: Name | None = None


class Personality(Body):
    """One injected file, known until 2.56."""

    path: str
    contents: Annotated[str, AfterValidator(_base64)]


class ServerWish(Body):
    """Body of ``POST /servers`` below ``server``."""

    nullable = frozenset({"description", "trusted_image_certificates"})

    name: Name
    imageRef: str = Field(default="", max_length=255)  # noqa: N815
    flavorRef: str | int  # noqa: N815
    adminPass: str | None = None  # noqa: N815
    metadata: Metadata = Field(default_factory=dict)
    networks: list[NetworkWish] | Literal["auto", "none"] | None = None
    disk_config: DiskConfig = Field(default="MANUAL", alias="OS-DCF:diskConfig")
    accessIPv4: IPv4Address | None = None  # noqa: N815
    accessIPv6: IPv6Address | None = None  # noqa: N815
    personality: list[Personality] = Field(default_factory=list)
    availability_zone: Name | None = None
    block_device_mapping: list[dict[str, Any]] = Field(default_factory=list)
    block_device_mapping_v2: list[dict[str, Any]] = Field(default_factory=list)
    config_drive: bool = False
    key_name: Name | None = None
    min_count: Whole = Field(default=1, ge=1, le=MAX_COUNT)
    max_count: Whole | None = Field(default=None, ge=1, le=MAX_COUNT)
    return_reservation_id: bool = False
    security_groups: list[GroupName] | None = None
    user_data: UserData | None = None
    description: Description | None = None
    tags: list[Tag] = Field(default_factory=list, max_length=50)
    trusted_image_certificates: list[str] | None = None
    host: str | None = Field(default=None, pattern=FQDN.pattern, min_length=1, max_length=255)
    hypervisor_hostname: str | None = Field(
        default=None, pattern=FQDN.pattern, min_length=1, max_length=255
    )
    hostname: str | None = Field(default=None, min_length=1, max_length=255)


class CreateBody(Body):
    """Body of ``POST /servers``."""

    server: ServerWish
    hints: dict[str, Any] = Field(default_factory=dict, alias="os:scheduler_hints")
    old_hints: dict[str, Any] = Field(default_factory=dict, alias="OS-SCH-HNT:scheduler_hints")


class ServerChange(Body):
    """Body of ``PUT /servers/{id}`` below ``server``."""

    nullable = frozenset({"description"})

    name: Name | None = None
    disk_config: DiskConfig | None = Field(default=None, alias="OS-DCF:diskConfig")
    accessIPv4: IPv4Address | None = None  # noqa: N815
    accessIPv6: IPv6Address | None = None  # noqa: N815
    description: Description | None = None
    hostname: str | None = Field(default=None, min_length=1, max_length=255)


class ChangeBody(Body):
    """Body of ``PUT /servers/{id}``."""

    server: ServerChange


SINCE = {
    "description": "2.19",
    "tags": "2.52",
    "trusted_image_certificates": "2.63",
    "host": "2.74",
    "hypervisor_hostname": "2.74",
    "hostname": "2.90",
}
GONE_IN = {"personality": "2.57"}


def check_version(
    call: Call, wish: ServerWish | ServerChange, since_version: Mapping[str, str] = SINCE
) -> None:
    """Refuse (BadRequest) fields that the negotiated microversion does not know."""
    for name in sorted(wish.model_fields_set):
        since, gone_in = since_version.get(name), GONE_IN.get(name)
        if (since and not call.at_least(since)) or (gone_in and call.at_least(gone_in)):
            raise BadRequest(
                f"Invalid input for field/attribute server. Additional properties are not allowed "
                f"({name!r} was unexpected in microversion {call.microversion})."
            )
    if wish.hostname is not None:
        _check_hostname(call, wish.hostname)
    if isinstance(wish, ServerWish):
        _check_networks(call, wish)


def _check_hostname(call: Call, hostname: str) -> None:
    # 2.94 lets a server have a fully qualified name.
    fits = FQDN.match(hostname) if call.at_least("2.94") else HOSTNAME.match(hostname)
    if not fits or (len(hostname) > 63 and not call.at_least("2.94")):
        raise BadRequest(
            "Invalid input for field/attribute hostname: letters, digits and hyphens, 2 to 63 of "
            "them (from microversion 2.94 also dots, up to 255)."
        )


def _check_networks(call: Call, wish: ServerWish) -> None:
    named = "networks" in wish.model_fields_set
    if call.at_least("2.37") and not named:
        raise BadRequest(
            "Invalid input for field/attribute server. 'networks' is a required property; 'auto' "
            "takes the project's network, 'none' makes a server without one."
        )
    if not named:
        return
    if isinstance(wish.networks, str):
        if not call.at_least("2.37"):
            raise BadRequest("Invalid input for field/attribute networks: not a list.")
        return
    tags_known = call.at_least("2.42") or (call.at_least("2.32") and not call.at_least("2.37"))
    if not tags_known and any("tag" in entry.model_fields_set for entry in wish.networks or ()):
        raise BadRequest(
            "Invalid input for field/attribute networks. Additional properties are not allowed "
            f"('tag' was unexpected in microversion {call.microversion})."
        )


def boots_from_image(mapping: Mapping[str, Any], image_id: str) -> bool:
    """Whether a block device mapping only says again that the disk is made of ``imageRef``.

    The ``openstack`` command always sends that one; anything else needs volumes.
    """
    return (
        str(mapping.get("uuid")) == image_id
        and mapping.get("source_type") == "image"
        and mapping.get("destination_type", "local") == "local"
        and str(mapping.get("boot_index", 0)) == "0"
    )
