"""README.md tells the truth: its tests exist, and no row is missing."""

import ast
import fnmatch
import importlib
import os
import re
import unittest

from libwm import paths

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
ROWS = {"S": 76, "C": 15, "P": 17, "I": 33, "M": 13, "D": 13, "L": 10,
        "F": 5, "Q": 7, "B": 7, "H": 70}


def methods_of(path):
    with open(path, encoding="utf-8") as f:
        tree = ast.parse(f.read())
    return {n.name[5:] for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def made_methods(name):
    """Those of a module that makes some of its tests from tables."""
    module = importlib.import_module(name)
    return {m[5:] for c in vars(module).values() if isinstance(c, type)
            for m in dir(c) if m.startswith("test_")}


def names_of(place):
    """The tests of "bad/smtp", "integration/imap", "unit/smtpd/test_x"."""
    if place.startswith("unit/"):
        with open("%s/%s.c" % (TESTS, place), encoding="utf-8") as f:
            return set(re.findall(r"^(\w+)\(void \*\*state\)", f.read(),
                                  re.M))
    folder, name = place.split("/")
    if folder == "bad":
        return made_methods("test_" + name)
    return methods_of("%s/%s/test_%s.py" % (TESTS, folder, name))


def rows():
    """{row: last column}"""
    found = {}
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
        for line in f:
            m = re.match(r"\| ([A-Z]\d+) \|.*\| ([^|]*) \|$", line)
            if m:
                if m[1] in found:
                    raise AssertionError("twice: " + m[1])
                found[m[1]] = m[2]
    return found


class Readme(unittest.TestCase):
    """The table of bad input."""

    def test_no_row_is_missing(self):
        wanted = {"%s%d" % (letter, i + 1)
                  for letter, n in ROWS.items() for i in range(n)}
        self.assertEqual(set(rows()), wanted)

    def test_every_test_that_is_named_exists(self):
        known = {}
        for row, text in rows().items():
            named = re.findall(r"`([^`]*)`", text)
            if text.startswith(("not yet: ", "not here: ")):
                continue
            self.assertTrue(named, "no test for " + row)
            for words in named:
                place, *patterns = words.split()
                if place not in known:
                    known[place] = names_of(place)
                self.assertTrue(patterns, words)
                for pattern in patterns:
                    self.assertTrue(fnmatch.filter(known[place], pattern),
                                    "%s: %s in %s" % (row, pattern, place))

    def test_every_item_belongs_to_a_row(self):
        known = rows()
        for name in sorted(os.listdir(HERE)):
            if not name.startswith("test_") or name == "test_readme.py":
                continue
            for test in made_methods(name[:-3]):
                row = re.match(r"[a-z]\d+", test)
                self.assertTrue(row and row[0].upper() in known,
                                "%s: %s" % (name, test))

    def test_the_whole_is_run(self):
        with open(os.path.join(paths.ROOT, "tests", "run"),
                  encoding="utf-8") as f:
            self.assertIn('"bad"', f.read())
