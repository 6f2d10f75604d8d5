"""A file that lies here by mistake."""
