"""Write the pages of docs/ that follow from the code, and files of template/; `python -m pages` runs it.

Each module has the name of its page. Example values are in `examples.py`; the tests use the same values
and check that each page is up to date.
"""
