# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The code of web2py.deploy in the request path: entry, guard, compatibility, check, compile.

`web2py_runtime.entry:application` is what every application server loads.
"""
