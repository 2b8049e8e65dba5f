"""README.md names a test for each of the 46 faults, and each is there."""

import ast
import os
import re
import unittest

from libwm import sweep

HERE = os.path.dirname(os.path.abspath(__file__))


def tests_of(name):
    """{"Class.test_x"} of a file here."""
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        tree = ast.parse(f.read())
    return {"%s.%s" % (c.name, f.name) for c in tree.body
            if isinstance(c, ast.ClassDef) for f in c.body
            if isinstance(f, ast.FunctionDef) and f.name.startswith("test_")}


class Table(unittest.TestCase):
    """The table of README.md."""

    def setUp(self):
        with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
            self.rows = re.findall(r"^\| (\d+) \| (.*) \| (.*) \|$",
                                   f.read(), re.M)
        with open(os.path.join(HERE, "module.mk"), encoding="utf-8") as f:
            self.makefile = f.read()

    def test_each_fault_has_its_row(self):
        self.assertEqual([int(n) for n, _, _ in self.rows],
                         list(range(1, 47)))

    def test_what_is_not_there_yet_is_not(self):
        """Rows 8 and 38 leave out what nobody could break so far."""
        root = os.path.dirname(os.path.dirname(HERE))
        for folder in ("keys", "filter"):
            self.assertFalse(os.path.isdir(os.path.join(root, folder)),
                             "rows 8 and 38 have to be filled: " + folder)
        for kind in ("pgsql", "ldap", "redis"):
            self.assertFalse(os.path.exists(os.path.join(
                root, "common", "table", kind + ".c")), "row 38: " + kind)

    def test_every_test_named_is_there(self):
        for number, _, where in self.rows:
            named = re.findall(r"`([^`]+)`", where)
            self.assertTrue(named or "Not" in where or "row" in where,
                            number)
            for words in (n.split() for n in named):
                with self.subTest(row=number, named=words):
                    self.look_up(words)

    def look_up(self, words):
        if words[0] == "make":
            self.assertIn("\n.PHONY: omit %s\n" % words[1], self.makefile)
        elif words[0].startswith("tests/faults/"):
            self.assertTrue(os.access(os.path.join(
                HERE, os.path.basename(words[0])), os.X_OK))
        elif words[0] == "sweep":
            self.assertIn(words[1], {s.NAME for s in sweep.SCENARIOS})
        elif words[0] == "powercut":
            self.assertTrue(os.access(os.path.join(HERE, words[0]), os.X_OK))
        else:
            self.assertIn(words[1], tests_of(words[0]))
