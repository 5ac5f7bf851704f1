"""A project: what owns servers, networks and images; the usual scope of a token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.access import Rule, forget_limits
from freehold.access.tokens import revoke
from freehold.errors import BadRequest, Conflict, Forbidden
from freehold.http import Call, Listing, Reply, Routes, SortKey
from freehold.identity.attributes import (
    HasExtra,
    Identifier,
    Name64,
    Text,
    Wish,
    keep_extra,
    merged_options,
    require_mutable,
    require_same,
)
from freehold.identity.collection import (
    MAXIMUM_ROWS,
    add_read,
    boolean,
    found,
    link,
    load,
    load_alone,
    page,
)
from freehold.identity.domain import DEFAULT_DOMAIN, Domain
from freehold.identity.project_tag import TagList, filter_by_tags, set_tags, tags_of
from freehold.identity.user import User
from freehold.identity.version import VERSION
from freehold.store import Base, lock, new_hex_id

MAX_DEPTH = 5
OPTIONS = frozenset({"immutable"})

RULES = [
    Rule(
        "identity:get_project",
        "rule:admin_required or project_id:%(target.project.id)s",
        "GET /v3/projects/{project_id}",
    ),
    Rule("identity:list_projects", "rule:admin_required", "GET /v3/projects"),
    Rule("identity:create_project", "rule:admin_required", "POST /v3/projects"),
    Rule("identity:update_project", "rule:admin_required", "PATCH /v3/projects/{project_id}"),
    Rule("identity:delete_project", "rule:admin_required", "DELETE /v3/projects/{project_id}"),
]


class Project(HasExtra, Base):
    """One project. ``parent_id`` None stands right below the domain."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("domain_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_hex_id)
    domain_id: Mapped[str] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str]
    description: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ProjectChange(Wish):
    """What may be said of a project."""

    name: Name64 = ""
    description: Text | None = None
    enabled: bool = True
    domain_id: Identifier | None = None
    parent_id: Identifier | None = None
    is_domain: bool = False
    tags: TagList = Field(default_factory=list)
    options: dict[str, Any] = Field(default_factory=dict)


class ProjectWish(ProjectChange):
    """A project to be made."""

    name: Name64


class NewProject(BaseModel):
    """Body of a create."""

    model_config = ConfigDict(extra="forbid")
    project: ProjectWish


class ChangedProject(BaseModel):
    """Body of an update."""

    model_config = ConfigDict(extra="forbid")
    project: ProjectChange


LISTING = Listing(
    id=Project.id,
    columns={
        "id": Project.id,
        "name": Project.name,
        "domain_id": Project.domain_id,
        "enabled": Project.enabled,
    },
    parsers={"enabled": boolean},
    default_sort=[SortKey("name")],
    maximum=MAXIMUM_ROWS,
)


def wire(call: Call, project: Project) -> dict[str, Any]:
    """The project as the API shows it (its tags aside)."""
    return {
        **project.extra,
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description or "",
        "enabled": project.enabled,
        "parent_id": project.parent_id or project.domain_id,
        "is_domain": False,
        "tags": [],
        "options": project.options,
        "links": {"self": link(call, f"/projects/{project.id}")},
    }


