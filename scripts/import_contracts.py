"""The import rule that import-linter has no contract for: modules with the standard library alone.

A module that is named in the rule and not written yet is passed over: the rule waits for it.
"""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryAlone(Contract):
    """`modules` import the standard library and one another, nothing else (lazily neither)."""

    modules = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        named = {str(name) for name in self.modules}  # type: ignore[attr-defined]
        # `from storage import paths` counts as an import of storage.paths, not of storage.
        offences = [
            f"{importer} imports {imported}"
            for importer in sorted(named & graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported not in named and imported.split(".")[0] not in sys.stdlib_module_names
        ]
        return ContractCheck(kept=not offences, metadata={"offences": offences})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for offence in check.metadata["offences"]:
            output.print_error(offence)
