"""What must exist before anybody can log in; run again, it brings back what is missing, no more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from freehold.access.tokens import revoke
from freehold.identity.assignment import Grant, grant
from freehold.identity.domain import DEFAULT_DOMAIN, Domain
from freehold.identity.endpoint import Endpoint
from freehold.identity.password import Password, matches
from freehold.identity.project import Project
from freehold.identity.region import Region
from freehold.identity.role import Role, imply
from freehold.identity.service import Service
from freehold.identity.user import User, set_password
from freehold.store import lock, new_hex_id

ROLES = ("reader", "member", "admin")
"""Each implies the one before it."""

SERVICES = (
    ("identity", "keystone", "/identity"),
    ("compute", "nova", "/compute/v2.1"),
    ("network", "neutron", "/network"),
    ("image", "glance", "/image"),
)
"""Type, name and path. The names are those that clients and conformance tests expect."""

INTERFACES = ("public", "internal", "admin")


def bootstrap(
    session: Session, *, admin_password: str, region: str, public_url: str, now: datetime
) -> bool:
    """Make the default domain, roles, the admin with a project, and the catalogue.

    The password is set when it is another one (and the admin's tokens are then void); the URLs of
    our own services follow ``public_url``. Nothing that an operator added is touched.

    Args:
        session: A write transaction.
        admin_password: Of user ``admin`` in domain ``default``.
        region: Region of the endpoints.
        public_url: Where the service is reached, without a path.
        now: The clock.

    Returns:
        Whether anything was changed.
    """
    lock(session, "identity", "bootstrap")
    changed = _domain(session)
    changed |= _roles(session)
    changed |= _admin(session, admin_password, now)
    changed |= _catalog(session, region, public_url.rstrip("/"))
    return changed


def _domain(session: Session) -> bool:
    if session.get(Domain, DEFAULT_DOMAIN) is not None:
        return False
    session.add(
        Domain(id=DEFAULT_DOMAIN, name="Default", description="The default domain", extra={})
    )
    session.flush()
    return True


def _role(session: Session, name: str) -> Role | None:
    return session.scalar(select(Role).where(Role.name == name, Role.domain_id.is_(None)))


def _roles(session: Session) -> bool:
    changed = False
    below: Role | None = None
    for name in ROLES:
        role = _role(session, name)
        if role is None:
            role = Role(id=new_hex_id(), name=name, options={"immutable": True}, extra={})
            session.add(role)
            session.flush()
            changed = True
        if below is not None:
            changed |= imply(session, role.id, below.id)
        below = role
    return changed


def _admin(session: Session, password: str, now: datetime) -> bool:
    named = (Project.domain_id == DEFAULT_DOMAIN, Project.name == "admin")
    project = session.scalar(select(Project).where(*named))
    user = session.scalar(
        select(User).where(User.domain_id == DEFAULT_DOMAIN, User.name == "admin")
    )
    changed = project is None or user is None
    if project is None:
        project = Project(
            id=new_hex_id(),
            domain_id=DEFAULT_DOMAIN,
            name="admin",
            description="Project of the cloud's operator",
            extra={},
        )
    if user is None:
        user = User(id=new_hex_id(), domain_id=DEFAULT_DOMAIN, name="admin", extra={})
    session.add_all([project, user])
    session.flush()
    changed |= _password(session, user, password, now)
    role = _role(session, "admin")
    assert role is not None
    changed |= grant(session, Grant(role.id, user_id=user.id, project_id=project.id))
    changed |= grant(session, Grant(role.id, user_id=user.id, system=True))
    return changed


def _password(session: Session, user: User, password: str, now: datetime) -> bool:
    kept = session.get(Password, user.id)
    if kept is not None and matches(password, kept.hash):
        return False
    if kept is not None:
        revoke(session, now, user_id=user.id)
    set_password(session, user.id, password, now)
    session.flush()
    return True


def _catalog(session: Session, region: str, public_url: str) -> bool:
    changed = False
    if session.get(Region, region) is None:
        session.add(Region(id=region, description="", extra={}))
        session.flush()
        changed = True
    for kind, name, path in SERVICES:
        service = session.scalar(
            select(Service).where(Service.type == kind, Service.name == name).limit(1)
        )
        if service is None:
            service = Service(id=new_hex_id(), type=kind, name=name, extra={})
            session.add(service)
            session.flush()
            changed = True
        for interface in INTERFACES:
            changed |= _endpoint(session, service, interface, region, f"{public_url}{path}")
    return changed


def _endpoint(session: Session, service: Service, interface: str, region: str, url: str) -> bool:
    endpoint = session.scalar(
        select(Endpoint)
        .where(
            Endpoint.service_id == service.id,
            Endpoint.interface == interface,
            Endpoint.region_id == region,
        )
        .limit(1)
    )
    if endpoint is not None and endpoint.url == url:
        return False
    if endpoint is None:
        endpoint = Endpoint(
            id=new_hex_id(),
            service_id=service.id,
            interface=interface,
            region_id=region,
            extra={},
        )
        session.add(endpoint)
    endpoint.url = url
    session.flush()
    return True
