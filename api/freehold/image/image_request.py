"""What may be written into an image: the fields that glance's schema knows, and free properties."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from freehold.errors import BadRequest, Forbidden, TooLarge
from freehold.image.format import CONTAINER_FORMATS, DISK_FORMATS
from freehold.image.image import Image, ImageProperty, ImageTag

UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
READ_ONLY = frozenset(
    {
        *("created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url"),
        *("self", "file", "schema", "os_hash_algo", "os_hash_value", "stores"),
    }
)
RESERVED = frozenset({"location", "locations", "deleted", "deleted_at"})
RESERVED_PREFIX = "os_glance"
MAX_PROPERTIES = 128
MAX_TAGS = 128
MAX_NAME = 255
MAX_VALUE = 65_535
MAX_INT = 2**31 - 1


def _plain(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text must not have a NUL character")
    return text


def _one_of(allowed: Collection[str]) -> AfterValidator:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"this cloud takes {' and '.join(allowed)}")
        return text

    return AfterValidator(check)


Text = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_plain)]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]


class ImageWish(BaseModel):
    """Body of ``POST /v2/images``; names that are not here are free properties."""

    model_config = ConfigDict(extra="allow", strict=True)

    id: str | None = Field(default=None, pattern=UUID)
    name: Text | None = None
    visibility: Literal["public", "community", "shared", "private"] = "shared"
    protected: bool = False
    os_hidden: bool = False
    owner: Text | None = None
    container_format: Annotated[str, _one_of(CONTAINER_FORMATS)] | None = None
    disk_format: Annotated[str, _one_of(DISK_FORMATS)] | None = None
    min_disk: Count = 0
    min_ram: Count = 0
    tags: list[Text] = []


KNOWN = frozenset(ImageWish.model_fields)


def check_names(names: Collection[str]) -> None:
    """Refuse names that nobody may write.

    Raises:
        Forbidden: Read-only or reserved.
        BadRequest: Empty or too long.
    """
    for name in names:
        if name in READ_ONLY:
            raise Forbidden(f"Attribute '{name}' is read-only.")
        if name in RESERVED or name.startswith(RESERVED_PREFIX):
            raise Forbidden(f"Attribute '{name}' is reserved.")
        if not name or "\0" in name:
            raise BadRequest("A property needs a name without NUL characters.")
        if len(name) > MAX_NAME:
            raise BadRequest("Custom property should not be greater than 255 characters.")


def checked(values: Mapping[str, Any]) -> ImageWish:
    """These attributes, each of the right type and range.

    Raises:
        BadRequest: One is not; the message names it but never repeats its value.
        TooLarge: Too many properties or tags.
    """
    try:
        wish = ImageWish.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][:1])
        # The chain would carry the tenant's value into the log.
        raise BadRequest(
            f"Provided object does not match schema 'image': {place}: {first['msg']}"
        ) from None
    for name, value in (wish.model_extra or {}).items():
        if not isinstance(value, str) or "\0" in value or len(value) > MAX_VALUE:
            raise BadRequest(
                f"Provided object does not match schema 'image': property {name[:MAX_NAME]!r} "
                f"must be a text of up to {MAX_VALUE} characters without NUL."
            )
    require_room(len(wish.model_extra or {}), MAX_PROPERTIES, "properties")
    require_room(len(set(wish.tags)), MAX_TAGS, "tags")
    return wish


def require_room(wanted: int, maximum: int, what: str) -> None:
    """Refuse (TooLarge, glance's 413) more than an image may have of something."""
    if wanted > maximum:
        raise TooLarge(
            f"The limit has been exceeded on the number of allowed image {what}. "
            f"Attempted: {wanted}, Maximum: {maximum}."
        )


def set_tags(image: Image, tags: Collection[str]) -> None:
    """Give the image exactly these tags."""
    kept = [row for row in image.tag_rows if row.tag in tags]
    had = {row.tag for row in kept}
    image.tag_rows = kept + [ImageTag(tag=tag) for tag in sorted(set(tags) - had)]


def set_property(image: Image, name: str, value: str) -> None:
    """Give the image this property, or another value to it."""
    for row in image.property_rows:
        if row.name == name:
            row.value = value
            return
    image.property_rows.append(ImageProperty(name=name, value=value))
