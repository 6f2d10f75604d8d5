# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run as: python3 -I -B FOLDER COMMAND SETTINGS ..., see site_backup/commands.py."""

import sys

from site_backup.commands import main

sys.exit(main(sys.argv[1:]))
