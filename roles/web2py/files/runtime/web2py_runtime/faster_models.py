# Copyright: (c) 2026, web2py.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch of the first visit, and two of how tables are made."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import pickle
from typing import Any


def first_visit() -> None:
    """A visitor without a session gets an empty one, which is pickled and digested to see later whether it changed.

    That digest is the same for all of them. Only the plain call of web2py itself goes this way, for sessions in files
    and a visitor who brings no cookie.
    """
    module: Any = importlib.import_module("gluon.globals")
    current, settings, kind = module.current, module.global_settings, module.Session
    original, up = kind.connect, module.up
    empty = hashlib.md5(pickle.dumps(kind(), pickle.HIGHEST_PROTOCOL)).hexdigest()  # noqa: S324  as web2py's own

    @functools.wraps(original)
    def connect(self: Any, request: Any = None, response: Any = None, *rest: Any, **words: Any) -> Any:
        if rest or words or self or request is None or response is None or response.session_file:
            return original(self, request, response, *rest, **words)
        application = request.application
        stores = settings.db_sessions
        name = f"session_id_{application.lower()}"
        if stores is True or application in stores or name in request.cookies:
            return original(self, request, response)
        response.session_masterapp = application
        response.session_id_name = name
        response.session_data_name = f"session_data_{application.lower()}"
        response.session_cookie_expires = None
        response.session_client = client = str(request.client).replace(":", ".")
        current._session_cookie_key = None
        response.session_cookie_compression_level = None
        response.session_id = None
        response.session_storage_type = "file"
        response.session_new = False
        response.session_file = None
        response.session_id = identity = f"{client}-{module.web2py_uuid()}"
        join = getattr(module, "safe_path_join", os.path.join)
        response.session_filename = join(up(request.folder), application, "sessions", identity)
        response.session_new = True
        response.cookies[name] = identity
        response.cookies[name]["path"] = "/"
        response.session_hash = empty
        return None

    kind.connect = connect


# By the type of a field, its validator's name.
VALIDATORS = {
    "integer": "IS_INT_IN_RANGE",
    "bigint": "IS_INT_IN_RANGE",
    "double": "IS_FLOAT_IN_RANGE",
    "decimal": "IS_FLOAT_IN_RANGE",
    "reference": "IS_INT_IN_RANGE",
    "big-reference": "IS_INT_IN_RANGE",
    "time": "IS_TIME",
    "date": "IS_DATE",
    "datetime": "IS_DATETIME",
    "list:string": "IS_LIST_OF_STRINGS",
    "list:integer": "IS_LIST_OF_INTS",
    "list:reference": "IS_LIST_OF_INTS",
    "password": "CRYPT",
    "json": "IS_JSON",
}


def tables() -> None:
    """Tables are made for each request: each field makes a table of all validators to take one, and each name that
    only pydal sees goes through what names of fields go through.
    """
    module: Any = importlib.import_module("pydal.objects")
    validators: Any = importlib.import_module("pydal.validators")
    original, kind = module.get_default_validator, module.Table
    setter, plain = kind.__setattr__, object.__setattr__
    special = (module.FieldVirtual, module.FieldMethod)

    @functools.wraps(original)
    def get_default_validator(field: Any, *rest: Any) -> Any:
        if rest or field.referenced_table() is not None:
            return original(field, *rest)
        validator = getattr(validators, VALIDATORS.get(field.type_name, "Validator"))()
        if not field.notnull:
            validator = validators.IS_NULL_OR(validator)
        return validators.DefaultValidatorProxy(validator)

    @functools.wraps(setter)
    def __setattr__(self: Any, key: str, value: Any) -> None:
        if key[:1] == "_" and self.__class__ is kind and not isinstance(value, special):
            plain(self, key, value)
        else:
            setter(self, key, value)

    module.get_default_validator = get_default_validator
    kind.__setattr__ = __setattr__
