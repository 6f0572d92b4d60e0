"""Write the pages of docs/ that follow from the code; `make pages` runs it.

Each page has a module of the page's name. A page shows what the code does or says, for example values
(`examples.py`); the tests use the same values, and check that each page is up to date.
"""
