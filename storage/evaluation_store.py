"""How model versions did in their tests; others use model_registry.py, which judges by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import select

from storage.connections import Connections
from storage.records import Evaluation
from storage.schema import evaluations

_SELECT = select(*(evaluations.c[field.name] for field in fields(Evaluation)))


class EvaluationStore(Connections):
    """The table evaluations: rows are added and read, never changed. Any thread."""

    def add_evaluation(
        self,
        version_id: str,
        kind: str,
        *,
        at_ms: int,
        score: float | None,
        needed: float | None,
        passed: bool,
        figures: Mapping[str, Any],
        report: str,
    ) -> Evaluation:
        """Keep one result. The fields are those of `storage.records.Evaluation`."""
        values = {
            "version_id": version_id,
            "kind": kind,
            "at_ms": at_ms,
            "score": score,
            "needed": needed,
            "passed": int(passed),
            "figures": json.dumps(figures, ensure_ascii=False, allow_nan=False),
            "report": report,
        }
        with self.writing() as connection:
            made = connection.execute(evaluations.insert().values(**values))
        (row_id,) = made.inserted_primary_key or (0,)
        return Evaluation.from_row((row_id, *values.values()))

    def evaluations(self, version_id: str | None = None) -> list[Evaluation]:
        """Of one version or of all, oldest first."""
        query = _SELECT.order_by(evaluations.c.at_ms, evaluations.c.evaluation_id)
        if version_id is not None:
            query = query.where(evaluations.c.version_id == version_id)
        with self.reading() as connection:
            return [Evaluation.from_row(row) for row in connection.execute(query)]
