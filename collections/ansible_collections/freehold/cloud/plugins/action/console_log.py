# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps a guest's output out of events: it goes to the result file alone."""

from __future__ import annotations

from ansible_collections.freehold.cloud.plugins.plugin_utils.document_action import ResultAction


class ActionModule(ResultAction):
    pass
