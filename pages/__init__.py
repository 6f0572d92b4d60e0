"""Generate pages in docs/ and files in template/ from the code: `python -m pages`.

Most modules are named after the page or file that they generate. The example values are in
`evidence/examples.py`. The tests use the same values and check that each file is up to date.
"""
