# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The road between files on the controller and a module on the target.

What tenants wrote is in these files and nowhere else: it never becomes an Ansible variable
(variables are templates), and it reaches the module as one ``no_log`` string (so that no part of
it is logged).
"""

from __future__ import annotations

import os
import signal
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# A document for a thousand servers with 64 KiB of user data each; more is a mistake.
DOCUMENT_MAX_BYTES = 128 * 1024 * 1024


def read_text(path: str) -> str:
    """Read a document as data.

    Raises:
        AnsibleActionFail: the file is missing, too large, or no UTF-8.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(DOCUMENT_MAX_BYTES + 1)
        if len(content) > DOCUMENT_MAX_BYTES:
            raise AnsibleActionFail(f"{path} is larger than {DOCUMENT_MAX_BYTES} bytes")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleActionFail(f"The document {path} cannot be read: {error}") from None


def write_private(path: str, content: str) -> None:
    """Write a file for its owner alone; readers see the old content or the whole new one."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".result-", dir=folder)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise AnsibleActionFail(f"The result {path} cannot be written: {error}") from None


def killed_by(returned: dict[str, Any]) -> str | None:
    """Name the signal that ended a module before it told anything; None if none did.

    Ansible then says only that it found no JSON. A shell between tells the signal as 128 more.
    """
    code = returned.get("rc")
    if "module_stdout" not in returned or not isinstance(code, int):
        return None
    try:
        return signal.Signals(code - 128 if code > 0 else -code).name
    except ValueError:
        return None


class ResultAction(ActionBase):
    """Run the module of the same name; its ``result`` goes to a file, not into the return."""

    _supports_check_mode = True
    _supports_diff = True
    TRANSFERS_FILES = False

    def module_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Turn the task's arguments into the module's."""
        return arguments

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        path = arguments.get("result")
        if not isinstance(path, str) or not path:
            raise AnsibleActionFail(f"{self._task.action} needs 'result', a path on the controller")
        returned = self._execute_module(
            module_name=self._task.resolved_action or self._task.action,
            module_args=self.module_arguments(arguments),
            task_vars=task_vars,
        )
        if name := killed_by(returned):
            module = self._task.action.rpartition(".")[2]
            host = (task_vars or {}).get("inventory_hostname")
            returned["msg"] = (
                f"{module} was killed on {host} ({name}) before it told what it did; the next run "
                "looks at what it had begun and goes on. If nobody killed it, see there: "
                "journalctl --dmesg --grep 'Out of memory'"
            )
        content = returned.pop("result", None)
        # Also in check mode: the result file reports on the run, it is no part of the target.
        if isinstance(content, str) and not returned.get("failed"):
            write_private(path, str(content))
        return returned


class DocumentAction(ResultAction):
    """The text of ``src``, a document on the controller, becomes the module's ``document``."""

    def module_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        unknown = set(arguments) - {"src", "result"}
        if unknown or not isinstance(arguments.get("src"), str):
            raise AnsibleActionFail(
                f"{self._task.action} takes 'src' and 'result', paths on the controller"
                + (f", and not {', '.join(sorted(unknown))}" if unknown else "")
            )
        return {**arguments, "document": read_text(arguments["src"])}
