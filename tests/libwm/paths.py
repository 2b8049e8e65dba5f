"""Where things are."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
TESTBED = os.path.join(ROOT, "tests", "testbed")


def build_dir():
    """The build under test: $WM_BUILD, relative to the tree, or build."""
    return os.path.join(ROOT, os.environ.get("WM_BUILD") or "build")


def program(name):
    return os.path.join(build_dir(), "bin", name)


def sanitized():
    """Is the build under test one with ASan and UBSan?"""
    return os.path.basename(build_dir().rstrip("/")).endswith("-san")


# Sanitizers and a loaded machine cost time, and the former memory; how much
# is not what is tested.
PATIENCE = 3.0 if sanitized() else 1.0
