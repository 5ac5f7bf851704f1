"""Nothing that fits our OpenAPI document, or just does not, is an accident (invariant 9).

A few examples an operation, the same in every run; ``make fuzz`` draws many more.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.api.fuzz.cases import Target, problems, requests, targets
from tests.api.isolation.stage import Stage

EXAMPLES = int(os.environ.get("FREEHOLD_FUZZ_EXAMPLES", "3"))
SEED = int(os.environ.get("FREEHOLD_FUZZ_SEED", "1"))
ROOMS = ("identity", "image", "network", "compute", "v1")


@pytest.mark.timeout(120 + EXAMPLES * 20)
@pytest.mark.parametrize("room", ROOMS)
def test_every_answer_is_what_the_document_says(stage: Stage, room: str) -> None:
    wrong: dict[str, str] = {}
    for target in targets(stage):
        if target.line.path.startswith(f"/{room}/"):
            _ask(stage, target, wrong)
            stage.restore()
    if wrong:
        pytest.fail(
            "\n".join(f"{what}\n    {example}" for what, example in wrong.items()), pytrace=False
        )


def _ask(stage: Stage, target: Target, wrong: dict[str, str]) -> None:
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(stage, target))
    def asked(drawn: tuple[Any, dict[str, Any]]) -> None:
        case, sent = drawn
        answer = stage.ask(target.persona, **sent)
        for problem in problems(case, answer):
            said = f"{target.line} as {target.persona}: {problem}"
            wrong.setdefault(said[:300], f"{sent} → {answer.status_code} {answer.text[:300]}"[:900])

    asked()
