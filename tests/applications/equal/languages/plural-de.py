# ruff: noqa: B018
{
    "Datei": ["Dateien"],
}
