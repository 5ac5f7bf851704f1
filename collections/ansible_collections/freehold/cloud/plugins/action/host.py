# Copyright: the Freehold authors
# GNU General Public License v3.0-or-later (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries a host document to the module of the same name."""

from __future__ import annotations

from ansible_collections.freehold.cloud.plugins.plugin_utils.document_action import DocumentAction


class ActionModule(DocumentAction):
    pass
