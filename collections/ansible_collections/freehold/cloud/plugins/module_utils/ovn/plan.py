# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner: from a document and what is known to steps and verdicts. Pure.

It also says what it would have to know (``Decision.questions``). While there are questions, the
steps mean nothing yet: answer them and decide again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.freehold.cloud.plugins.module_utils.document import (
    CloudError,
    Document,
    Resource,
    Step,
    Verdict,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn import (
    floating_ip,
    network,
    port,
    router,
    security_group,
    subnet,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.facts import Facts, Question
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.rows import (
    LINKS,
    OWN_CHILDREN,
    OWNER,
    ROOT_TABLES,
    SHARED_MEMBERS,
    Link,
    RowId,
    owner,
    read_links,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.steps import (
    change,
    delete,
    insert,
    join,
    part,
    shown,
    title,
)
from ansible_collections.freehold.cloud.plugins.module_utils.ovn.wanted import (
    MAIN_TABLE,
    Wanted,
    World,
    main_row,
)

Key = tuple[str, str]

WANTS = {
    "network": network.want,
    "subnet": subnet.want,
    "security_group": security_group.want,
    "port": port.want,
    "router": router.want,
    "floating_ip": floating_ip.want,
}


@dataclass(frozen=True)
class Decision:
    """What to do, what to say of each resource, and what has to be known first.

    ``refused`` are resources that are wrong as a whole; nothing is done to them.
    """

    steps: Mapping[Key, list[Step]]
    refused: frozenset[Key]
    verdicts: Mapping[Key, Verdict]
    questions: frozenset[Question]


def decide(document: Document, answers: Mapping[Question, object]) -> Decision:
    """Plan the whole document at once, so that its order does not matter."""
    facts = Facts(answers)
    planner = _Planner(document, facts)
    plan = planner.plan()
    verdicts = {resource.key: planner.verdict(resource) for resource in document.resources}
    refused = frozenset(key for key, one in planner.wanted.items() if one.error and one.leave)
    return Decision(plan, refused, verdicts, frozenset(facts.questions))


def _want(resource: Resource, world: World) -> Wanted:
    if resource.removed:
        return Wanted()
    try:
        return WANTS[resource.type](resource, world)
    except CloudError as error:
        return Wanted(error=error, leave=True)


class _Planner:
    def __init__(self, document: Document, facts: Facts) -> None:
        self.document = document
        self.facts = facts
        self.wanted = _wants(document, facts)
        self.shared = security_group.drop_group() if self._secured() else Wanted()
        everything = [*self.wanted.values(), self.shared]
        self.claimed = {link for wanted in everything for link in wanted.links}
        self.claimed_rows = {row.id: row for wanted in everything for row in wanted.rows}
        self.new = {row for row in self.claimed_rows if facts.row(row) is None}
        self.surplus = {
            resource.key: set(self._surplus(resource)) for resource in document.resources
        }
        self.blocked = self._find_blocked()

    def plan(self) -> dict[Key, list[Step]]:
        steps = {resource.key: self._steps(resource) for resource in self.document.resources}
        for key, before, after in self._drop_group_steps():
            steps[key] = [*before, *steps[key], *after]
        return {key: some for key, some in steps.items() if some}

    def verdict(self, resource: Resource) -> Verdict:
        """``up`` says that a port is bound on a host; for the others whether they are there."""
        wanted = self.wanted[resource.key]
        current = self.facts.row(main_row(*resource.key))
        if resource.type == "port":
            found = {"up": current is not None and current["up"] is True}
        else:
            found = {"present": current is not None}
        blockers = self.blocked.get(resource.key)
        waiting = "; ".join(wanted.waiting_for)
        if blockers:
            first = min(blockers)
            waiting = f"{len(blockers)} still on it to be removed first, {first} among them"
        return Verdict(found, waiting, wanted.error)

    def _steps(self, resource: Resource) -> list[Step]:
        wanted = self.wanted[resource.key]
        if wanted.leave or resource.key in self.blocked:
            return []
        steps = self._fill(wanted) + self._let_go(self.surplus[resource.key])
        main = main_row(*resource.key)
        if resource.removed and main[0] in ROOT_TABLES and self.facts.row(main) is not None:
            steps.append(self._delete(main))
        return steps

    def _fill(self, wanted: Wanted) -> list[Step]:
        """Make what is missing, change what differs."""
        steps = []
        for row in wanted.rows:
            current = self.facts.row(row.id)
            if current is None:
                links = {link for link in wanted.links if link.member_row == row.id}
                steps.append(insert(row, links, self.new))
            else:
                steps += change(row, current)
        for link in sorted(wanted.links):
            if link.member_row not in self.new and not self._linked(link):
                member = title(link.member_row, self.facts.row(link.member_row) or {})
                steps.append(join(link, member, self._parent_title(link), self.new))
        return steps

    def _linked(self, link: Link) -> bool:
        """Whether a reference is there; in own columns what was read already tells."""
        if link.parent in self.new:
            return False
        if link.shared:
            return self.facts.linked(link)
        parent = self.facts.row(link.parent)
        return parent is not None and link.member in parent[link.column]

    def _surplus(self, resource: Resource) -> Iterator[Link]:
        """References that are the resource's and that nobody wants any more."""
        wanted = self.wanted[resource.key]
        main = main_row(*resource.key)
        # A port's row that a router has taken over goes when the router says so.
        if wanted.leave or not self._is_ours(main, resource):
            return
        rows = list(dict.fromkeys([main, *(row.id for row in wanted.rows)]))
        for row in rows:
            current = self.facts.row(row)
            if current is None:
                continue
            for link in read_links(current["external_ids"].get(LINKS, "")):
                if link not in self.claimed and self._is_recorded(link, current):
                    yield link
            for table, column in OWN_CHILDREN:
                if table == row[0]:
                    yield from self._surplus_children(row, column, current[column])

    def _surplus_children(self, row: RowId, column: str, members: frozenset[str]) -> Iterator[Link]:
        for member in sorted(members):
            link = Link(*row, column, member)
            if link not in self.claimed:
                child = self.facts.external_ids(link.member_row)
                # What an operator put there has no owner and is left alone.
                if child is not None and OWNER in child:
                    yield link

    def _is_ours(self, main: RowId, resource: Resource) -> bool:
        current = self.facts.row(main)
        if current is None or not resource.removed:
            return True
        return current["external_ids"].get(OWNER) == owner(*resource.key)

    def _is_recorded(self, link: Link, recorder: Mapping[str, dict[str, str]]) -> bool:
        """Whether a reference that a row wrote down exists, and its member has no new owner."""
        ids = self.facts.external_ids(link.member_row) or {}
        same = ids.get(OWNER) == recorder["external_ids"].get(OWNER)
        return same and self.facts.linked(link)

    def _let_go(self, links: set[Link]) -> list[Step]:
        """Rows whose last reference goes are removed; others leave a group they were in."""
        steps = []
        for member in sorted({link.member_row for link in links}):
            mine = {link for link in links if link.member_row == member}
            current = self.facts.row(member)
            if current is None:
                continue
            name = title(member, current)
            if member not in self.claimed_rows:
                steps.append(part(mine, name, None, _before(current)))
            else:
                steps += [
                    part([link], name, self._parent_title(link), None) for link in sorted(mine)
                ]
        return steps

    def _find_blocked(self) -> dict[Key, set[str]]:
        """Removed resources that others still hang on, and those others' row ids.

        What is blocked keeps its own references too, which may block the next: a router that stays
        keeps its network.
        """
        removed = [one for one in self.document.resources if one.removed]
        blocked: dict[Key, set[str]] = {}
        while True:
            leaving = {
                link for key, links in self.surplus.items() if key not in blocked for link in links
            }
            found = {
                one.key: blockers
                for one in removed
                if (blockers := self._blockers(main_row(*one.key), leaving))
            }
            if found.keys() == blocked.keys():
                return found
            blocked = found

    def _blockers(self, main: RowId, leaving: set[Link]) -> set[str]:
        if main[0] not in ROOT_TABLES:
            return set()
        return {
            member
            for column in _shared_columns(main[0])
            for member in self.facts.column(main, column) or ()
            if Link(*main, column, member) not in leaving
        }

    def _delete(self, main: RowId) -> Step:
        current = self.facts.row(main) or {}
        members = {
            column: self.facts.column(main, column) or frozenset()
            for column in _shared_columns(main[0])
        }
        return delete(main, title(main, current), _before(current), members)

    def _secured(self) -> list[Key]:
        """Ports that shall be in the group that drops."""
        return [
            key
            for key, wanted in self.wanted.items()
            if any(link.parent == security_group.DROP_GROUP for link in wanted.links)
        ]

    def _drop_group_steps(self) -> Iterator[tuple[Key, list[Step], list[Step]]]:
        """The shared group comes with the first port that needs it and goes with the last."""
        secured = self._secured()
        if secured:
            yield secured[0], self._fill(self.shared), []
            return
        group = security_group.DROP_GROUP
        leaving = {
            link.member: key
            for key, links in self.surplus.items()
            for link in links
            if link.parent == group
        }
        if leaving and self.facts.members_are(group, "ports", frozenset(leaving)):
            step = delete(
                group,
                f"port group {security_group.DROP_NAME}",
                None,
                {"ports": frozenset(leaving)},
            )
            yield list(leaving.values())[-1], [], [step]

    def _parent_title(self, link: Link) -> str:
        row = self.claimed_rows.get(link.parent)
        name = row.columns["name"] if row else self.facts.column(link.parent, "name")
        return title(link.parent, {"name": name})


def _wants(document: Document, facts: Facts) -> dict[Key, Wanted]:
    """What each resource wants, knowing which others are wrong and will not be made."""
    world = World(document, facts, frozenset())
    first = _without_rivals({one.key: _want(one, world) for one in document.resources})
    errors = {key: wanted for key, wanted in first.items() if wanted.error and wanted.leave}
    if not errors:
        return first
    world = World(document, facts, frozenset(errors))
    return {one.key: errors.get(one.key) or _want(one, world) for one in document.resources}


def _without_rivals(wants: Mapping[Key, Wanted]) -> dict[Key, Wanted]:
    """Refuse resources that want a row which an earlier one in the document wants as well."""
    takers: dict[RowId, Key] = {}
    result = {}
    for key, wanted in wants.items():
        rows = [row.id for row in wanted.rows]
        rival = next((takers[row] for row in rows if row in takers), None)
        doubled = len(set(rows)) < len(rows)
        if rival or doubled:
            other = " ".join(rival or key)
            wanted = Wanted(
                error=CloudError(
                    "ROW_WANTED_TWICE",
                    f"{' '.join(key)} has a rule, route or port that {other} has already; "
                    "each may be named once",
                    "when_changed",
                ),
                leave=True,
            )
        takers.update(dict.fromkeys((row.id for row in wanted.rows), key))
        result[key] = wanted
    return result


def _shared_columns(table: str) -> list[str]:
    return [column for (one, column) in SHARED_MEMBERS if one == table]


def _before(current: Mapping[str, object]) -> dict[str, object]:
    return shown(current)


def unknown(document: Document, owners: Iterable[str]) -> list[dict[str, str]]:
    """Resources that own rows (``owners``: ``type/id``) and that the document does not name."""
    named = {owner(*resource.key) for resource in document.resources}
    found = []
    for one in sorted(set(owners) - named):
        type_, _slash, id_ = one.partition("/")
        if type_ in MAIN_TABLE and id_:
            found.append({"type": type_, "id": id_})
    return found
