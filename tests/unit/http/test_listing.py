"""Key-set paging: every row once, in order, whatever the sort keys and ties."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from freehold.errors import BadRequest
from freehold.http import Listing, SortKey


class _Base(DeclarativeBase):
    pass


class Thing(_Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[str | None]
    size: Mapped[int | None]


LISTING = Listing(
    id=Thing.id,
    columns={"id": Thing.id, "colour": Thing.colour, "size": Thing.size},
    parsers={"size": int},
    default_sort=(SortKey("id"),),
    maximum=100,
)
ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.integers(0, 3)), max_size=12
)
KEYS = st.lists(
    st.builds(SortKey, st.sampled_from(["colour", "size", "id"]), st.booleans()),
    max_size=3,
    unique_by=lambda key: key.name,
)


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    _Base.metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def fill(session: Session, rows: list[tuple[str | None, int | None]]) -> None:
    session.execute(delete(Thing))
    session.expunge_all()
    session.add_all(Thing(id=n + 1, colour=c, size=s) for n, (c, s) in enumerate(rows))
    session.flush()


def walk(session: Session, sort: list[SortKey], step: int) -> list[int]:
    """Every page to the end, as a client would."""
    seen: list[int] = []
    marker = None
    for _ in range(50):
        page = LISTING.page(session, select(Thing), sort=sort, limit=step, marker=marker)
        seen += [row.id for row in page.rows]
        if not page.more:
            return seen
        marker = page.rows[-1].id
    raise AssertionError("paging does not end")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, KEYS, st.integers(1, 4))
def test_pages_together_are_the_whole_list(
    session: Session, rows: list[tuple[str | None, int | None]], sort: list[SortKey], step: int
) -> None:
    fill(session, rows)
    whole = [row.id for row in LISTING.page(session, select(Thing), sort=sort).rows]
    assert sorted(whole) == list(range(1, len(rows) + 1))
    assert walk(session, sort, step) == whole


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS.filter(lambda rows: len(rows) > 2), KEYS)
def test_going_back_from_a_row_gives_the_rows_before_it(
    session: Session, rows: list[tuple[str | None, int | None]], sort: list[SortKey]
) -> None:
    fill(session, rows)
    whole = [row.id for row in LISTING.page(session, select(Thing), sort=sort).rows]
    page = LISTING.page(
        session, select(Thing), sort=sort, limit=2, marker=str(whole[-1]), reverse=True
    )
    assert [row.id for row in page.rows] == whole[-3:-1]


def test_a_repeated_filter_means_any_of_them(session: Session) -> None:
    fill(session, [("a", 1), ("b", 2), ("c", 3)])
    chosen = LISTING.filtered(select(Thing), {"colour": ["a", "c"], "unknown": ["x"]})
    assert [row.id for row in LISTING.page(session, chosen).rows] == [1, 3]


@pytest.mark.parametrize("text", ["-1", "1.5", "ten", "٣"])
def test_a_limit_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        LISTING.limit(text)


def test_a_marker_that_names_nothing_is_refused(session: Session) -> None:
    with pytest.raises(BadRequest, match="marker"):
        LISTING.page(session, select(Thing), marker="77")


def test_sorting_by_what_is_no_column_is_refused() -> None:
    with pytest.raises(BadRequest, match="secret"):
        LISTING.sort_keys(["secret"], [])


def test_a_direction_is_asc_or_desc() -> None:
    with pytest.raises(BadRequest, match="sideways"):
        LISTING.sort_keys(["id"], ["sideways"])
