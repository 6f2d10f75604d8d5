{
"!langcode!": "de",
"!langname!": "Deutsch",
"Articles": "Artikel",
"Good morning": "Guten Morgen",
}
