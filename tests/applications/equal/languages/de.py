# ruff: noqa: B018
{
    "!langcode!": "de",
    "!langname!": "Deutsch",
    "Good %s": "Guten %s",
    "Hello": "Grüß Gott",
    "Hello <World> & 'you'": "Hallo <Welt> & 'du'",
    "Hello %s & %s": "Hallo %s & %s",
    "Hello##formal": "Guten Tag",
    "%s %%{file}": "%s %%{Datei}",
}
