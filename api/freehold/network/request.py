"""What the bodies of this API have in common."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


Text = Annotated[str, Field(max_length=255), AfterValidator(_no_nul)]
Id = Annotated[str, Field(max_length=64), AfterValidator(_no_nul)]
Address = Annotated[str, Field(max_length=64), AfterValidator(_no_nul)]
"""An IP address or network as text; its own parser says what is wrong with it."""


class Strict(BaseModel):
    """Unknown attributes are refused, as neutron does.

    Attributes:
        ABSENT: What only extensions set that this cloud does not have. Clients say such attributes
            without being asked to; empty they want nothing and are let through, else refused.
    """

    ABSENT: ClassVar[frozenset[str]] = frozenset()
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, said: Any) -> Any:
        if not isinstance(said, dict) or cls.ABSENT.isdisjoint(said):
            return said
        empty: tuple[Any, ...] = (None, "", False, [], {})
        return {n: v for n, v in said.items() if n not in cls.ABSENT or v not in empty}


class Described(Strict):
    """What a tenant may always change."""

    description: Text = ""

    def said(self, *names: str) -> dict[str, Any]:
        """Those of the named attributes that the client sent, so that null differs from absent."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


class Named(Described):
    """The same with a name."""

    name: Text = ""


class Owned(Strict):
    """What only a POST says. ``tenant_id`` is the older name of ``project_id``."""

    project_id: Text | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, said: Any) -> Any:
        if not isinstance(said, dict) or "tenant_id" not in said:
            return said
        newer = {name: value for name, value in said.items() if name != "tenant_id"}
        return {"project_id": said["tenant_id"]} | newer


class Bulk(Strict):
    """A body with one new thing, or several under the plural: the one or the other field."""

    def wishes(self) -> list[Any]:
        """What is wished for, one or several."""
        one, many = (getattr(self, name) for name in type(self).model_fields)
        return [one] if many is None else list(many)

    def shown(self, views: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer's body in the form of the request's: one thing or several."""
        one, many = type(self).model_fields
        return {one: views[0]} if getattr(self, many) is None else {many: views}

    @model_validator(mode="after")
    def _exactly_one(self) -> Bulk:
        names = list(type(self).model_fields)
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"Unable to find '{names[0]}' in request body")
        return self
