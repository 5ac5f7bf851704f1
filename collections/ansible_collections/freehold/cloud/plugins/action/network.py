# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries a network document to the module of the same name."""

from __future__ import annotations

from typing import Any

from ansible_collections.freehold.cloud.plugins.plugin_utils.document_action import DocumentAction


class ActionModule(DocumentAction):
    """As ``DocumentAction``, with ``remote``: where the module finds the database."""

    def module_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        own = {key: value for key, value in arguments.items() if key == "remote"}
        rest = {key: value for key, value in arguments.items() if key not in own}
        return {**super().module_arguments(rest), **own}
