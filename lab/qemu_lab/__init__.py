# SPDX-License-Identifier: GPL-2.0-or-later
"""Test classes of the lab: an emulated host (L1), guests in it (L2), and what they report.

The QMP client is that of the tree, as for QEMU's own functional tests.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'build' / 'tree' / 'python'))
