"""Facts about connectors for the tests, the pages, `roles check`, and `make live`.

`calls` lists the calls that connectors make to AWS. `connector_calls` adds example resources and lists
requests that the role must deny. `properties` lists the properties that the tests prove.
`examples` contains the values that the pages show and the tests use.
"""
