# ruff: noqa: B018
{
    "!langcode!": "de",
    "!langname!": "Deutsch",
    "Articles": "Artikel",
    "Good morning": "Guten Morgen",
}
