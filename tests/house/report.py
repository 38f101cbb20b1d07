# SPDX-License-Identifier: GPL-2.0-or-later
"""Run unittest cases and print a PASS, FAIL or SKIP line for each, as `make check` counts them.

  report.py FILE    those of a test file; one that calls main() needs no more than to be run
"""

import importlib
import sys
import time
import unittest
from pathlib import Path


class Report(unittest.TestResult):
    """One line for each test, and the reason below those that failed."""

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, word, test, why=''):
        name = test.id().split('.', 1)[-1]
        print(f'{word} {name} ({time.monotonic() - self.began:.1f} s)', flush=True)
        for text in str(why).strip().splitlines()[-40:]:
            print(f'     {text}', flush=True)

    def addSuccess(self, test):
        self.line('PASS', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line('SKIP', test, reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line('FAIL', test, err[1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line('FAIL', test, self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line('FAIL', subtest, err[1])


def main(module=None):
    """Runs the tests of a module: the program, unless another is given."""
    module = module or sys.modules['__main__']
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    sys.exit(not tests.run(Report()).wasSuccessful())


if __name__ == '__main__':
    sys.path.insert(0, str(Path(sys.argv[1]).parent))
    main(importlib.import_module(Path(sys.argv[1]).stem))
