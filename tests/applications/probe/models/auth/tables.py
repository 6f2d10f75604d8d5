# ruff: noqa: F821  (web2py itself gives these names)
from gluon.tools import Auth

db = DAL("sqlite://auth.sqlite", pool_size=1)
auth = Auth(db, hmac_key="sha512:a key of the probe")
auth.settings.extra_fields["auth_user"] = [Field("nickname")]
auth.define_tables(username=True, signature=False)
for number in range(1, 11):
    db.define_table(
        f"thing_{number}",
        Field("name", requires=IS_NOT_EMPTY()),
        Field("amount", "integer", default=0),
        Field("made_on", "datetime", default=request.now),
        Field("owner_id", "reference auth_user"),
    )
