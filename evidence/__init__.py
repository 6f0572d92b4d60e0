"""State facts about connectors for the tests, the pages, `roles check`, and `make live`.

`connector_calls` lists the requests that each connector makes. `properties` names the properties that
the tests prove. `examples` has the values that the pages show and the tests use.
"""
