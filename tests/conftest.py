"""For every test: their order, a display in memory; and in CI a skipped test is a failure, without
exception."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest

# A shell that starts the tests in the background leaves SIGINT ignored, for us and all children:
# what tests Ctrl-C would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure in CI. An expected failure (xfail) is no skip."""
    if not _in_ci() or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skipped, which is a failure in CI: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: of two processes (scripts/check.py) neither is to wait for
    the other at the end."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


@pytest.fixture(scope="session")
def xvfb() -> Iterator[str]:
    """A display in memory; DISPLAY names it. One for all tests of a session."""
    from tests.gui.display import virtual_display  # this file alone is used by tests of tests

    with virtual_display() as display:
        yield display
