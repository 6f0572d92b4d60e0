"""Write the pages in docs/ that are generated from the code, and files in template/: `python -m pages`.

Each module has the name of its page. Example values are in `examples.py`; the tests use the same values
and check that each page is up to date.
"""
