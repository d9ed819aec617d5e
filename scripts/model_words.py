"""What scripts/6_manage_models.py says of model versions to a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

NOT_REHEARSED = (
    "not heard yet. python scripts/rehearse.py run shows what it would say, then answer and accept."
)
_SIDE_CHARS = 34


def show(result: dict[str, Any]) -> None:
    """Print a result of the script."""
    for name, tell in _TELL.items():
        if name in result:
            tell(result)
            return


def _list(result: dict[str, Any]) -> None:
    if not result["versions"]:
        print("No model has been registered yet; scripts/3_train_model.py makes one.")
    for version in result["versions"]:
        mark = "*" if version["status"] == "deployed" else " "
        score = "" if version["score"] is None else f"  scored {version['score']:.1f}"
        print(
            f"{mark} {version['version_id']:<32} {version['kind']:<6} {version['status']:<10}"
            f"{version['size_bytes'] / 1e6:>9.1f} MB  {date(version['created_at_ms'])}{score}"
        )
        for line in (version["rehearsal"], *_remarks(version)):
            if line:
                print(f"    {line}")


def _remarks(version: Mapping[str, Any]) -> list[str]:
    """What somebody has to know before letting it answer."""
    found = [
        f"{gate['name']}: {gate['said']}"
        for gate in version["gates"]
        if gate["state"] in ("failed", "missing")
    ]
    if version["forced_at_ms"]:
        by = f"{version['forced_by']} on {date(version['forced_at_ms'])}: {version['forced_why']}"
        found.append(f"let through by {by}")
    if version["is_pinned"]:
        found.append("pinned: prune leaves its files")
    if version["pruned_at_ms"]:
        found.append(f"its files were cleared away on {date(version['pruned_at_ms'])}")
    if version["tainted_at_ms"]:
        found.append(_tainted(version))
    return found


def _verified(result: dict[str, Any]) -> None:
    for version_id, problem in result["verified"].items():
        print(problem or f"{version_id}: the file is what was registered.")


def _deployed(result: dict[str, Any]) -> None:
    version = result["deployed"]
    print(f"Deployed: {version['version_id']}  ({version['path']})")
    for line in (*_remarks(version), *result.get("said", ())):
        print(line)
    print(f"In rehearsal: {version['rehearsal'] or NOT_REHEARSED}")
    changed = result.get("settings_changed", {})
    if changed:
        print("Settings that were changed since the other one was deployed, and stay:")
    for name, (before, now) in changed.items():
        print(f"    {name}: {before or 'not set'} -> {now or 'not set'}")


def _one(result: dict[str, Any]) -> None:
    for name, value in result["version"].items():
        if name == "gates":
            value = [f"{gate['name']} {gate['state']} ({gate['said']})" for gate in value]
        text = "; ".join(value) if isinstance(value, list) else value
        is_time = name.endswith("_ms") and value is not None
        print(f"{name:<15} {date(int(value)) if is_time else text}")


def _compared(result: dict[str, Any]) -> None:
    """Side by side; what differs is marked."""
    first, second = result["compared"]
    width = max(len(line["name"]) for line in result["lines"])
    print(f"  {'':<{width}}  {first:<{_SIDE_CHARS}}  {second}")
    for line in result["lines"]:
        mark = "*" if line["differs"] else " "
        sides = [_figure(line[side]) for side in ("first", "second")]
        print(f"{mark} {line['name']:<{width}}  {sides[0]:<{_SIDE_CHARS}}  {sides[1]}")
    print("* marks what differs.")


def _pruned(result: dict[str, Any]) -> None:
    said = "would go" if result["is_trial"] else "went"
    for one in result["going"]:
        print(f"{one['what']:<8}{gigabytes(one['size_bytes']):>10}  {one['path']}")
    for version_id, why in result["stays"].items():
        print(f"stays: {version_id} ({why})")
    print(f"{len(result['going'])} folders {said}, {gigabytes(result['size_bytes'])}.")
    if result["pruned"]:
        print(f"No longer able to answer: {', '.join(result['pruned'])}.")


def _lineage(result: dict[str, Any]) -> None:
    print(result["page"])


def _pinned(result: dict[str, Any]) -> None:
    stays = "stay, whatever is cleared away" if result["is_pinned"] else "may be cleared away"
    print(f"{result['pinned']}: its files {stays}.")


_TELL = {
    "versions": _list,
    "verified": _verified,
    "deployed": _deployed,
    "version": _one,
    "compared": _compared,
    "going": _pruned,
    "page": _lineage,
    "pinned": _pinned,
}


def date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def gigabytes(size_bytes: int) -> str:
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB"


def _figure(value: Any) -> str:
    if value in (None, ""):
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _tainted(version: Mapping[str, Any]) -> str:
    """What is wrong with a version that learned what was erased since, and until when."""
    by = date(version["retrain_by_ms"])
    said = f"learned from {version['tainted_because']}: retrain by {by}"
    if not version["deferred_at_ms"]:
        return said
    return f"{said}; deferred by {version['deferred_by']}: {version['deferred_why']}"
