"""Policy by oslo.policy: each service registers its rules, operators override them in files.

Files in ``policy_dir`` are YAML in oslo.policy's form. The rules' names are OpenStack's own where
it has one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import opts
from oslo_policy import policy as oslo

from freehold.access.caller import Caller

LOOK_EVERY_S = 2.0

COMMON = (
    ("admin_required", "role:admin"),
    ("owner", "project_id:%(project_id)s"),
    ("admin_or_owner", "rule:admin_required or rule:owner"),
    ("member", "role:member and rule:owner"),
    ("reader", "role:reader and rule:owner"),
    ("admin_or_member", "rule:admin_required or rule:member"),
    ("admin_or_reader", "rule:admin_required or rule:reader"),
    ("logged_in", "not user_id:None"),
)


@dataclass(frozen=True)
class Rule:
    """One rule's default: its name, its check string, and for which operations it stands."""

    name: str
    check: str
    description: str


class Policy:
    """All rules, and the decision.

    Args:
        rules: Defaults of all services.
        policy_dir: Where operators override them; None for none.
        clock: Seconds that only grow; tells when to look at the files again.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        policy_dir: Path | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        self._enforcer = oslo.Enforcer(conf, use_conf=True)
        opts._register(conf)
        conf.set_override("policy_dirs", [str(policy_dir)] if policy_dir else [], "oslo_policy")
        for name, check in COMMON:
            self._enforcer.register_default(oslo.RuleDefault(name, check))
        for rule in rules:
            self._enforcer.register_default(
                oslo.RuleDefault(rule.name, rule.check, rule.description)
            )
        self._enforcer.load_rules()
        self._looking = threading.Lock()
        self._decisions: dict[Hashable, bool] = {}
        self._clock = clock
        self._look_at = clock() + LOOK_EVERY_S

    def allows(self, caller: Caller, rule: str, target: Mapping[str, Any] | None) -> bool:
        """Whether ``caller`` may do ``rule`` on ``target``; without one, on a thing of their own
        project.

        What the target does not say (None) fits nobody: a caller without a project does not own
        what no project has.

        Raises:
            PolicyNotRegistered: The rule's name is not known (a mistake in our code).
        """
        about = target
        if about is None:
            about = {
                "project_id": caller.project_id,
                "user_id": caller.user_id,
                "domain_id": caller.scope.domain_id,
            }
        self._follow_files()
        decisions = self._decisions
        who = (caller.user_id, caller.user_domain_id, caller.scope, caller.roles)
        key = (rule, who, tuple(about.items()))
        if (decided := decisions.get(key)) is None:
            decided = decisions[key] = self._decide(caller, rule, about)
        return decided

    def _decide(self, caller: Caller, rule: str, about: Mapping[str, Any]) -> bool:
        if rule not in self._enforcer.registered_rules:
            raise oslo.PolicyNotRegistered(rule)
        credentials = caller.credentials()
        if caller.scope.system:
            credentials["system"] = "all"
        check = self._enforcer.rules[rule]
        known = {name: value for name, value in about.items() if value is not None}
        return bool(check(known, credentials, self._enforcer, rule))

    def _follow_files(self) -> None:
        """Read changed policy files, looking every ``LOOK_EVERY_S`` and not at each decision.

        Until then decisions are remembered: a list of a thousand servers asks a few things a
        thousand times, and oslo.policy takes a tenth of a millisecond for each. The dict is
        replaced, never emptied, so that what was decided by old rules cannot come after it.

        oslo.policy's own ``authorize`` looks at the file system each time, which costs more than
        the decision; everything else that it does for a dict of credentials is done here.
        """
        now = self._clock()
        if now < self._look_at:
            return
        with self._looking:
            if now >= self._look_at:
                self._enforcer.load_rules()
                self._decisions = {}
                self._look_at = now + LOOK_EVERY_S