def with_tags(call: Call, projects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the tags into projects in wire form, with one query for all."""
    tags = tags_of(call.session, [project["id"] for project in projects])
    return [{**project, "tags": tags.get(project["id"], [])} for project in projects]


def list_projects(call: Call) -> dict[str, Any]:
    """All projects; filters name, domain_id, parent_id, enabled, tags."""
    statement = filter_by_tags(select(Project), Project.id, call.params)
    if (parent := call.params.get("parent_id")) is not None:
        below = (Project.parent_id.is_(None)) & (Project.domain_id == parent)
        statement = statement.where((Project.parent_id == parent) | below)
    if "is_domain" in call.params and boolean(call.params["is_domain"]):
        statement = statement.where(Project.id.is_(None))
    body = page(call, LISTING, statement, "projects", wire)
    return {**body, "projects": with_tags(call, body["projects"])}


def show_project(call: Call, project_id: str) -> dict[str, Any]:
    """One project, with its parents or subtree as ids if asked."""
    call.enforce("identity:get_project", {"target.project.id": project_id})
    project = load(call.session, Project, "project", project_id)
    (shown,) = with_tags(call, [wire(call, project)])
    if "parents_as_ids" in call.params:
        shown["parents"] = _parents_as_ids(call.session, project)
    if "subtree_as_ids" in call.params:
        shown["subtree"] = _subtree_as_ids(call.session, project.id, MAX_DEPTH)
    return {"project": shown}


def create_project(call: Call, body: NewProject) -> dict[str, Any]:
    """Make a project."""
    wish = body.project
    if wish.is_domain:
        raise BadRequest("A project that acts as a domain is made by POST /v3/domains.")
    domain_id, parent = _place(call, wish)
    _require_free_name(call.session, domain_id, wish.name)
    project = Project(
        id=new_hex_id(),
        domain_id=domain_id,
        parent_id=parent.id if parent else None,
        name=wish.name,
        description=wish.description,
        enabled=wish.enabled,
        options=merged_options({}, wish.options, OPTIONS),
        extra={},
    )
    keep_extra(project, wish)
    call.session.add(project)
    call.session.flush()
    set_tags(call.session, project.id, wish.tags)
    call.audit("create", "project", project.id)
    return {"project": with_tags(call, [wire(call, project)])[0]}


def update_project(call: Call, project_id: str, body: ChangedProject) -> dict[str, Any]:
    """Change a project; disabling it voids the tokens scoped to it."""
    wish = body.project
    project = load_alone(call.session, Project, "project", project_id)
    options = wish.said("options").get("options")
    require_mutable("project", project_id, project.options, options)
    require_same(
        wish,
        domain_id=project.domain_id,
        parent_id=project.parent_id or project.domain_id,
        is_domain=False,
    )
    said = wish.said("name", "description", "enabled")
    if said.get("name", project.name) != project.name:
        _require_free_name(call.session, project.domain_id, wish.name)
    if project.enabled and said.get("enabled") is False:
        _require_no_enabled_child(call.session, project.id)
        revoke(call.session, call.now, project_id=project.id)
    for key, value in said.items():
        setattr(project, key, value)
    if options is not None:
        project.options = merged_options(project.options, options, OPTIONS)
    keep_extra(project, wish)
    if "tags" in wish.model_fields_set:
        set_tags(call.session, project.id, wish.tags)
    call.session.flush()
    call.audit("update", "project", project.id)
    return {"project": with_tags(call, [wire(call, project)])[0]}


def delete_project(call: Call, project_id: str) -> Reply:
    """Remove a project without children and its quotas; void the tokens scoped to it."""
    project = load_alone(call.session, Project, "project", project_id)
    require_mutable("project", project_id, project.options)
    child = call.session.scalar(select(Project.id).where(Project.parent_id == project.id).limit(1))
    if child is not None:
        raise Forbidden(
            f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy; "
            f"delete the projects below it first."
        )
    revoke(call.session, call.now, project_id=project.id)
    call.session.execute(
        update(User).where(User.default_project_id == project.id).values(default_project_id=None)
    )
    forget_limits(call.session, project.id)
    call.session.delete(project)
    call.audit("delete", "project", project_id)
    return Reply(status=204)


def _place(call: Call, wish: ProjectWish) -> tuple[str, Project | None]:
    """Domain and parent of a new project, from what was said and the caller's own domain."""
    session = call.session
    domain_id = wish.domain_id
    parent = None
    if wish.parent_id is not None and wish.parent_id != domain_id:
        parent = session.get(Project, wish.parent_id)
        if parent is None:
            domain_id = found(session.get(Domain, wish.parent_id), "project", wish.parent_id).id
        elif domain_id not in (None, parent.domain_id):
            raise BadRequest("The parent project is in another domain.")
        else:
            domain_id = parent.domain_id
            _require_depth(session, parent)
    if wish.domain_id is not None and domain_id != wish.domain_id:
        raise BadRequest("The parent project is in another domain.")
    chosen = domain_id or call.caller.scope.domain_id or DEFAULT_DOMAIN
    load(session, Domain, "domain", chosen)
    return chosen, parent


def _require_depth(session: Session, parent: Project) -> None:
    if len(ancestors(session, parent)) + 2 > MAX_DEPTH:
        raise Forbidden(f"Max hierarchy depth reached: at most {MAX_DEPTH} projects deep.")
    if not parent.enabled:
        raise Forbidden(f"Cannot create a project below {parent.id}, which is disabled.")


def _require_no_enabled_child(session: Session, project_id: str) -> None:
    child = session.scalar(
        select(Project.id)
        .where(Project.parent_id == project_id, Project.enabled.is_(True))
        .limit(1)
    )
    if child is not None:
        raise Forbidden(
            f"Cannot disable project {project_id} since its subtree contains enabled projects."
        )


def _require_free_name(session: Session, domain_id: str, name: str) -> None:
    lock(session, "identity", "project", domain_id)
    taken = select(Project.id).where(Project.domain_id == domain_id, Project.name == name)
    if session.scalar(taken) is not None:
        raise Conflict(
            f"Conflict occurred attempting to store project - it is not permitted to have two "
            f"projects with the same name in the same domain: {name}."
        )


def project_exists(session: Session, project_id: str) -> bool:
    """Whether there is a project with this id, enabled or not."""
    return session.scalar(select(Project.id).where(Project.id == project_id)) is not None


def ancestors(session: Session, project: Project) -> list[Project]:
    """The projects above this one, nearest first; none for most."""
    above: list[Project] = []
    current = project
    while current.parent_id is not None:
        current = session.get_one(Project, current.parent_id)
        above.append(current)
    return above


def descendants(session: Session, project_ids: Iterable[str]) -> set[str]:
    """Ids of the projects below these; a query a level."""
    reached: set[str] = set()
    level = set(project_ids)
    while level:
        children = select(Project.id).where(Project.parent_id.in_(level))
        level = set(session.scalars(children)) - reached
        reached |= level
    return reached


def _parents_as_ids(session: Session, project: Project) -> dict[str, Any]:
    tree: dict[str, Any] | None = None
    for project_id in [project.domain_id, *(p.id for p in reversed(ancestors(session, project)))]:
        tree = {project_id: tree}
    return tree or {}


def _subtree_as_ids(session: Session, project_id: str, depth: int) -> dict[str, Any] | None:
    children = session.scalars(select(Project.id).where(Project.parent_id == project_id)).all()
    if not children or depth == 0:
        return None
    return {child: _subtree_as_ids(session, child, depth - 1) for child in children}


ROUTES = Routes(VERSION)
add_read(ROUTES, "/projects", list_projects, policy="identity:list_projects")
add_read(ROUTES, "/projects/{project_id}", show_project, policy="logged_in")
ROUTES.add("POST", "/projects", create_project, policy="identity:create_project", status=201)
ROUTES.add("PATCH", "/projects/{project_id}", update_project, policy="identity:update_project")
ROUTES.add(
    "DELETE", "/projects/{project_id}", delete_project, policy="identity:delete_project", status=204
)
