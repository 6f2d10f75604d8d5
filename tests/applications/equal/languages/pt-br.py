# ruff: noqa: B018
{
    "!langcode!": "pt-br",
    "!langname!": "Português (do Brasil)",
    "Hello": "Olá",
}
